"""Why it looks so on the wire: one paragraph for each kind of trait, in a student's words, with links to the lines that
cause it.

A paragraph that depends on what was measured is a function of the cells, so that it never says what the tables above
it don't.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.interop.traits import Cell, groups

Cells = list[Cell]


@dataclass(frozen=True)
class Reason:
    """text: the paragraph. places: (role, place, what these lines are), linked below it."""

    name: str
    title: str
    text: Callable[[Cells], str]
    places: tuple[tuple[str, str, str], ...]


def always(text: str) -> Callable[[Cells], str]:
    return lambda _cells: " ".join(text.split())


def listed(languages: list[str]) -> str:
    return languages[0] if len(languages) == 1 else f"{', '.join(languages[:-1])} and {languages[-1]}"


# Why a server that says nothing of TCP_NODELAY gets what it gets. Only shown of those that were seen waiting.
WAITING = {
    "javascript": "Node leaves Nagle's algorithm on unless told otherwise (`noDelay` of `net.createServer`).",
    "python": "Python is a surprise: asyncio does set TCP_NODELAY, but only on sockets whose protocol number is "
    "IPPROTO_TCP, and `socket.create_server` makes a socket with the number 0 (“choose for me”). What accept() returns "
    "inherits that 0, so asyncio takes it for something else and sets nothing.",
}


def ctrl_c(cells: Cells) -> str:
    text = """The program ends without a word to the server; but the kernel cleans up behind it, and closes what it had
    open. A socket from which everything was read is closed with a FIN, so the server sees a client that has nothing
    more to say, as at the end of an input. If an answer lies there unread, the kernel sends a RST instead (RFC 1122
    §4.2.2.13): the text is lost, and the server shall know. At a prompt all answers are read, so it is a FIN. To see
    the other, the client was stopped (SIGSTOP) after it had sent a line, until the answer lay in its kernel; then
    Ctrl-C came, and only then might it go on."""
    found = groups("client-unread", cells)
    resets, fins = found.pop("RST", []), found.pop("FIN alone", [])
    found.pop("–", [])  # not measured
    if resets:
        text += f" Clients in {listed(resets)} end with a RST then."
    if fins:
        text += f" Those in {listed(fins)} still read the answer before they look at the signal: a FIN."
    for value, languages in found.items():
        text += f" Those in {listed(languages)}: {value}."
    return " ".join(text.split())


def nodelay(cells: Cells) -> str:
    found = groups("server-nodelay", cells)
    text = (
        "The client sends `x␊y` in one segment. `X␊` goes out at once; `Y` follows after the server's silence (20 ms "
        "here). The client's kernel has not acknowledged `X␊` by then: nothing is going its way, so it waits 40 ms for "
        "something to ride on. Nagle's algorithm (RFC 1122 §4.2.3.4) says: no second short segment while one is on its "
        "way. TCP_NODELAY switches it off."
    )
    at_once, waiting = found.pop("at once", []), found.pop("after the ACK", [])
    if at_once:
        text += f" Servers in {listed(at_once)} set it: `Y` leaves after 20 ms, though `X␊` is unacknowledged."
    if waiting:
        text += f" Servers in {listed(waiting)} don't: `Y` is ready after 20 ms as well, but leaves after 40, in the "
        text += "same moment as the ACK arrives. Two delays that are harmless alone have met: Nagle's and that of the "
        text += "ACK. " + " ".join(WAITING[language] for language in waiting if language in WAITING)
    for value, languages in found.items():
        text += f" With {listed(languages)} both were seen ({value}): where the machine was busy and `Y` was late, the "
        text += "ACK was there before it, and nothing is told."
    text += " All answers to one read leave with one call, so none of this is seen with whole lines."
    return text.strip()


def nagle(cells: Cells) -> str:
    found = groups("client-nodelay", cells)
    at_once = found.get("at once", [])
    text = (
        "`a`, `b` and `c␊` are written 5 ms apart. `a` leaves at once. The server can't answer yet, and its kernel "
        "keeps the ACK back. "
    )
    if at_once:
        text += f"Clients in {listed(at_once)} send `b` all the same: they have set TCP_NODELAY. "
    if found.get("after the ACK"):
        text += (
            f"In clients in {listed(found['after the ACK'])} Nagle's algorithm is on: `b` and `c␊` wait together until "
            "the answer `A` brings the ACK, and leave in one segment. It is on unless a program switches it off, and a "
            "client that waits for each answer has no reason to: when it sends, nothing of its own is unacknowledged. "
        )
    return text.strip()


def long(cells: Cells) -> str:
    text = (
        "A line of 20,000 octets doesn't fit into a segment, so the kernel cuts: 1460 octets of MSS less 12 for the "
        "timestamps option make 1448. 46 short lines ride in the rest: segments don't know lines. 20,824 octets need "
        "15 segments at least. There is one more each time that what one read brought is answered (or passed on) by "
        "itself, for then that ends with a short segment. So the number says how much each read found. "
    )
    if "java" in groups("server-long", cells).get("16", []):
        text += (
            "That is mostly chance, but not in Java: its server reads 8192 octets at a time and the others 64 KiB or "
            "more, so it always answers the first short lines before it has seen the end of the long one. "
        )
    return text + (
        "PSH is also set on some full ones: Linux sets it at the end of each piece of several segments that it handles "
        "as one (GSO) until the last moment."
    )


def closing(cells: Cells) -> str:
    text = (
        "A FIN is acknowledged like text: late, if it may be. If the program at the other end closes soon, its own FIN "
        "takes the ACK along: FIN, FIN with ACK, ACK make three. If it takes longer than 40 ms, the kernel sends the "
        "ACK alone, and there are four; the books draw four. After `quit` there is less time. `Good bye␊` and the FIN "
        "are two segments, neither is acknowledged, and when after some 8 ms still nothing is, Linux suspects that the "
        "last one is lost and sends it again (a tail loss probe, RFC 8985 §7). A FIN that comes a second time is "
        "acknowledged at once, by itself. So this says how fast a program answers the end. "
    )
    slow = [
        language
        for value, languages in groups("client-quit", cells).items()
        if value.startswith("four") and ";" not in value
        for language in languages
    ]
    if slow:
        text += f"Clients in {listed(slow)} were too slow each time. "
    if "java" in slow:
        text += "In Java it is the virtual machine, which still loads classes for its last sentence and its exit. "
    return text.strip()


REASONS = (
    Reason(
        "syn",
        "SYN and SYN-ACK: the kernel's, not the language's",
        always(
            """The program says connect() or listen(), and nothing about options. The kernel of its host fills in the
            rest: an MSS of 1460 (an Ethernet frame's 1500 octets less 20 of IPv4 and 20 of TCP), the window scale that
            its largest receive buffer needs, SACK and timestamps. A program could change the scale with SO_RCVBUF
            before connect(); none does. So a SYN shows which system sent it (another kernel may choose another
            scale), never which language."""
        ),
        (("client", "connect", "sends the SYN"), ("server", "listen", "from now on a SYN is answered")),
    ),
    Reason(
        "line",
        "One line, one segment, with PSH",
        always(
            """TCP has no messages, only a stream. But a write that fits into one segment, while nothing waits, becomes
            one. All programs put the line and its LF together before they write; who writes them apart sends two
            segments, or, with Nagle's algorithm, one and 40 ms later the other. PSH is set by the kernel on the last
            segment of each write: “give it to the program, no more is coming for now”. No program can ask for it."""
        ),
        (("client", "send", "one write for each line"), ("server", "send", "one write for all answers")),
    ),
    Reason(
        "long",
        "20.8 kB through a pipe: full segments",
        long,
        (
            ("client", "pass", "writes what one read of the input brought"),
            ("server", "receive", "takes what has arrived"),
            ("server", "send", "answers it"),
        ),
    ),
    Reason("nodelay", "Is Nagle's algorithm off in the server?", nodelay, (("server", "nodelay", "the line"),)),
    Reason(
        "nagle",
        "And in the client?",
        nagle,
        (("client", "connect", "the socket is used as it comes"), ("client", "pass", "the three writes")),
    ),
    Reason(
        "acks",
        "ACKs: alone, or riding on text",
        always(
            """Every segment with text carries an ACK too. A kernel that has just received text waits a little (40 ms
            here; RFC 9293 §3.8.6.3 allows 500) whether the program says something that the ACK can ride on. Not at the
            start of a connection: there Linux acknowledges the first segments at once (“quick ACKs”), for the sender's
            slow start, so the first lines of the demo have a bare ACK and then the answer. A program that needs longer
            for its first answer (a virtual machine that is still compiling) does not change that. Later the ACKs ride.
            The longest waits are in the paced dialogue: of the server's kernel until the answer `A` comes (20 ms), or
            until its patience ends (40 ms); of the client's kernel 40 ms, if nothing comes to be acknowledged sooner.
            A busy machine adds to all of that."""
        ),
        (("client", "send", "the next line takes the ACK along"), ("server", "send", "the answer takes it along")),
    ),
    Reason(
        "quit",
        "quit: the server closes first, with a FIN alone",
        always(
            """The server writes `Good bye␊`, and then ends its side with shutdown(): two calls. Nothing is
            unacknowledged at that moment, so the kernel sends the text with the first call and has only the FIN left
            for the second. Whoever sends the first FIN holds TIME-WAIT in the end: here the server's host."""
        ),
        (("server", "quit", "the FIN"), ("client", "close", "the client's answer to it")),
    ),
    Reason(
        "input",
        "The input ends: the client's FIN",
        always(
            """When the pipe has no more, the client ends only its own side: its FIN says “I have said everything”, and
            it goes on listening. All text was sent (and acknowledged) before, so the FIN travels alone. Now the client
            is the first, and TIME-WAIT is on its host."""
        ),
        (("client", "input-end", "the FIN"), ("server", "peer-ended", "what the server does then")),
    ),
    Reason(
        "closing",
        "Three segments or four?",
        closing,
        (("server", "peer-ended", "the peer's FIN has come"), ("client", "close", "the client closes")),
    ),
    Reason(
        "race",
        "quit at the end of a pipe: who is first?",
        always(
            """`quit` is the last line of the input, and right behind it the input ends. The client's FIN and the
            server's race. Who sends the first depends on how soon the client sees the end of its pipe, and how soon the
            server has read twenty thousand octets; if both FINs are under way together, it is a simultaneous close
            (RFC 9293 §3.6). All of it is right, and no text is lost: everybody reads on until the other's FIN."""
        ),
        (("client", "input-end", "the client's FIN"), ("server", "quit", "the server's FIN")),
    ),
    Reason(
        "ctrl-c",
        "Ctrl-C",
        ctrl_c,
        (
            ("client", "ctrl-c", "what Ctrl-C does in the program"),
            ("server", "peer-ended", "what the server does then"),
        ),
    ),
    Reason(
        "window",
        "Windows",
        always(
            """The window says how much the receiver's kernel has room for. No program chooses it (SO_RCVBUF). It begins
            with 64 kB and grows while text comes in, as the kernel finds that its buffer costs less memory than it
            feared; it sinks while octets wait for the program. How far it gets in 20 kB depends on how soon the program
            reads: chance again. On the wire it is shifted by the window scale: with a scale of 10, the 63 in a segment
            means 63 · 2¹⁰ octets."""
        ),
        (("server", "receive", "makes room again"),),
    ),
)

"""Server cases on the process: how it stops (P26), on which addresses it listens (P27), and its log. (What it is told,
and what it says to that, is in server_words.py.)

They start the server themselves, each its own, so they need its command. A case that stops a server measures time, so
it runs alone.
"""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable

from lab.conformance.model import Case, Failed, Target, shown
from lab.conformance.peer import Peer
from lab.conformance.program import unread_pipe
from lab.conformance.server_load import KERNEL_OCTETS, Deaf, raise_descriptor_limit
from lab.conformance.server_program import Running, ServerProgram, free_port, refused

_STOP = (
    "At SIGTERM: close the listening socket, answer what has arrived (unfinished lines, too), close every connection "
    "as in P16 with at most half a second for its step 2, exit with status 0. Process 1 of a container needs a handler."
)
_REST = (
    "When the kernel takes no more octets (EAGAIN, EWOULDBLOCK), wait until it says that there is room (poll, epoll, "
    "await, drain); a loop that tries again at once keeps a processor busy."
)
_LISTEN = "Listen on :: with IPV6_V6ONLY off, set SO_REUSEADDR, and print the address that getsockname() reports."
_LOG = "The lines of the log are in images/CONTRACT.md, to the letter; flush each one."

NEVER_MS = 60_000  # ECHO_FLUSH_MS for lines that shall stay unfinished
PATIENT = {"ECHO_FLUSH_MS": str(NEVER_MS)}
_LINE = b"x" * 999 + b"\n"
_MANY = 1000
_LOOKS, _LOOK_S = (
    4,
    0.4,
)  # at a server that should wait: a compiler or a collector may be at work for a while, not always
_REST_SHARE = 0.15  # of a look; one that asks on takes as much as it gets
Play = Callable[[ServerProgram], None]


# ---- Stopping: P26 ----


def _idle(number: signal.Signals) -> Play:
    def play(program: ServerProgram) -> None:
        with program.start() as server:
            server.listening()
            server.stops(number)
            must_be("the log after it", ["stopping"], server.log())
            must_be("standard error", "", server.errors())

    return play


def _stopped_inside_a_line(sent: bytes, first: bytes, rest: bytes) -> Play:
    """What has arrived is answered at SIGTERM, although no line end has come; then comes the FIN."""

    def play(program: ServerProgram) -> None:
        with program.start(env=PATIENT) as server, Peer(server.target(NEVER_MS)) as peer:
            peer.send(sent)
            peer.read(first)
            server.stops()
            peer.read(rest)
            peer.end()

    return play


def _stopped_with_a_thousand(program: ServerProgram) -> None:
    raise_descriptor_limit(_MANY + 200)
    with program.start(env=PATIENT) as server, contextlib.ExitStack() as open_ones:
        target = server.target(NEVER_MS)
        peers = []
        for number in range(_MANY):
            peers.append(open_ones.enter_context(Peer(target)))
            peers[-1].send(b"line\n%d" % number)
            peers[-1].read(b"LINE\n")
        server.stops()
        for number, peer in enumerate(peers):
            peer.read(b"%d" % number)
            peer.end()


def _pour(connection: socket.socket) -> None:
    """Send lines without reading until the connection ends."""
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(_LINE * 100)


def _deaf(program: ServerProgram) -> None:
    """A client that does not read does not delay the stop."""
    with program.start() as server:
        deaf = Deaf(server.target())
        with deaf.peer:
            deaf.fill(KERNEL_OCTETS, still_s=0.3)  # until nothing more fits, there and here
            server.stops()


def _at_rest(program: ServerProgram) -> None:
    """While a client does not read, the server waits for the kernel's word; it does not ask over and over."""
    with program.start() as server:
        deaf = Deaf(server.target())
        with deaf.peer:
            deaf.fill(KERNEL_OCTETS, still_s=0.3)
            least_s = min(_busy_s(server) for _ in range(_LOOKS))
        if least_s > _REST_SHARE * _LOOK_S:
            raise Failed("a server that waits", f"one that is at work {least_s / _LOOK_S:.0%} of the time", "lines")


def _busy_s(server: Running) -> float:
    before_s = server.processor_s()
    time.sleep(_LOOK_S)
    return server.processor_s() - before_s


def _chatty(program: ServerProgram) -> None:
    """A client that goes on sending does not delay the stop."""
    with program.start() as server, Peer(server.target()) as peer:
        peer.send(_LINE)
        peer.read(_LINE.upper())
        talking = threading.Thread(target=_pour, args=(peer.socket,), daemon=True)
        talking.start()  # until the server is gone: then our octets are answered with RST
        server.stops()
        talking.join(2 * program.patience_s)


def _refuses(program: ServerProgram) -> None:
    with program.start() as server:
        port = server.target().port
        server.stops()
        if not refused(port):
            raise Failed("a RST to the SYN: the server has stopped", "a connection")


def _port_again(program: ServerProgram) -> None:
    """The server closed first, so it holds TIME_WAIT; its successor gets the port all the same."""
    with program.start() as first:
        target = first.target()
        _quit(target)
        first.stops()
    with program.start("--host", "127.0.0.1", "--port", str(target.port)) as second:
        must_be("the successor listens on", f"127.0.0.1:{target.port}", second.listening())


def _quit(target: Target) -> None:
    with Peer(target) as peer:
        peer.send(b"quit\n")
        peer.read(b"Good bye\n")
        peer.end()


# ---- The log ----


def _life_in_the_log(program: ServerProgram) -> None:
    with program.start(env={"ECHO_MAX_LINE": "10"}) as server:
        target = server.target()
        expected = Counter[str]()

        def lines(peer: Peer, *words: str) -> None:
            host, port = peer.socket.getsockname()[:2]
            expected.update(f"{host}:{port} {word}" for word in ("connected", *words))

        with Peer(target) as leaver:
            lines(leaver, "said quit", "closed")
            leaver.send(b"quit\n")
            leaver.read(b"Good bye\n")
        with Peer(target) as talker:
            lines(talker, "sent a line longer than 10 bytes", "closed")
            talker.send(b"x" * 11)
            talker.read(b"ERROR line longer than 10 bytes\n")
        with Peer(target) as quiet:
            lines(quiet, "closed")
            quiet.half_close()
            quiet.end()
        with Peer(target) as rude:
            lines(rude, "reset")
            rude.send(b"a\n")
            rude.read(b"A\n")
            rude.reset()
        seen = Counter(server.line() or "" for _ in range(expected.total()))
        if seen != expected:
            raise Failed(f"in the log {', '.join(sorted(expected - seen))}",
                         f"instead {', '.join(sorted(seen - expected))}")  # fmt: skip
        server.stops()
        must_be("the rest of the log", ["stopping"], server.log())
        must_be("standard error", "", server.errors())


def _messages_in_the_log(wanted: str, count: int) -> Play:
    """The text of a message is never in the log; how long it was is, if that is asked for."""

    def play(program: ServerProgram) -> None:
        with program.start(env={"ECHO_LOG": wanted} if wanted else {}) as server:
            with Peer(server.target()) as peer:
                peer.send(b"secret\n")
                peer.read(b"SECRET\n")
                peer.half_close()
                peer.end()
            server.stops()
            log = "\n".join(server.log())
            if "secret" in log.lower():
                raise Failed("no text of a message in the log", log)
            found = len(re.findall(r" (received|sent) 7 octets$", log, re.MULTILINE))
            if found != count:
                raise Failed(f"{count} lines that say received or sent 7 octets", f"{found} in {log!r}")

    return play


def _nobody_reads(program: ServerProgram) -> None:
    """Standard output is a pipe whose reader is gone: the server serves on, and ends with status 0."""
    port = free_port()
    with unread_pipe() as unread:
        server = program.start("--host", "127.0.0.1", "--port", str(port), log=unread)
    with server:
        server.until(lambda: server.process.poll() is not None or not refused(port), "a server that listens")
        for _ in range(2):
            _quit(Target("127.0.0.1", port, patience_s=program.patience_s))
        server.stops()
        must_be("standard error", "", server.errors())


def _both_versions(program: ServerProgram) -> None:
    """By default IPv4 and IPv6 are served by one socket, and an IPv4 client is named as such."""
    if not socket.has_dualstack_ipv6():
        with program.start("--port", "0") as server:
            must_match("the first line of the log", r"0\.0\.0\.0:\d+", server.listening())
        return
    with program.start("--port", "0") as server:
        place = server.listening()
        must_match("it listens on", r"\[::\]:\d+", place)
        port = int(place.rpartition(":")[2])
        for host, name in (("127.0.0.1", r"127\.0\.0\.1:\d+"), ("::1", r"\[::1\]:\d+")):
            _quit(Target(host, port, patience_s=program.patience_s))
            for word in ("connected", "said quit", "closed"):
                must_match("the log", f"{name} {word}", server.line() or "its end")


def must_be(what: str, expected: object, got: object) -> None:
    if got != expected:
        raise Failed(f"{what}: {expected!r}", _seen(got))


def must_match(what: str, pattern: str, got: str) -> None:
    if not re.fullmatch(pattern, got):
        raise Failed(f"{what}: {pattern.replace(chr(92), '').replace('d+', 'PORT')}", _seen(got))


def _seen(got: object) -> str:
    return shown(got.encode(), 400) if isinstance(got, str) else repr(got)


STOPS = [
    Case("sigterm", "SIGTERM ends an idle server with status 0, and the log says stopping", "P26", _STOP,
         _idle(signal.SIGTERM), alone=True),
    Case("sigint", "SIGINT (Ctrl-C) does the same", "contract: signals", _STOP, _idle(signal.SIGINT), alone=True),
    Case("sigterm-unfinished", "At SIGTERM an unfinished line is answered, then FIN", "P26", _STOP,
         _stopped_inside_a_line(b"whole\nunfinished", b"WHOLE\n", b"UNFINISHED"), alone=True),
    Case("sigterm-quit", "At SIGTERM an unfinished quit is said Good bye to", "P26", _STOP,
         _stopped_inside_a_line(b"0\nquit", b"0\n", b"Good bye"), alone=True),
    Case("sigterm-thousand", "1,000 connections: each gets its answer and a FIN, within a second", "P26", _STOP,
         _stopped_with_a_thousand, alone=True),
    Case("sigterm-deaf", "A client that does not read does not delay the stop", "P26", _STOP, _deaf, alone=True),
    Case("deaf-at-rest", "Waiting for a client that does not read takes no processor time", "P25", _REST, _at_rest,
         alone=True),
    Case("sigterm-chatty", "A client that goes on sending does not delay the stop", "P26", _STOP, _chatty, alone=True),
    Case("sigterm-refuses", "A stopped server refuses new connections", "P26", _STOP, _refuses, alone=True),
    Case("port-again", "The port is there again at once, though old connections are in TIME_WAIT",
         "contract: listening", _LISTEN, _port_again),
    Case("both-versions", "By default IPv4 and IPv6 are served, by one socket", "P27", _LISTEN, _both_versions),
]  # fmt: skip

LOG = [
    Case("log-life", "The log tells the life of each connection", "contract: log", _LOG, _life_in_the_log),
    Case("log-connections", "Messages are not logged unless asked for", "contract: log", _LOG,
         _messages_in_the_log("", 0)),
    Case("log-messages", "ECHO_LOG=messages logs how many octets, never the text", "contract: log", _LOG,
         _messages_in_the_log("messages", 2)),
    Case("log-unread", "A log that nobody reads stops nothing: status 0 at the end", "contract: log",
         "Writing to standard output fails with EPIPE then (and SIGPIPE must be ignored): go on.", _nobody_reads),
]  # fmt: skip

CASES = STOPS + LOG

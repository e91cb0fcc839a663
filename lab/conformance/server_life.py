"""Server cases on the life of a conversation: quit, the end of a side, silence, the line that is too long (P13 to
P23).
"""

from __future__ import annotations

import contextlib
import itertools
import time

from lab.conformance.capitals import answers_to
from lab.conformance.dialogue import case, converse, end, half_close, probe, quiet, read, send
from lab.conformance.model import Busy, Case, Failed, Target
from lab.conformance.peer import PATIENCE_SHARE, Peer

_QUIT = (
    "Compare the message without its line end with the four letters, in any case, and with nothing else around them."
)
_BYE = "Send exactly `Good bye` and the line end that quit came with; then nothing more."
_CLOSE = (
    "After Good bye: shutdown(fd, SHUT_WR), read and throw away until the client's FIN or for 2 seconds, then close. "
    "Closing while octets are unread sends RST, and that can destroy the Good bye."
)
_FIN = (
    "When recv() returns 0 the client has ended its side, but it still reads: answer what is unfinished, then send FIN."
)
_SILENCE = (
    "Start a timer of 200 ms (ECHO_FLUSH_MS) at every arrival that leaves a line unfinished; cancel it at the next."
)
_LATE = "After an answer by silence forget that message. A line end that comes late is an empty line."
_LONG = "Count the octets of an unfinished line as they arrive; over the limit send the ERROR line, then close (P16)."

NOT_QUIT = (
    b" quit\n", b"quit \n", b"quit!\n", b"quite\n", b"quitter\n", b"unquit\n", b"qui\nt\n", b"quit quit\n",
    b"quit\x00\n", b"\tquit\n", b"'quit'\n", b"Good bye\n", b"exit\n",
)  # fmt: skip


def _every_case_of_quit(target: Target) -> None:
    for letters in itertools.product("qQ", "uU", "iI", "tT"):
        converse(target, send("".join(letters).encode() + b"\n"), read(b"Good bye\n"), end())


def _quit_harms_nobody(target: Target) -> None:
    with Peer(target) as before, Peer(target) as leaver:
        before.send(b"one\nun")
        before.read(b"ONE\n")
        leaver.send(b"quit\n")
        leaver.read(b"Good bye\n")
        with contextlib.suppress(Failed):  # whether a FIN comes is for other cases to say
            leaver.end(within_s=0.5)  # by then the server has done all that quit makes it do
        before.send(b"finished\n")
        before.read(b"UNFINISHED\n")
    converse(target, send(b"after\n"), read(b"AFTER\n"))


def _quit_in_batch(target: Target) -> None:
    """400 KB come after quit, and the client reads only when it has sent them all."""
    batch = b"one\n" * 50 + b"quit\n" + b"never answered\n" * 27_000
    with Peer(target) as peer:
        peer.send(batch)
        peer.read(b"ONE\n" * 50 + b"Good bye\n")
        peer.end()
        peer.not_reset(0.2)


def _talks_on_after_goodbye(target: Target) -> None:
    """A client that has not noticed yet goes on for half a second: the server must still take it."""
    with Peer(target) as peer:
        peer.send(b"quit\n")
        peer.read(b"Good bye\n")
        peer.end()
        for _ in range(5):
            peer.send(b"are you still there?\n")
            peer.not_reset(0.1)


def _gives_up(target: Target) -> None:
    """The server reads on for 2 seconds, not for ever: afterwards our octets are answered with RST."""
    with Peer(target) as peer:
        peer.send(b"quit\n")
        peer.read(b"Good bye\n")
        peer.end()
        since = time.monotonic()
        while time.monotonic() - since < 2 + target.patience_s:
            try:
                peer.send(b"x\n")
                peer.not_reset(0.25)
            except Failed:
                return
        raise Failed(
            "a close about 2 seconds after Good bye", f"still open after {time.monotonic() - since:.0f} s", "quit\\n"
        )


def _how_long_silence_is(target: Target) -> None:
    """The answer without a line end comes 1 to 2 times ECHO_FLUSH_MS after the last octet. The best of three counts."""
    waits_ms = []
    for _ in range(3):
        with Peer(target) as peer:
            peer.send(b"warm up\n")
            peer.read(b"WARM UP\n")
            peer.send(b"no line end")
            sent_at = time.monotonic()
            waits_ms.append(1000 * (peer.read(b"NO LINE END") - sent_at))
        # A timer may be off by a few ms; 10 percent early is still "waits for 200 ms".
        if 0.9 * target.flush_ms <= waits_ms[-1] <= 2 * target.flush_ms:
            return
    got = ", ".join(f"{wait:.0f} ms" for wait in waits_ms)
    raise Failed(f"an answer after {target.flush_ms} to {2 * target.flush_ms} ms", f"after {got}", "no line end")


def _slow_typing(target: Target) -> None:
    """Octets with less than 200 ms between them, for longer than 200 ms in all: one message."""
    with Peer(target) as peer:
        peer.send(b"not quiet", pieces=1, pause_s=0.3 * target.flush_s)
        peer.quiet(0.01)  # an octet that is answered before the line end was taken for a message
        peer.send(b"\n")
        if peer.longest_pause_s > PATIENCE_SHARE * target.flush_s:
            raise Busy("this machine is too busy to type evenly: try when it is idle")
        peer.read(b"NOT QUIET\n")


def _at_once(target: Target) -> None:
    """A whole line is answered when it has arrived, not after the silence. The best of five counts."""
    best_s = 1e9
    with Peer(target) as peer:
        for _ in range(5):
            peer.send(b"now\n")
            sent_at = time.monotonic()
            best_s = min(best_s, peer.read(b"NOW\n") - sent_at)
    if best_s > 0.25 * target.flush_s:
        raise Failed("an answer at once", f"an answer after {1000 * best_s:.0f} ms", "now\\n")


def _error_line(target: Target) -> bytes:
    return b"ERROR line longer than %d bytes\n" % target.max_line_octets


def _at_the_limit(line_end: bytes) -> Case:
    name = "LF" if line_end == b"\n" else "CRLF"

    def play(target: Target) -> None:
        message = b"x" * target.max_line_octets
        with Peer(target) as peer:
            peer.send_while_reading(message + line_end + b"0\n", answers_to(message + line_end + b"0\n"))

    advice = "The limit counts the octets of the message without its line end: LF, or CR LF."
    return Case(
        f"at-limit-{name.lower()}", f"A line of exactly the limit, with {name}, is answered", "P22", advice, play
    )


def _over_the_limit(target: Target) -> None:
    with Peer(target) as peer:
        peer.send(b"one\n" + b"x" * (target.max_line_octets + 1) + b"\n")
        peer.read(b"ONE\n" + _error_line(target))
        peer.end()


def _over_without_line_end(target: Target) -> None:
    """The server must not wait for the line end, nor for the silence."""
    with Peer(target) as peer:
        peer.send(b"x" * (target.max_line_octets + 2))
        peer.read(_error_line(target))
        peer.end()
        peer.not_reset(0.05)


def _far_over(target: Target) -> None:
    """The client sends on while the server has refused already: the ERROR line must not be lost to a RST."""
    with Peer(target) as peer:
        peer.send(b"x" * (3 * target.max_line_octets + 400_000) + b"\nnever answered\n")
        peer.read(_error_line(target))
        peer.end()
        peer.not_reset(0.2)


def _over_harms_nobody(target: Target) -> None:
    with Peer(target) as other:
        other.send(b"hal")
        _over_without_line_end(target)
        other.read(b"HAL")
        other.send(b"f\n")
        other.read(b"F\n")


QUIT = [
    case("quit-lf", "quit is answered Good bye, then FIN", "P13", _BYE, send(b"quit\n"), read(b"Good bye\n"), end()),
    case("quit-crlf", "quit with CRLF is answered with CRLF", "P13", _BYE,
         send(b"quit\r\n"), read(b"Good bye\r\n"), end()),
    Case("quit-any-case", "quit in any letter case", "P13", _QUIT, _every_case_of_quit),
    case("quit-cut", "quit in segments of one octet", "P5", _QUIT,
         send(b"quit\n", pieces=1), read(b"Good bye\n"), end()),
    case("not-quit", "Words that only look like quit are answered", "P14", _QUIT,
         send(b"".join(NOT_QUIT)), read(answers_to(b"".join(NOT_QUIT))), probe()),
    case("quit-bom", "quit behind a byte order mark is not quit", "P14", _QUIT,
         send(b"\xef\xbb\xbfquit\n"), read(b"\xef\xbb\xbfQUIT\n"), probe()),
    case("quit-dotless-i", "quıt with U+0131 is not quit, though its answer is QUIT", "P14", _QUIT,
         send("quıt\n".encode()), read(b"QUIT\n"), probe()),
    case("quit-cr", "quit with a CR too many is not quit", "P14", _QUIT,
         send(b"quit\r\r\n"), read(b"QUIT\r\r\n"), probe()),
    case("quit-after-lines", "Lines before quit are answered first", "P15", _BYE,
         send(b"a\nb\nquit\n"), read(b"A\nB\nGood bye\n"), end()),
    case("lines-after-quit", "Lines after quit are not answered", "P15", _BYE,
         send(b"quit\na\nb\nquit\n"), read(b"Good bye\n"), end()),
    Case("quit-in-batch", "Good bye is not lost when 400 KB follow quit, and FIN comes, not RST", "P16", _CLOSE,
         _quit_in_batch),
    Case("talks-on", "A client that talks on after Good bye gets no RST", "P16", _CLOSE, _talks_on_after_goodbye),
    Case("gives-up", "A client that never closes is given up after about 2 seconds", "P16", _CLOSE, _gives_up),
    Case("quit-harms-nobody", "After quit the server serves the others and new ones", "P17",
         "quit ends one connection: close that socket, and only that.", _quit_harms_nobody),
]  # fmt: skip

ENDS = [
    case("fin-only", "A client that ends at once gets FIN and no octet", "P18", _FIN, half_close(), end()),
    case("fin-after-lines", "FIN after whole lines: all are answered first", "P18", _FIN,
         send(b"a\nb\n"), half_close(), read(b"A\nB\n"), end()),
    case("fin-unfinished", "An unfinished line at FIN is answered without a line end", "P18", _FIN,
         send(b"a\nhello"), half_close(), read(b"A\nHELLO"), end()),
    case("fin-unfinished-cr", "A CR at the end of an unfinished line is part of it", "P18", _FIN,
         send(b"hello\r"), half_close(), read(b"HELLO\r"), end()),
    case("fin-quit", "An unfinished quit at FIN is quit", "P21", _FIN,
         send(b"quit"), half_close(), read(b"Good bye"), end()),
    case("fin-cut-letter", "An unfinished character at FIN comes back as it is", "P18", _FIN,
         send(b"a\xe2\x82"), half_close(), read(b"A\xe2\x82"), end()),
    case("fin-batch", "FIN right behind 5,000 lines: every answer comes", "P18", _FIN,
         send(b"line\n" * 5000 + b"last"), half_close(), read(b"LINE\n" * 5000 + b"LAST"), end()),
]  # fmt: skip

SILENCE = [
    case("silence", "Text without a line end is answered after 200 ms of silence", "P19", _SILENCE,
         send(b"hello"), read(b"HELLO"), probe()),
    case("silence-after-line", "A line, and an unfinished one behind it", "P19", _SILENCE,
         send(b"a\nb"), read(b"A\nB"), probe()),
    case("silence-new-message", "After such an answer a new message begins", "P20", _SILENCE,
         send(b"qu"), read(b"QU"), send(b"it\n"), read(b"IT\n"), probe()),
    case("silence-twice", "Two such messages are answered each by itself", "P20", _SILENCE,
         send(b"one"), read(b"ONE"), send(b"two"), read(b"TWO"), probe()),
    case("silence-quit", "quit without a line end is quit", "P21", _SILENCE,
         send(b"quit"), read(b"Good bye"), end()),
    case("silence-cr", "A CR without LF is part of the message, also at silence", "P14", _SILENCE,
         send(b"quit\r"), read(b"QUIT\r"), probe()),
    case("silence-nothing", "Silence after a whole line is just silence", "P19", _SILENCE,
         send(b"a\n"), read(b"A\n"), quiet(0.5), probe()),
    case("silent-at-first", "The server says nothing until it is spoken to", "P2",
         "Send no greeting and no prompt.", quiet(0.5), probe()),
    case("late-lf", "A line end that comes late is answered alone", "P20", _LATE,
         send(b"hi"), read(b"HI"), send(b"\n"), read(b"\n"), probe()),
    case("late-crlf", "A CRLF that comes late is answered alone", "P20", _LATE,
         send(b"hi"), read(b"HI"), send(b"\r\n"), read(b"\r\n"), probe()),
    case("silence-cuts-letter", "A character cut by silence comes back as two parts", "P20", _LATE,
         send(b"h\xc3"), read(b"H\xc3"), send(b"\xa9i\n"), read(b"\xa9I\n"), probe()),
]  # fmt: skip

TIMING = [
    Case("silence-200-ms", "Silence is 200 ms long: not less, not more than twice", "P19", _SILENCE,
         _how_long_silence_is, alone=True),
    Case("slow-typing", "An octet now and then is not silence", "P19", _SILENCE, _slow_typing, alone=True),
    Case("at-once", "A whole line is answered at once", "P6",
         "Answer when the LF has arrived, write the answer in one piece, and set TCP_NODELAY.", _at_once, alone=True),
]  # fmt: skip

LONG = [
    _at_the_limit(b"\n"),
    _at_the_limit(b"\r\n"),
    Case("over-limit", "One octet more gets the ERROR line, then FIN", "P23", _LONG, _over_the_limit),
    Case("over-limit-unended", "Too long without a line end: refused as soon as it is known", "P23", _LONG,
         _over_without_line_end),
    Case("far-over-limit", "The ERROR line is not lost when the client sends on", "P16", _CLOSE, _far_over),
    Case("over-limit-harms-nobody", "Others are served on after somebody's line was too long", "P1", _LONG,
         _over_harms_nobody),
]  # fmt: skip

CASES = QUIT + ENDS + SILENCE + LONG + TIMING

"""Client cases on conversations: passing through, and playing a script."""

from __future__ import annotations

import os
from collections.abc import Callable

from lab.conformance import wording
from lab.conformance.model import Case, Failed, shown
from lab.conformance.program import Done, Program, ended, killed_at_the_end, read_within, script_file
from lab.conformance.stand_in import Guest, StandIn, Talk

_PASS = "Passing through, copy octets: standard input to the socket, the socket to standard output, both at once."
_SCRIPT = "Send a line, wait for its answer, print it, take the next line."
_FIN = "At the end of the input call shutdown(fd, SHUT_WR) and go on reading until recv() returns 0; only then close."
_ENDS = "recv() returning 0 is the server's FIN: stop and close, whether or not there is more to send."
Play = Callable[[Program], None]


def sentence(*lines: str) -> str:
    """What standard error has: each line with its line end."""
    return "".join(f"{line}\n" for line in lines)


def failure(text: str) -> str:
    """An error sentence as the client prints it."""
    return f"echo-client: {text}\n"


def _piped(sent: bytes, out: bytes, talk: Talk = Guest.echo, *, keep_open: bool = False) -> Play:
    """Pass octets through to a server that talks so; the server must get them all, and standard output its answers."""

    def play(program: Program) -> None:
        with StandIn(talk, program.patience_s) as server:
            done = program.run("127.0.0.1", server.port, stdin=sent, keep_open=keep_open)
            got = server.result(done.err)
        if got != sent:
            raise Failed(f"the server gets {shown(sent)}", shown(got))
        done.must_be(0, out=out, err="")

    return play


def _scripted(script: bytes, sent: bytes, out: bytes, last: str, talk: Talk = Guest.echo) -> Play:
    """Play a script; the server must get exactly these octets, and the output must read so."""

    def play(program: Program) -> None:
        with script_file(script) as path, StandIn(talk, program.patience_s) as server:
            done = program.run("--script", path, "127.0.0.1", server.port, keep_open=True)
            got = server.result(done.err)
        if got != sent:
            raise Failed(f"the server gets {shown(sent)}", shown(got))
        done.must_be(0, out=out, err=sentence(wording.connected("127.0.0.1", "127.0.0.1", server.port), last))

    return play


def _one_after_the_other(guest: Guest) -> None:
    for line in (b"one\n", b"two\n"):
        guest.line(line)
        guest.quiet(0.15)
        guest.send(line.upper())
    guest.until_fin()
    guest.end()


def _in_pieces(guest: Guest) -> None:
    guest.until_fin()
    for piece in (b"STRA", b"SSE \xce", b"\x9a\xce\x8c", b"\xce\xa3\nEND", b"\n", b"no line end"):
        guest.send(piece)
    guest.end()


def _answer_without_line_end(guest: Guest) -> None:
    guest.line()
    guest.send(b"HELLO")
    guest.end()
    guest.until_fin()


def _only_good_bye(guest: Guest) -> None:
    guest.send(b"Good bye\n")
    guest.end()
    guest.until_fin()


def _only_fin(guest: Guest) -> None:
    guest.end()
    guest.until_fin()


def _large(program: Program) -> None:
    """16 MB, more than the kernels' buffers take: a client that reads only when all is sent would wait for ever."""
    block = (b"a long line " * 1000 + b"\n") * 1333
    with StandIn(Guest.echo_octets, program.patience_s, small_buffers=True) as server:
        done = program.run("127.0.0.1", server.port, stdin=block, within_s=6 * program.patience_s)
        got = server.result(done.err)
    if got != block:
        raise Failed(f"the server gets {len(block)} octets", f"{len(got)}, or other ones")
    done.must_be(0, out=block.upper(), err="")


def _meanwhile(program: Program) -> None:
    """The next line is typed only when the answer to the one before has been printed."""
    reading, writing = os.pipe()
    with StandIn(Guest.echo, 2 * program.patience_s) as server, os.fdopen(writing, "wb", buffering=0) as typed:
        try:
            process = program.start("127.0.0.1", server.port, stdin=reading)
        finally:
            os.close(reading)
        with process, killed_at_the_end(process):
            assert process.stdout
            assert process.stderr
            for line in (b"one\n", b"two\n"):
                typed.write(line)
                printed = read_within(process.stdout.fileno(), len(line), program.patience_s)
                if printed != line.upper():
                    what = f"on standard output {shown(line.upper())} while the input is still open"
                    raise Failed(what, shown(printed), shown(line))
            typed.close()
            status = ended(process, program.patience_s)
            Done(status, process.stdout.read(), process.stderr.read()).must_be(0, out=b"", err="")


PASSING = [
    Case("pipe", "Lines come back in capital letters, and nothing else is printed", "P28", _PASS,
         _piped(b"hello\nquit\n", b"HELLO\nGood bye\n")),
    Case("pipe-octets", "Passing through changes no octet", "P28", _PASS,
         _piped(b"a\r\n\x00b\xff\xc3\n\xef\xbb\xbfc\n\n# d\nlast", b"A\r\n\x00B\xff\xc3\n\xef\xbb\xbfC\n\n# D\nLAST")),
    Case("pipe-fin", "At the end of the input the client ends its side and reads on", "P32", _FIN,
         _piped(b"hello", b"HELLO")),
    Case("pipe-nothing", "An empty input is a FIN at once", "P32", _FIN, _piped(b"", b"")),
    Case("pipe-pieces", "Answers in pieces are put together", "P29", _PASS,
         _piped(b"x\n", "STRASSE ΚΌΣ\nEND\nno line end".encode(), _in_pieces)),
    Case("pipe-meanwhile", "An answer is printed while the input is still open", "P30", _PASS, _meanwhile),
    Case("pipe-large", "16 MB: the client reads while it sends", "P30", _PASS, _large),
    Case("server-ends", "After the server's FIN the client ends, though its input is still open", "P33", _ENDS,
         _piped(b"", b"", _only_fin, keep_open=True)),
    Case("server-says-good-bye", "After Good bye the client ends, though its input is still open", "P31", _ENDS,
         _piped(b"", b"Good bye\n", _only_good_bye, keep_open=True)),
]  # fmt: skip

SCRIPTED = [
    Case("script", "A script is played: prompt, line, answer", "contract: script", _SCRIPT,
         _scripted(b"hello\nquit\n", b"hello\nquit\n", b"> hello\nHELLO\n> quit\nGood bye\n", wording.SAID_GOOD_BYE)),
    Case("script-waits", "Each line waits for the answer to the one before", "contract: script", _SCRIPT,
         _scripted(b"one\ntwo\n", b"one\ntwo\n", b"> one\nONE\n> two\nTWO\n", wording.CLOSED, _one_after_the_other)),
    Case("script-comments", "Lines that begin with # are not sent, empty ones are", "contract: script", _SCRIPT,
         _scripted(b"# no\na\n\n#\n #b\n", b"a\n\n #b\n", b"> a\nA\n> \n\n>  #b\n #B\n", wording.CLOSED)),
    Case("script-windows", "A script with CRLF and a byte order mark is sent with LF, without the mark",
         "contract: script", _SCRIPT,
         _scripted(b"\xef\xbb\xbfa\r\nb\r\n", b"a\nb\n", b"> a\nA\n> b\nB\n", wording.CLOSED)),
    Case("script-no-last-lf", "A last line without LF is sent with LF", "contract: script", _SCRIPT,
         _scripted(b"a\nb", b"a\nb\n", b"> a\nA\n> b\nB\n", wording.CLOSED)),
    Case("script-unended", "An answer without a line end is shown with one", "contract: script", _SCRIPT,
         _scripted(b"hello\n", b"hello\n", b"> hello\nHELLO\n", wording.CLOSED, _answer_without_line_end)),
    Case("script-after-quit", "Lines after quit are not sent", "contract: script", _SCRIPT,
         _scripted(b"quit\nmore\n", b"quit\n", b"> quit\nGood bye\n", wording.SAID_GOOD_BYE)),
    Case("script-text", "Text in several scripts arrives as it is", "P28", _SCRIPT,
         _scripted("straße κόσμος 🙂\n".encode(), "straße κόσμος 🙂\n".encode(),
                   "> straße κόσμος 🙂\nSTRASSE ΚΌΣΜΟΣ 🙂\n".encode(), wording.CLOSED)),
    Case("script-long", "A line of 300,000 octets is sent and answered whole", "P29", _SCRIPT,
         _scripted(b"x" * 300_000 + b"\n", b"x" * 300_000 + b"\n",
                   b"> " + b"x" * 300_000 + b"\n" + b"X" * 300_000 + b"\n", wording.CLOSED)),
]  # fmt: skip

CASES = PASSING + SCRIPTED

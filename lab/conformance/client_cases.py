"""Client cases: the kit plays the server, starts the client, and looks at what it sent, printed and how it ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping

from lab.conformance import wording
from lab.conformance.model import Case, Failed, Unable, shown
from lab.conformance.program import Done, Program, script_file, send_signal
from lab.conformance.stand_in import Guest, StandIn, Talk

_PASS = "Passing through, copy octets: standard input to the socket, the socket to standard output, both at once."
_SCRIPT = "Send a line, wait for its answer, print it, take the next line."
_FIN = "At the end of the input call shutdown(fd, SHUT_WR) and go on reading until recv() returns 0; only then close."
_ENDS = "recv() returning 0 is the server's FIN: stop and close, whether or not there is more to send."
_RESET = "A RST is ECONNRESET from recv() or EPIPE from send(): say the sentence, exit with status 1."
_TIME = "Bound connect() and the wait for an answer by ECHO_TIMEOUT_S seconds."
_ERROR = "The sentences, and which exit status goes with them, are in images/CONTRACT.md, to the letter."
_SIGNAL = "128 plus the number of the signal: 130 for Ctrl-C (SIGINT), 143 for SIGTERM."

Play = Callable[[Program], None]


def check(done: Done, status: int, *, out: bytes | None = None, err: str | None = None) -> None:
    """Compare an ended client with what it should be. err: its sentences, a line each. Raises Failed."""
    if b"Traceback" in done.err or b"Exception in" in done.err:
        raise Failed("a sentence", f"a stack trace: {done.err[-300:].decode('utf-8', 'replace')}")
    if out is not None and done.out != out:
        raise Failed(f"on standard output {shown(out)}", shown(done.out))
    if err is not None and done.err != err.encode():
        raise Failed(f"on standard error {shown(err.encode(), 400)}", shown(done.err, 400))
    if done.status != status:
        said = shown(done.err, 400)
        raise Failed(f"exit status {status}", f"{done.status}, and on standard error {said}")


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
            done = program.run("127.0.0.1", server.port, input=sent, keep_open=keep_open)
            got = server.result()
        if got != sent:
            raise Failed(f"the server gets {shown(sent)}", shown(got))
        check(done, 0, out=out, err="")

    return play


def _scripted(script: bytes, sent: bytes, out: bytes, last: str, talk: Talk = Guest.echo) -> Play:
    """Play a script; the server must get exactly these octets, and the output must read so."""

    def play(program: Program) -> None:
        with script_file(script) as path, StandIn(talk, program.patience_s) as server:
            done = program.run("--script", path, "127.0.0.1", server.port, keep_open=True)
            got = server.result()
        if got != sent:
            raise Failed(f"the server gets {shown(sent)}", shown(got))
        check(done, 0, out=out, err=sentence(wording.connected("127.0.0.1", "127.0.0.1", server.port), last))

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
        guest.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    guest.end()


def _only_good_bye(guest: Guest) -> None:
    guest.send(b"Good bye\n")
    guest.end()
    guest.until_fin()


def _only_fin(guest: Guest) -> None:
    guest.end()
    guest.until_fin()


def _reset_mid_line(guest: Guest) -> None:
    guest.line()
    guest.send(b"HEL")
    guest.reset()


def _reset_after_good_bye(guest: Guest) -> None:
    guest.line(b"quit\n")
    guest.send(b"Good bye\n")
    guest.reset()


def _never_answer(guest: Guest) -> None:
    guest.until_fin()
    guest.quiet_forever = True  # type: ignore[attr-defined]


def _large(program: Program) -> None:
    """3 MB through small buffers: a client that only reads when all is sent would wait for ever, and so would the server."""
    block = b"a line that is long enough to fill the buffers soon\n" * 60_000

    def talk(guest: Guest) -> None:
        guest.echo()

    with StandIn(talk, program.patience_s, small_buffers=True) as server:
        done = program.run("127.0.0.1", server.port, input=block, within_s=6 * program.patience_s)
        got = server.result()
    if got != block:
        raise Failed(f"the server gets {len(block)} octets", f"{len(got)}, or other ones")
    check(done, 0, out=block.upper(), err="")


def _reset(talk: Talk, status: int, err: str) -> Play:
    def play(program: Program) -> None:
        with StandIn(talk, program.patience_s) as server:
            done = program.run("127.0.0.1", server.port, input=b"quit\n" if not status else b"hello\n", keep_open=True)
        check(done, status, err=err)

    return play


def _refused(program: Program) -> None:
    with socket.socket() as taken:  # bound, but nobody listens: nobody else can, either
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        done = program.run("127.0.0.1", port, input=b"hello\n")
    check(done, 1, out=b"", err=failure(wording.refused("127.0.0.1", port, "127.0.0.1")))


def _unknown_host(program: Program) -> None:
    # RFC 6761 §6.4: names in .invalid never exist.
    done = program.run("no-such-host.invalid", "7", within_s=6 * program.patience_s)
    check(done, 1, out=b"", err=failure(wording.no_host("no-such-host.invalid")))


def _answer_time_out(program: Program) -> None:
    with script_file(b"hello\n") as path, StandIn(lambda guest: guest.until_fin() and None, 4 * program.patience_s) as server:
        done = program.run("--script", path, "127.0.0.1", server.port, env={"ECHO_TIMEOUT_S": "1"}, keep_open=True)
    connected = sentence(wording.connected("127.0.0.1", "127.0.0.1", server.port))
    check(done, 1, err=connected + failure(wording.no_answer(1)))


def _rest_time_out(program: Program) -> None:
    """Passing through, the wait counts from the end of the input."""
    with StandIn(Guest.until_fin_and_wait, 4 * program.patience_s) as server:  # type: ignore[attr-defined]
        done = program.run("127.0.0.1", server.port, input=b"hello\n", env={"ECHO_TIMEOUT_S": "1"})
    check(done, 1, err=failure(wording.no_answer(1)))

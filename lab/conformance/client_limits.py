"""Client cases on limits: long lines that nobody takes, connections that end in the middle of one, IPv6, and what needs
a network or a disk out of order.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

from lab.conformance import wording
from lab.conformance.client_talk import Play, failure, sentence
from lab.conformance.model import Case, Failed, Unable
from lab.conformance.program import Done, Program, script_file, unread_pipe
from lab.conformance.stand_in import Guest, StandIn, Talk

_TIME = "While octets wait to be sent, the time runs as well: ECHO_TIMEOUT_S since TCP took the last of them."
_OVER = "After the server's FIN a send() that fails is no reset: the server has ended its side, and takes no more."
_RESET = "ECONNRESET, from recv() or send(), before any FIN: say the sentence, exit with status 1."
_ADDRESS = "Ask getaddrinfo() for addresses of every kind; write IPv6 addresses without brackets."
_ERROR = "The sentences, and which exit status goes with them, are in images/CONTRACT.md, to the letter."

_LONG = b"x" * 16_000_000 + b"\n"  # more than all buffers between two programs take
_NOBODY = "255.255.255.255"


def _long_line(how: str, talk: Talk, status: int, error: str, last: str = "") -> Play:
    """The client sends the long line, by a script or through a pipe, to a server that talks so.

    error: what it must say then; last: what it says, with a script, when all is well.
    """

    def play(program: Program) -> None:
        env = {"ECHO_TIMEOUT_S": "1"} if talk is _deaf else {}
        patience_s = 2 * program.patience_s
        with script_file(_LONG) as path, StandIn(talk, patience_s, small_buffers=True) as server:
            if how == "script":
                done = program.run("--script", path, "127.0.0.1", server.port, env=env, within_s=patience_s)
                said = sentence(wording.connected("127.0.0.1", "127.0.0.1", server.port), *([last] if last else []))
            else:
                done = program.run("127.0.0.1", server.port, stdin=2 * _LONG, env=env, within_s=patience_s)
                said = ""
        done.must_be(status, err=said + error)

    return play


def _deaf(guest: Guest) -> None:
    """Take a little, then nothing more. (The connection stays open until the case is over.)"""
    guest.connection.recv(1000)


def _end_while_octets_come(guest: Guest) -> None:
    """An answer, a FIN, and then a RST to what comes after."""
    guest.connection.recv(1000)
    guest.send(b"ERROR\n")
    guest.end()
    guest.connection.close()


def _reset_while_octets_come(guest: Guest) -> None:
    guest.connection.recv(1000)
    guest.reset()


def _flood_then_reset(guest: Guest) -> None:
    """Much that the client has not read yet, and a RST behind it."""
    guest.line()
    guest.send(b"X" * 3_000_000)
    guest.reset()


def _behind_text(program: Program) -> None:
    with StandIn(_flood_then_reset, program.patience_s) as server:
        done = program.run("127.0.0.1", server.port, stdin=b"hello\n", keep_open=True)
    done.must_be(1, err=failure(wording.RESET))


def _ipv6(program: Program) -> None:
    with script_file(b"hello\nquit\n") as path, StandIn(Guest.echo, program.patience_s, address="::1") as server:
        done = program.run("--script", path, "::1", server.port)
        server.result(done.err)
    said = sentence(wording.connected("::1", "::1", server.port), wording.SAID_GOOD_BYE)
    done.must_be(0, out=b"> hello\nHELLO\n> quit\nGood bye\n", err=said)


def _no_host(name: str) -> Play:
    def play(program: Program) -> None:
        done = program.run(name, "7", within_s=6 * program.patience_s)
        done.must_be(1, out=b"", err=failure(wording.no_host(name)))

    return play


def _no_way(program: Program) -> None:
    """TCP has no way to everybody at once (RFC 9293 §3.9.2.3), so nothing leaves this machine."""
    program.run(_NOBODY, "7").must_be(1, out=b"", err=failure(wording.no_way(_NOBODY, "7", _NOBODY)))


@contextlib.contextmanager
def _full_disk() -> Iterator[int]:
    """A file to which every write fails with ENOSPC."""
    try:
        full = os.open("/dev/full", os.O_WRONLY)
    except OSError as error:
        raise Unable("this system has no /dev/full: run this case on Linux") from error
    try:
        yield full
    finally:
        os.close(full)


def _ended_with(program: Program, stdout: int, stderr: int) -> Done:
    """A conversation whose output goes elsewhere."""
    with StandIn(Guest.echo, program.patience_s) as server:
        process = program.start("127.0.0.1", server.port, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr)
        try:
            _, err = process.communicate(b"hello\nquit\n", timeout=program.patience_s)
        except subprocess.TimeoutExpired as expired:
            process.kill()
            process.communicate()
            raise Failed("an end", "it still runs") from expired
    return Done(process.returncode, b"", err or b"")


def _disk_is_full(program: Program) -> None:
    with _full_disk() as full:
        _ended_with(program, full, subprocess.PIPE).must_be(1, err=failure(wording.DISK_FULL))


def _nobody_hears(program: Program) -> None:
    """What standard error can't take changes no status."""
    with unread_pipe() as unread, _full_disk() as full:
        _ended_with(program, full, unread).must_be(1)


def _both_ways(
    key: str, name: str, rule: str, advice: str, talk: Talk, status: int, error: str, last: str = ""
) -> list[Case]:
    return [
        Case(f"{how}-{key}", f"{name} ({'with a script' if how == 'script' else 'passing through'})", rule, advice,
             _long_line(how, talk, status, error, last))
        for how in ("script", "pipe")
    ]  # fmt: skip


CASES = [
    *_both_ways("deaf-server", "A server that takes nothing any more is not waited for for ever", "contract: time",
                _TIME, _deaf, 1, failure(wording.no_answer(1))),
    *_both_ways("fin-under-way", "A server that ends while a line is under way has closed the connection", "P33",
                _OVER, _end_while_octets_come, 0, "", wording.CLOSED),
    *_both_ways("reset-under-way", "A RST while a line is under way is a reset", "P31", _RESET,
                _reset_while_octets_come, 1, failure(wording.RESET)),
    Case("reset-behind-text", "A RST behind much unread text is told as well", "P31", _RESET, _behind_text),
    Case("ipv6", "An IPv6 server is talked to by its address", "contract: addresses", _ADDRESS, _ipv6),
    *(
        Case(f"no-host-{key}", f"{name!r} can be no host's name: a sentence, status 1", "contract: errors", _ERROR,
             _no_host(name))
        for key, name in (("dots", "a..b"), ("brackets", "[::1]"), ("long", "x" * 64), ("numbers", "127.0.0.1.5"))
    ),
    Case("no-way", "An address to which no way leads: a sentence, status 1", "contract: errors", _ERROR, _no_way),
    Case("disk-full", "The disk is full: a sentence, status 1", "contract: errors", _ERROR, _disk_is_full),
    Case("nobody-hears", "A sentence that nobody reads changes no status", "contract: errors", _ERROR, _nobody_hears),
]  # fmt: skip

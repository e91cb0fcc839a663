"""The client as a process, beyond the conformance kit's cases: long lines that nobody takes, connections that end in
the middle of one, IPv6, and the sentences that need a network or a disk out of order (images/CONTRACT.md).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest

from lab.conformance import wording
from lab.conformance.program import Done, Program, script_file
from lab.conformance.stand_in import Guest, StandIn, Talk
from tests.contract.conftest import PYTHON_CLIENT, EchoServer, command

PATIENCE_S = 10.0
PROGRAM = Program(tuple(command("ECHO_TEST_CLIENT_COMMAND", PYTHON_CLIENT)), PATIENCE_S)
LONG = b"x" * 16_000_000 + b"\n"  # more than all buffers between two programs take


def failure(text: str) -> str:
    return f"echo-client: {text}\n"


def connected(port: str) -> str:
    return f"{wording.connected('127.0.0.1', '127.0.0.1', port)}\n"


def play(how: str, talk: Talk, **env: str) -> tuple[Done, str]:
    """Have the client send the long line, by a script or through a pipe; how it ended, and what it said on the way."""
    with script_file(LONG) as path, StandIn(talk, PATIENCE_S, small_buffers=True) as server:
        if how == "script":
            return PROGRAM.run("--script", path, "127.0.0.1", server.port, env=env), connected(server.port)
        return PROGRAM.run("127.0.0.1", server.port, stdin=LONG * 2, env=env), ""


def deaf(guest: Guest) -> None:
    """Take a little, then nothing more. (The connection stays open until the test is over.)"""
    guest.connection.recv(1000)


def end_while_octets_come(guest: Guest) -> None:
    """An answer, a FIN, and then a RST to what comes after."""
    guest.connection.recv(1000)
    guest.send(b"ERROR\n")
    guest.end()
    guest.connection.close()


def reset_while_octets_come(guest: Guest) -> None:
    guest.connection.recv(1000)
    guest.reset()


def flood_then_reset(guest: Guest) -> None:
    """Much that the client has not read yet, and a RST behind it."""
    guest.line()
    guest.send(b"X" * 3_000_000)
    guest.reset()


BOTH_WAYS = pytest.mark.parametrize("how", ["script", "pipe"])


@BOTH_WAYS
def test_a_server_that_takes_nothing_any_more_is_not_waited_for_for_ever(how: str) -> None:
    done, said = play(how, deaf, ECHO_TIMEOUT_S="1")
    done.must_be(1, err=said + failure(wording.no_answer(1)))


@BOTH_WAYS
def test_a_server_that_ends_its_side_while_a_line_is_under_way_has_closed_the_connection(how: str) -> None:
    """P33: the RST that follows the FIN, as the server reads no more, changes nothing."""
    done, said = play(how, end_while_octets_come)
    done.must_be(0, err=f"{said}{wording.CLOSED}\n" if said else "")


@BOTH_WAYS
def test_a_rst_without_a_fin_is_a_reset_also_while_a_line_is_under_way(how: str) -> None:
    done, said = play(how, reset_while_octets_come)
    done.must_be(1, err=said + failure(wording.RESET))


def test_a_rst_behind_much_unread_text_is_told_as_well() -> None:
    with StandIn(flood_then_reset, PATIENCE_S) as server:
        done = PROGRAM.run("127.0.0.1", server.port, stdin=b"hello\n", keep_open=True)
    done.must_be(1, err=failure(wording.RESET))


def test_an_ipv6_server_is_talked_to_by_its_address(start: Callable[..., EchoServer]) -> None:
    """Both programs of a language with each other."""
    port = str(start("--host", "::1", "--port", "0").port)
    with script_file(b"hello\nquit\n") as path:
        done = PROGRAM.run("--script", path, "::1", port)
    said = f"{wording.connected('::1', '::1', port)}\n{wording.SAID_GOOD_BYE}\n"
    done.must_be(0, out=b"> hello\nHELLO\n> quit\nGood bye\n", err=said)


@pytest.mark.parametrize("name", ["a..b", "[::1]", "x" * 64, "127.0.0.1.5"])
def test_what_no_host_can_be_named_is_a_sentence(name: str) -> None:
    PROGRAM.run(name, "7", within_s=6 * PATIENCE_S).must_be(1, out=b"", err=failure(wording.no_host(name)))


def test_an_address_to_which_no_way_leads_is_a_sentence() -> None:
    """TCP has no way to everybody at once (RFC 9293 §3.9.2.3), so nothing leaves this machine."""
    host = "255.255.255.255"
    done = PROGRAM.run(host, "7")
    sentence = f"there is no way to {host} port 7 (tried {host}); check address and network"
    done.must_be(1, out=b"", err=failure(sentence))


def ended_with(stdout: int, stderr: int) -> Done:
    """A conversation whose output goes elsewhere."""
    with StandIn(Guest.echo, PATIENCE_S) as server:
        process = PROGRAM.start("127.0.0.1", server.port, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr)
        _, err = process.communicate(b"hello\nquit\n", timeout=PATIENCE_S)
    return Done(process.returncode, b"", err or b"")


def test_a_full_disk_is_a_sentence() -> None:
    full = os.open("/dev/full", os.O_WRONLY)  # every write fails with ENOSPC
    try:
        done = ended_with(full, subprocess.PIPE)
    finally:
        os.close(full)
    done.must_be(1, err=failure("cannot write to standard output; is the disk full?"))


def test_a_sentence_that_nobody_reads_changes_no_status() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        assert ended_with(full, writing).status == 1
    finally:
        os.close(full)
        os.close(writing)

"""A user's own sessions, in each of the ways the README names: every one works and leaves its own capture."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time

from tests.live.conftest import ROOT, Lab, until


def test_a_piped_client_gets_capital_letters_and_good_bye(lab: Lab) -> None:
    before = len(lab.ended())
    done = lab.client("hello\nquit\n")
    assert "HELLO" in done.stdout
    assert "Good bye" in done.stdout
    session = lab.new_session(before)
    assert session["certificate"]["complete"] is True
    assert session["client"]["name"] == "client"


def test_a_session_over_ipv6_is_captured_as_well(lab: Lab) -> None:
    before = len(lab.ended())
    done = lab.client("hello\nquit\n", ECHO_HOST="server6")
    assert "HELLO" in done.stdout
    session = lab.new_session(before)
    assert session["certificate"]["complete"] is True
    assert session["ip_version"] == 6
    assert session["server"]["name"] == "server6"


def test_a_program_on_this_machine_plays_through_the_gate(lab: Lab) -> None:
    before = len(lab.ended())
    with lab.connect() as connection, connection.makefile("rwb") as stream:
        stream.write("straße\n".encode())
        stream.flush()
        assert stream.readline() == b"STRASSE\n"
        stream.write(b"quit\n")
        stream.flush()
        assert stream.readline() == b"Good bye\n"
        assert stream.readline() == b"", "the server did not close"
    session = lab.new_session(before)
    assert session["client"]["name"] == "gate"
    assert session["certificate"]["complete"] is True


def test_a_half_close_passes_the_gate(lab: Lab) -> None:
    before = len(lab.ended())
    with lab.connect() as connection:
        connection.sendall(b"no line end")
        connection.shutdown(1)
        answer = b""
        while piece := connection.recv(100):
            answer += piece
    assert answer == b"NO LINE END"
    assert lab.new_session(before)["first_closer"] == "client"


def test_the_interactive_client_prompts_edits_and_says_good_bye(lab: Lab) -> None:
    before = len(lab.ended())
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        ["docker", "compose", "-p", lab.project, "run", "--rm", "client"],
        cwd=ROOT,
        env={**lab.env, "TERM": "xterm"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        close_fds=True,
    )
    os.close(follower)
    screen = b""

    def read_until(pattern: bytes, deadline_s: float = 30) -> None:
        nonlocal screen
        end = time.monotonic() + deadline_s
        while not re.search(pattern, screen):
            assert time.monotonic() < end, (pattern, screen)
            if select.select([leader], [], [], 0.2)[0]:
                screen += os.read(leader, 4096)

    try:
        read_until(rb"> $")
        os.write(leader, "hé\x7fallo\r".encode())  # é, then backspace: one character must go, not one octet
        read_until(rb"HALLO")
        os.write(leader, b"quit\r")
        read_until(rb"Good bye")
        assert process.wait(20) == 0
    finally:
        process.kill()
        os.close(leader)
    assert lab.new_session(before)["certificate"]["complete"] is True


def test_a_refused_connection_is_one_sentence_and_a_capture_of_its_own(lab: Lab) -> None:
    before = len(lab.ended())
    done = lab.client("x\n", ECHO_PORT="9", check=False)
    assert done.returncode != 0
    assert "refused" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    session = lab.new_session(before, "refused")
    assert session["zeek_state"] == "REJ"


def test_many_clients_at_once_each_leave_a_certified_capture(lab: Lab) -> None:
    before = len(lab.ended())
    connections = [lab.connect() for _ in range(40)]
    for number, connection in enumerate(connections):
        connection.sendall(f"client {number}\nquit\n".encode())
    for number, connection in enumerate(connections):
        with connection, connection.makefile("rb") as stream:
            assert stream.read() == f"CLIENT {number}\nGood bye\n".encode()
    until(lambda: len(lab.ended()) >= before + 40, "forty captures")
    assert {s["certificate"]["complete"] for s in lab.ended()[before:]} == {True}


def test_a_session_in_progress_can_be_read(lab: Lab) -> None:
    with lab.connect() as connection:
        connection.sendall(b"half way\n")
        assert connection.recv(100) == b"HALF WAY\n"
        running = until(lambda: [s for s in lab.sessions() if s["verdict"] == "open"], "a session in progress")
        path = running[0]["_path"]
        until(lambda: b"HALF WAY" in path.read_bytes(), "its answer in the file")
        connection.sendall(b"quit\n")
    until(lambda: not [s for s in lab.sessions() if s["verdict"] == "open"], "its end")

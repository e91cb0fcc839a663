"""The quirks server on loopback: its page says what it does, and no input of any kind stops it."""

from __future__ import annotations

import contextlib
import importlib.util
import random
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "images" / "lab" / "quirks.py"
HOMES = {4: "127.0.0.1", 6: "::1"}


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quirks", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["quirks"] = module
    spec.loader.exec_module(module)
    return module


quirks: Any = loaded()
ACCEPTING = [port for port, quirk in quirks.QUIRKS.items() if quirk.talk is not None]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(PROGRAM), *words], capture_output=True, text=True, check=False)


class Server:
    """Listeners of the given quirks on ports that the system chose."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.open: list[socket.socket] = []

    def start(self, port: int, version: int) -> int:
        quirk = quirks.QUIRKS[port]
        sock = quirks.listener(0, quirk, version)
        self.open.append(sock)
        threading.Thread(target=quirks.serve, args=(port, quirk, sock, self.said.append), daemon=True).start()
        return int(sock.getsockname()[1])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(quirks, "stopping", threading.Event())
    monkeypatch.setattr(quirks, "LATE_S", 0.01)
    made = Server()
    yield made
    quirks.stopping.set()
    for sock in made.open:
        sock.close()


def connect(version: int, port: int) -> socket.socket:
    return socket.create_connection((HOMES[version], port), timeout=10)


def hear(talk: socket.socket, octets: int) -> bytes:
    got = b""
    while len(got) < octets and (more := talk.recv(octets - len(got))):
        got += more
    return got


def test_the_page_has_the_table_that_the_program_prints_and_no_other_row() -> None:
    page = (ROOT / "docs" / "quirks.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert rows == quirks.table().splitlines() == run("--table").stdout.splitlines()
    assert len(rows) == len(quirks.QUIRKS) + 2


def test_the_text_of_the_page_speaks_of_every_port() -> None:
    text = (ROOT / "docs" / "quirks.md").read_text(encoding="utf-8").partition("## What to try")[2]
    assert {str(port) for port in quirks.QUIRKS if str(port) not in text} == set()


def test_help_and_list_tell_port_and_behaviour() -> None:
    lines = quirks.listed().splitlines()
    assert run("--list").stdout.splitlines() == lines
    said = run("--help").stdout
    for line, (port, quirk) in zip(lines, quirks.QUIRKS.items(), strict=True):
        assert line.startswith(f"{port}  {quirk.name}")
        assert line.endswith(quirk.sentence)
        assert line in said


def test_what_it_is_not_told_to_do_is_refused_and_nothing_listens() -> None:
    done = run("--quiet")
    assert done.returncode == 2
    assert "usage: echo-quirks" in done.stderr


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("port", ACCEPTING)
def test_no_input_stops_a_port(server: Server, port: int, version: int) -> None:
    place = server.start(port, version)
    chance = random.Random(port * 10 + version)
    inputs = [b"", b"\n", b"\0" * 3000, b"\xff\xfe\n", b"quit", b"\xc3", "ß\n".encode(), b"QUIT\n\n", b"a" * 40_000]
    inputs += [chance.randbytes(chance.randrange(2000)) for _ in range(12)]
    for number, octets in enumerate(inputs):
        with connect(version, place) as talk:
            if number % 3 == 0:  # gone with a RST, at once
                talk.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):  # the port's own way to behave: it has closed already
                talk.sendall(octets)
    # It is still there for the next one.
    with connect(version, place) as talk:
        if port == 7004:
            assert talk.recv(1) == b""
        elif port == 7002:
            talk.sendall(b"still there?\n")
            with pytest.raises(ConnectionResetError):
                talk.recv(1)
        else:
            talk.sendall(b"still there?\n")
            assert hear(talk, 13) == b"STILL THERE?\n"


@pytest.mark.parametrize("version", [4, 6])
def test_answers_are_the_echo_protocols_wherever_one_is_given(server: Server, version: int) -> None:
    text = "straße, 4711 κόσμος\n".encode()
    answer = "STRASSE, 4711 ΚΌΣΜΟΣ\n".encode()
    good = [port for port in ACCEPTING if port not in (7002, 7004)]
    for port in good:
        with connect(version, server.start(port, version)) as talk:
            talk.sendall(text[:5])
            talk.sendall(text[5:])
            assert hear(talk, len(answer)) == answer, port


def test_a_port_lets_in_no_more_than_its_places_and_goes_on_when_one_leaves(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quirks, "MOST_CONNECTIONS", 2)
    place = server.start(7006, 4)
    inside = [connect(4, place) for _ in range(3)]
    for talk in inside:
        talk.sendall(b"me\n")
    assert [hear(talk, 3) for talk in inside[:2]] == [b"ME\n"] * 2
    inside[2].settimeout(0.2)
    with pytest.raises(TimeoutError):
        inside[2].recv(1)
    inside[0].close()
    inside[2].settimeout(10)
    assert hear(inside[2], 3) == b"ME\n"
    for talk in inside:
        talk.close()


def test_a_listener_that_fails_to_accept_goes_on_accepting(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    quirk = quirks.QUIRKS[7006]
    sock = quirks.listener(0, quirk, 4)

    class Failing:
        """Accepts only the second time."""

        times = 0

        def fileno(self) -> int:
            return int(sock.fileno())

        def accept(self) -> Any:
            self.times += 1
            if self.times == 1:
                raise OSError(24, "Too many open files")
            return sock.accept()

    server.open.append(sock)
    threading.Thread(target=quirks.serve, args=(7006, quirk, Failing(), server.said.append), daemon=True).start()
    with connect(4, sock.getsockname()[1]) as talk:
        talk.sendall(b"me\n")
        assert hear(talk, 3) == b"ME\n"
    assert server.said[0] == "7006 small backlog: Too many open files"


def test_who_says_nothing_for_long_is_let_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quirks, "PATIENCE_S", 0.05)
    for port in (7006, 7009):
        with connect(4, server.start(port, 4)) as talk:
            if port == 7009:
                talk.shutdown(socket.SHUT_WR)
            assert talk.recv(1) == b"", port

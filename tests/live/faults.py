"""A bench for what can befall a tap: the composed lab's hosts, server and gate, and one tap after another on them, each
with a captures folder and settings of its own.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.store.reader import read_capture
from lab.store.sections import Interface
from tests.live.conftest import Lab, private_folder, until

Facts = dict[str, Any]


class Bench:
    """The lab without a tap; ``tap`` starts one with its own folder and settings."""

    def __init__(self, lab: Lab, new_folder: Callable[[], Path]) -> None:
        self.lab = lab
        self.new_folder = new_folder
        self.env = dict(lab.env)

    def tap(self, captures: Path | None = None, **settings: str) -> Path:
        """A new tap, capturing. Returns its captures folder."""
        self.lab.captures = captures or self.new_folder()
        self.lab.env = {**self.env, "ECHO_CAPTURES": str(self.lab.captures), "ECHO_LADDER": "off", **settings}
        self.lab.compose("up", "--detach", "--no-deps", "--wait", "--force-recreate", "--timeout", "5", "server-tap")
        return self.lab.captures

    def signal(self, name: str) -> None:
        """A signal to the tap, through the engine: after SIGKILL the engine does not start it again."""
        self.lab.container("server-tap").kill(signal=name)

    def start(self) -> None:
        """The same tap again."""
        self.lab.compose("up", "--detach", "--no-deps", "--wait", "server-tap")

    def said(self) -> list[str]:
        """What the tap has logged, line by line; it never logs a traceback."""
        text = self.lab.container("server-tap").logs().decode()
        assert "Traceback" not in text, text
        return [line for line in text.splitlines() if line.startswith("tap: ")]

    def running(self) -> bool:
        return bool(self.lab.container("server-tap").attrs["State"]["Running"])

    def play(self) -> Facts:
        """A whole session; its JSON when it has ended."""
        before = len(self.lab.ended())
        with self.talk() as connection:
            say(connection, b"hello\n", b"HELLO\n")
        return until(lambda: self.lab.ended()[before:], f"a new session's end\n{self.lab.tail()}")[-1]

    @contextmanager
    def talk(self) -> Iterator[socket.socket]:
        """A connection; at the end of the block it is closed as the protocol wants it."""
        with self.lab.connect() as connection:
            yield connection
            say(connection, b"quit\n", b"Good bye\n")
            assert connection.recv(1) == b""

    def facts(self, name: str) -> Facts:
        """The JSON of the session with this name as it is now."""
        return next(one for one in self.lab.sessions() if one["name"] == name)

    def in_progress(self, frames: int) -> Facts:
        """The open session, once its file holds so many frames."""

        def found() -> list[Facts]:
            running = [one for one in self.lab.sessions() if one["verdict"] == "open"]
            return [one for one in running if len(read_capture(one["_path"]).packets) >= frames]

        return until(found, f"an open session with {frames} frames")[0]


def say(connection: socket.socket, text: bytes, answer: bytes) -> None:
    """Send a text and take the answer, which must be this one."""
    connection.sendall(text)
    got = b""
    while len(got) < len(answer):
        piece = connection.recv(65536)
        assert piece, f"the server closed after {got!r}"
        got += piece
    assert got == answer


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def interface_of(facts: Facts) -> Interface:
    """The interface as the session's file describes it."""
    return read_capture(facts["_path"]).interfaces[0]


def dropped_in_file(facts: Facts) -> int | None:
    """What the closing statistics say of drops."""
    statistics = interface_of(facts).statistics
    assert statistics is not None
    return statistics.dropped


def certified(facts: Facts) -> bool:
    whole: bool = facts["verdict"] == "complete" and facts["certificate"] == {"complete": True, "reasons": []}
    return whole


def reasons(facts: Facts) -> str:
    assert facts["certificate"]["complete"] is False, facts
    return " ".join(facts["certificate"]["reasons"])


@contextmanager
def bench_of(project: str, net: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Hosts, server and gate up under this project's name, and down again at the end. net: part of their addresses."""
    lab = Lab(project, private_folder(tmp_path_factory, "faults"), f"198.18.{net}", f"2001:db8:{net}")
    lab.down()
    try:
        lab.compose("up", "--detach", "--wait", "--quiet-pull", "server", "gate")
        yield Bench(lab, lambda: private_folder(tmp_path_factory, "faults"))
    finally:
        lab.down()

"""The programs under test: Python's, or others that the environment names.

ECHO_TEST_SERVER=127.0.0.1:8080                      a server that runs already, in a container for instance
ECHO_TEST_SERVER_COMMAND="./my-server"               a server to start; --host and --port are appended
ECHO_TEST_CLIENT_COMMAND="./my-client"               a client to start
"""

from __future__ import annotations

import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from lab.conformance import Result, run_client_cases, run_server_cases
from lab.conformance.__main__ import address
from lab.conformance.output import told
from lab.conformance.server_load import raise_descriptor_limit

ROOT = Path(__file__).resolve().parents[2]
PYTHON_SERVER = [sys.executable, str(ROOT / "images" / "python" / "server.py")]
PYTHON_CLIENT = [sys.executable, str(ROOT / "images" / "python" / "client.py")]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("ECHO_")}


def command(variable: str, otherwise: list[str]) -> list[str]:
    """The command that an environment variable names, or the one of the repository."""
    return shlex.split(os.environ.get(variable, "")) or otherwise


class EchoServer:
    """A server process on a free port of 127.0.0.1, and everything that it has logged so far."""

    def __init__(self, *args: str, before: Sequence[str] = (), **env: str) -> None:
        """before: a command that starts the server's command."""
        self.process = subprocess.Popen(
            [
                *before,
                *command("ECHO_TEST_SERVER_COMMAND", PYTHON_SERVER),
                *(args or ("--host", "127.0.0.1", "--port", "0")),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**CLEAN, **env},
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        # A log that nobody reads would fill its pipe, and then the server would wait for ever.
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        self.first = self.line()
        self.port = int(self.first.rpartition(":")[2]) if self.first.startswith("listening on ") else 0

    def _read_log(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put("")

    def line(self) -> str:
        """The next line of its log; an empty one if it has ended."""
        return self._lines.get(timeout=10)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal; returns after how many seconds it ended."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(10)
        return time.monotonic() - began

    def log(self) -> list[str]:
        """The rest of its log; it must have ended."""
        return list(iter(self.line, ""))

    def end(self) -> None:
        """Kill it, if it still runs, and let go of it."""
        self.process.kill()
        self.process.wait()
        self._reader.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()

    def errors(self) -> str:
        """Its standard error; it must have ended."""
        assert self.process.stderr
        return self.process.stderr.read()


@pytest.fixture
def start() -> Iterator[Callable[..., EchoServer]]:
    """Start servers; whatever still runs at the end is killed."""
    servers: list[EchoServer] = []

    def begin(*args: str, before: Sequence[str] = (), **env: str) -> EchoServer:
        servers.append(EchoServer(*args, before=before, **env))
        return servers[-1]

    yield begin
    for server in servers:
        server.end()


def wanted(items: Sequence[pytest.Item], test: str) -> list[str]:
    """The ids of the cases that this run asks for: with -k, not all are run."""
    return [
        item.callspec.id for item in items if getattr(item, "originalname", "") == test and hasattr(item, "callspec")
    ]


@pytest.fixture(scope="session")
def server_results(request: pytest.FixtureRequest) -> Iterator[dict[str, Result]]:
    """What the server cases came to: all run once, side by side, as the kit does it."""
    only = wanted(request.session.items, "test_the_server")
    running = os.environ.get("ECHO_TEST_SERVER", "")
    raise_descriptor_limit(4096)
    server = None if running else EchoServer()
    host, port = address(running) if running else ("127.0.0.1", server.port if server else 0)
    try:
        yield {result.case: result for result in run_server_cases(host, port, only=only)}
    finally:
        if server:
            server.end()


@pytest.fixture(scope="session")
def client_results(request: pytest.FixtureRequest) -> dict[str, Result]:
    """What the client cases came to."""
    only = wanted(request.session.items, "test_the_client")
    client = command("ECHO_TEST_CLIENT_COMMAND", PYTHON_CLIENT)
    return {result.case: result for result in run_client_cases(client, only=only, patience_s=10)}


def passed(result: Result) -> None:
    """Fail with the kit's own story."""
    assert result.outcome == "pass", "\n" + "\n".join(told(result))

"""The programs under test: Python's, or others that the environment names.

ECHO_TEST_SERVER=127.0.0.1:8080                      a server that runs already, in a container for instance
ECHO_TEST_SERVER_COMMAND="./my-server"               a server to start; --host and --port are appended
ECHO_TEST_CLIENT_COMMAND="./my-client"               a client to start
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lab.conformance import Result, run_client_cases, run_process_cases, run_server_cases
from lab.conformance.__main__ import address
from lab.conformance.output import told
from lab.conformance.server_load import raise_descriptor_limit
from lab.conformance.server_program import ServerProgram

ROOT = Path(__file__).resolve().parents[2]
PYTHON_SERVER = [sys.executable, str(ROOT / "images" / "python" / "server.py")]
PYTHON_CLIENT = [sys.executable, str(ROOT / "images" / "python" / "client.py")]


def command(variable: str, otherwise: list[str]) -> list[str]:
    """The command that an environment variable names, or the one of the repository."""
    return shlex.split(os.environ.get(variable, "")) or otherwise


def wanted(items: Sequence[pytest.Item], test: str) -> list[str]:
    """The ids of the cases that this run asks for: with -k, not all are run."""
    return [
        item.callspec.id for item in items if getattr(item, "originalname", "") == test and hasattr(item, "callspec")
    ]


def server_command() -> list[str]:
    """The server to start."""
    return command("ECHO_TEST_SERVER_COMMAND", PYTHON_SERVER)


@contextlib.contextmanager
def running_server() -> Iterator[tuple[str, int]]:
    """Host and port of the server under test, which is started unless it runs already."""
    if running := os.environ.get("ECHO_TEST_SERVER", ""):
        yield address(running)
        return
    with ServerProgram(tuple(server_command()), 10).start() as server:
        target = server.target()
        yield target.host, target.port


@pytest.fixture(scope="session")
def server_results(request: pytest.FixtureRequest) -> dict[str, Result]:
    """What the server cases came to: all run once, side by side, as the kit does it."""
    only = wanted(request.session.items, "test_the_server")
    raise_descriptor_limit(4096)
    with running_server() as (host, port):
        return {result.case: result for result in run_server_cases(host, port, only=only)}


@pytest.fixture(scope="session")
def process_results(request: pytest.FixtureRequest) -> dict[str, Result]:
    """What the cases on the server's process came to."""
    return of_the_process(wanted(request.session.items, "test_the_process"))


@pytest.fixture(scope="session")
def short_results(request: pytest.FixtureRequest) -> dict[str, Result]:
    """What the cases on what is short came to."""
    return of_the_process(wanted(request.session.items, "test_what_is_short"))


def of_the_process(only: list[str]) -> dict[str, Result]:
    return {result.case: result for result in run_process_cases(server_command(), only=only)}


@pytest.fixture(scope="session")
def client_results(request: pytest.FixtureRequest) -> dict[str, Result]:
    """What the client cases came to."""
    only = wanted(request.session.items, "test_the_client")
    client = command("ECHO_TEST_CLIENT_COMMAND", PYTHON_CLIENT)
    return {result.case: result for result in run_client_cases(client, only=only, patience_s=10)}


def passed(result: Result) -> None:
    """Fail with the kit's own story."""
    assert result.outcome == "pass", "\n" + "\n".join(told(result))

"""Is the lab's port free, and who has it if not? With real sockets on the loopback."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.setup.ports import is_free, listener, listening_inodes, port_problem
from lab.setup.runner import Result
from lab.setup.settings import Settings
from tests.unit.setup.machines import FakeRunner


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this test process listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def problem(port: int, containers: str = "") -> str:
    runner = FakeRunner(programs=["docker"]).on("docker ps", Result(0, containers))
    error = port_problem(runner, Settings(Path("/"), "echolab", {"ECHO_PORT": str(port)}))
    return f"{error.sentence} {error.next_step}" if error else ""


def test_a_free_port_is_free_and_a_taken_one_is_not(taken: int) -> None:
    assert not is_free(taken)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert is_free(port)
    assert problem(port) == ""


def test_a_program_that_has_the_port_is_named_with_its_process_number(taken: int) -> None:
    text = problem(taken)
    assert f"Port {taken} on 127.0.0.1 is taken by " in text
    assert f"(process {os.getpid()})" in text
    assert "ECHO_PORT=" in text


def test_the_labs_own_gate_may_have_the_port_but_not_another_labs(taken: int) -> None:
    assert problem(taken, f"echolab-gate-1\techolab\t127.0.0.1:{taken}->8080/tcp\n") == ""
    other = problem(taken, f"lab2-gate-1\tlab2\t127.0.0.1:{taken}->8080/tcp\n")
    assert 'taken by container "lab2-gate-1"' in other
    assert "process" in problem(taken, f"x\techolab\t127.0.0.1:1{taken}->8080/tcp, 0.0.0.0:9->{taken}/tcp\n")


def test_only_listening_sockets_of_that_port_are_counted() -> None:
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 x\n"
        "   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 222 1 x\n"
        "   2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 x\n"
        "   3: short\n"
    )
    assert listening_inodes(table, 8080) == {"111"}
    assert listening_inodes("", 8080) == set()


def test_a_machine_without_proc_names_nobody(tmp_path: Path, taken: int) -> None:
    assert listener(taken, tmp_path) == ""

"""The server when something is short or in its way: descriptors, memory, time, a port, an address (images/CONTRACT.md).

Whatever it is, it is told in one sentence, and the connections that there are go on (P1).
"""

from __future__ import annotations

import contextlib
import re
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from lab.conformance.server_program import Running, ServerProgram
from tests.contract.conftest import server_command

Start = Callable[..., Running]
NO_DESCRIPTOR = "no file descriptor is left for one more connection; raise the limit (ulimit -n)"
NO_MEMORY = "no memory is left; give it more, or choose a smaller ECHO_MAX_LINE"
FEW_DESCRIPTORS = 64  # more than a runtime needs for itself, less than there are clients
CLIENTS = 100
PATIENCE_S = 10.0
MIB = 1 << 20
LONG = 48 * MIB

# Programs that change something of themselves and then become the server.
LIMITED = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW_DESCRIPTORS},) * 2)"
# Root may take any port by CAP_NET_BIND_SERVICE (10); PR_CAPBSET_DROP (24) takes it from whom this process becomes.
NO_LOW_PORTS = "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 10)"


def becoming(what: str) -> list[str]:
    return [sys.executable, "-c", f"{what}; os.execvp(sys.argv[1], sys.argv[1:])"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers; whatever still runs at the end is killed. before: a command that starts the server's."""
    with contextlib.ExitStack() as servers:

        def begin(*args: str, before: Sequence[str] = (), **env: str) -> Running:
            program = ServerProgram((*before, *server_command()), PATIENCE_S)
            return servers.enter_context(program.start(*args, env=env))

        yield begin


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    connection.settimeout(PATIENCE_S)
    return connection


def talks(port: int) -> bool:
    """Whether a new client is served."""
    with contextlib.suppress(OSError), connect(port) as connection:
        connection.sendall(b"quit\n")
        return connection.recv(9) == b"Good bye\n"
    return False


def until(condition: Callable[[], bool], what: str) -> None:
    last = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < last, f"waited {PATIENCE_S:.0f} s in vain for {what}"


@pytest.fixture
def crowd() -> Iterator[list[socket.socket]]:
    clients: list[socket.socket] = []
    yield clients
    for client in clients:
        client.close()


def test_without_a_descriptor_left_it_says_so_and_goes_on_serving(start: Start, crowd: list[socket.socket]) -> None:
    server = start(before=becoming(LIMITED))
    port = server.target().port
    began = time.monotonic()
    for _ in range(CLIENTS):
        with contextlib.suppress(OSError):  # Node's refuses some
            crowd.append(connect(port))
    until(lambda: server.has_said(NO_DESCRIPTOR), f"the sentence {NO_DESCRIPTOR!r}")
    crowd[0].sendall(b"still here\n")
    assert crowd[0].recv(20) == b"STILL HERE\n"
    for client in crowd:
        client.close()
    until(lambda: talks(port), "service after the crowd has gone")
    server.stops()
    told = server.errors().splitlines()
    assert set(told) == {f"echo-server: {NO_DESCRIPTOR}"}
    assert len(told) <= 2 + (time.monotonic() - began), "at most once a second"


def memory_of(server: Running, name: str) -> int:
    """Octets, as the kernel counts them: VmData is what counts for the limit, VmRSS what is in use."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
    assert found
    return int(found[1]) << 10


def test_without_memory_for_a_line_only_its_connection_ends(start: Start) -> None:
    server = start(ECHO_MAX_LINE=str(64 * MIB), JAVA_TOOL_OPTIONS=f"-Xmx{LONG >> 20}m")
    port = server.target().port
    assert talks(port)
    while not str(server.line()).endswith(" closed"):
        pass
    most = memory_of(server, "VmData") + LONG
    resource.prlimit(server.process.pid, resource.RLIMIT_DATA, (most, most))
    with connect(port) as other, connect(port) as long:
        with contextlib.suppress(OSError):  # it may be gone before all is sent
            long.sendall(b"x" * LONG + b"\n")
            long.recv(1)
        until(lambda: server.has_said(NO_MEMORY), f"the sentence {NO_MEMORY!r}")
        other.sendall(b"still here\n")
        assert other.recv(20) == b"STILL HERE\n"
        peer = "{}:{}".format(*long.getsockname())
        assert [server.line() for _ in range(3)][-1] in (f"{peer} closed", f"{peer} reset")
    server.stops()


def test_octets_that_come_alone_take_no_more_memory_than_together(start: Start) -> None:
    server = start()
    with connect(server.target().port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"warm up " * 1000 + b"\n")
        connection.recv(8001)
        before = memory_of(server, "VmRSS")
        for _ in range(300_000):
            connection.send(b"x")
        connection.sendall(b"\n")
        connection.recv(1)
        assert memory_of(server, "VmRSS") - before < 24 * MIB


def test_a_busy_server_takes_nobody_for_silent_whose_octets_have_come(start: Start) -> None:
    """P19: stopped for longer than the silence, it must look for octets before it answers what has no end yet."""
    server = start(ECHO_LOG="messages", ECHO_FLUSH_MS="600")  # long enough to stop it within
    port = server.target().port
    pause = threading.Event()  # never set: how long the server stands still is what is tested
    with contextlib.ExitStack() as open_ones:
        clients = [open_ones.enter_context(connect(port)) for _ in range(5)]
        for client in clients:
            client.sendall(b"qu")
        received = 0
        while received < len(clients):
            received += str(server.line()).endswith(" received 2 octets")
        server.process.send_signal(signal.SIGSTOP)
        for client in clients:
            client.sendall(b"it\n")
        pause.wait(0.7)
        server.process.send_signal(signal.SIGCONT)
        for client in clients:
            assert client.makefile("rb").read() == b"Good bye\n"


# ---- Where it cannot listen ----


def test_a_low_port_without_the_right_to_it_is_named_with_the_next_step(start: Start) -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii")) <= 7:
        return  # this system lets everybody have port 7
    server = start("--host", "127.0.0.1", "--port", "7", before=becoming(NO_LOW_PORTS))
    sentence = "port 7 is not for this user; choose one from 1024 up with --port"
    server.must_fail(1, sentence)


def test_an_address_that_is_nobodys_is_named_with_the_next_step(start: Start) -> None:
    """A multicast address is no end of a connection (RFC 9293 §3.9.2.3): bind() fails with EINVAL."""
    server = start("--host", "ff02::1", "--port", "8080")
    sentence = "cannot listen on ff02::1 port 8080; choose others with --host and --port"
    server.must_fail(1, sentence)


@pytest.mark.parametrize("name", ["a..b", "[::1]", "x" * 64])
def test_what_no_host_can_be_named_is_a_sentence(start: Start, name: str) -> None:
    start("--host", name, "--port", "0").must_fail(1, f'there is no host named "{name}"; check --host')

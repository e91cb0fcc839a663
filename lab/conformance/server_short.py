"""Server cases on what is short or in the way: descriptors, memory, time, a port, an address (images/CONTRACT.md).

Whatever it is, it is told in one sentence, and the connections that there are go on (P1). Some need a limit on the
server's own process: these can be run only where the command becomes the server, on Linux.
"""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import time
from pathlib import Path

from lab.conformance import wording
from lab.conformance.dialogue import converse, end, read, send
from lab.conformance.model import Busy, Case, Failed, Target, Unable
from lab.conformance.peer import PATIENCE_SHARE, Peer
from lab.conformance.server_program import Running, ServerProgram
from lab.conformance.server_words import wrong

_SHORT = "An error of accept() or of an allocation is told in one sentence; the connections that there are go on."
_ALONE = "Append what comes to one buffer that grows by doubling; keep no piece for each segment."
_STALL = "When a timer fires, look first whether octets have come; only if none have was the peer silent."
_ERROR = "The sentences, and which exit status goes with them, are in images/CONTRACT.md, to the letter."

_FEW_DESCRIPTORS = 64  # more than a runtime needs for itself, less than there are clients
_CLIENTS = 100
_MIB = 1 << 20
_LONG_OCTETS = 48 * _MIB
_LOW_PORT = 7
_STALL_MS = 600
# Programs that change something of themselves and then become the server.
_BECOME = "; os.execvp(sys.argv[1], sys.argv[1:])"
_LIMITED = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({_FEW_DESCRIPTORS},) * 2)"
# Root may take any port by CAP_NET_BIND_SERVICE (10); PR_CAPBSET_DROP (24) takes it from whom this process becomes.
_NO_LOW_PORTS = "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 10)"


def _becoming(program: ServerProgram, what: str = "import os, sys") -> list[str]:
    """A command that changes itself and then becomes the server. Raises Unable where the server is another process."""
    if not sys.platform.startswith("linux"):
        raise Unable("this case needs Linux, its limits and its /proc")
    if Path(program.command[0]).name in ("docker", "podman"):
        raise Unable("limits do not reach through docker run: run the kit in the server's container")
    return [sys.executable, "-c", what + _BECOME]


def _talks(target: Target) -> None:
    converse(target, send(b"quit\n"), read(b"Good bye\n"), end())


def _memory_octets(server: Running, name: str) -> int:
    """As the kernel counts it: VmData is what counts for the limit, VmRSS what is in use."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
    if not found:
        raise Unable(f"this system does not tell {name} of a process")
    return int(found[1]) << 10


def _no_descriptor(program: ServerProgram) -> None:
    with program.start(before=_becoming(program, _LIMITED)) as server, contextlib.ExitStack() as open_ones:
        target, began = server.target(), time.monotonic()
        first = open_ones.enter_context(Peer(target))
        with contextlib.suppress(Failed):  # some servers refuse the last ones
            for _ in range(_CLIENTS):
                open_ones.enter_context(Peer(target))
        server.says(wording.NO_DESCRIPTOR)
        first.send(b"still here\n")
        first.read(b"STILL HERE\n")
        open_ones.close()
        server.until(lambda: _serves(target), "service after the crowd has gone")
        server.stops()
        told = server.errors().splitlines()
        most = 2 + (time.monotonic() - began)
        if set(told) != {f"echo-server: {wording.NO_DESCRIPTOR}"} or len(told) > most:
            raise Failed("that sentence, at most once a second, and no other", f"{len(told)} lines: {told[-1]}")


def _serves(target: Target) -> bool:
    with contextlib.suppress(Failed, Unable):
        _talks(target)
        return True
    return False


def _no_memory(program: ServerProgram) -> None:
    import resource

    env = {"ECHO_MAX_LINE": str(64 * _MIB), "JAVA_TOOL_OPTIONS": f"-Xmx{_LONG_OCTETS >> 20}m"}
    with program.start(before=_becoming(program), env=env) as server:
        target = server.target()
        _talks(target)  # what it needs for a conversation, it has
        while not (server.line() or " closed").endswith(" closed"):
            pass
        most = _memory_octets(server, "VmData") + _LONG_OCTETS
        resource.prlimit(server.process.pid, resource.RLIMIT_DATA, (most, most))
        with Peer(target) as other, Peer(target) as long:
            with contextlib.suppress(OSError):  # it may be gone before all is sent
                long.socket.sendall(b"x" * _LONG_OCTETS + b"\n")
                long.socket.recv(1)
            server.says(wording.NO_MEMORY)
            other.send(b"still here\n")
            other.read(b"STILL HERE\n")


def _octets_alone(program: ServerProgram) -> None:
    """300,000 octets in segments of their own take no more memory than together."""
    with program.start(before=_becoming(program)) as server, Peer(server.target()) as peer:
        peer.send(b"warm up " * 1000 + b"\n")
        peer.read(b"WARM UP " * 1000 + b"\n")
        before = _memory_octets(server, "VmRSS")
        for _ in range(300_000):
            peer.socket.send(b"x")
        peer.send(b"\n")
        peer.read(b"X" * 300_000 + b"\n")
        grown = (_memory_octets(server, "VmRSS") - before) // _MIB
        if grown >= 24:
            raise Failed("less than 24 MiB more memory", f"{grown} MiB more", "300,000 octets, one by one")


def _stalled(program: ServerProgram) -> None:
    """P19: stopped for longer than the silence, it must look for octets before it answers what has no end yet."""
    env = {"ECHO_LOG": "messages", "ECHO_FLUSH_MS": str(_STALL_MS)}
    with program.start(before=_becoming(program), env=env) as server, contextlib.ExitStack() as open_ones:
        target = server.target(_STALL_MS)
        peers = [open_ones.enter_context(Peer(target)) for _ in range(5)]
        began = time.monotonic()
        for peer in peers:
            peer.send(b"qu")
        received = 0
        while received < len(peers):
            received += (server.line() or "").endswith(" received 2 octets")
        server.process.send_signal(signal.SIGSTOP)
        if time.monotonic() - began > PATIENCE_SHARE * target.flush_s:
            raise Busy("this machine is too busy to stop the server in time: try when it is idle")
        for peer in peers:
            peer.socket.sendall(b"it\n")  # not by send(): this pause inside a line is no fault of this machine
        time.sleep(1.5 * target.flush_s)  # how long it stands still is what is tested
        server.process.send_signal(signal.SIGCONT)
        for peer in peers:
            peer.read(b"Good bye\n")
            peer.end()


def _low_port(program: ServerProgram) -> None:
    before = _becoming(program, _NO_LOW_PORTS)
    lowest = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if lowest.exists() and int(lowest.read_text(encoding="ascii")) <= _LOW_PORT:
        raise Unable(f"everybody may have port {_LOW_PORT} here: set net.ipv4.ip_unprivileged_port_start to 1024")
    with program.start("--host", "127.0.0.1", "--port", str(_LOW_PORT), before=before) as server:
        server.must_fail(1, wording.low_port(_LOW_PORT))


CASES = [
    Case("no-descriptor", "No descriptor is left: a sentence, and those who are there are served", "contract: errors",
         _SHORT, _no_descriptor),
    Case("no-memory", "No memory is left for a line: a sentence, and only its connection ends", "contract: errors",
         _SHORT, _no_memory),
    Case("octets-alone", "Octets that come alone take no more memory than together", "P24", _ALONE, _octets_alone),
    Case("stalled", "A server that was stopped takes nobody for silent whose octets have come", "P19", _STALL, _stalled,
         alone=True),
    Case("server-low-port", "A port below 1024 without the right to it: a sentence, status 1", "contract: errors",
         _ERROR, _low_port),
    Case("server-nobodys-address", "An address that can be nobody's: a sentence, status 1", "contract: errors", _ERROR,
         wrong(["--host", "ff02::1", "--port", "8080"], 1,
               "cannot listen on ff02::1 port 8080; choose others with --host and --port")),
    *(
        Case(f"server-no-host-{key}", f"{name!r} can be no host's name: a sentence, status 1", "contract: errors",
             _ERROR, wrong(["--host", name, "--port", "0"], 1, f'there is no host named "{name}"; check --host'))
        for key, name in (("dots", "a..b"), ("brackets", "[::1]"), ("long", "x" * 64))
    ),
]  # fmt: skip

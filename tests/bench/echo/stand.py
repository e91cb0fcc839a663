"""The stand of the echo bench: one internal bridge, the six servers and sockperf's on it, and the probe that asks them.

A round trip is a matter of microseconds, and of where the two programs run: on one processor the answer is there
before anybody sleeps, on two the kernel must wake the other one. So for round trips every server is held on the first
processor and whoever asks on the second (``pinned``); for everything else both may have both.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
NETWORK, SUBNET, IMAGE = "echolab-bench-echo", "198.18.82", "echolab/bench-echo"
ASKER, YARDSTICK = f"{NETWORK}-asker", f"{NETWORK}-sockperf"
BASE = "debian:trixie-slim"
PORT = 7777
SAFE = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only")
# One address has so many ports for its connections to one server; the system's own choice has 28,000.
PORTS = ("--sysctl", "net.ipv4.ip_local_port_range=1024 65535")
SERVERS_CPU, ASKERS_CPU = "0", "1"
STILL_MIB = 0.5


@dataclass
class Server:
    """One server's container and what was measured of it."""

    language: str
    address: str
    container: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def pid(self) -> int:
        """Its process, as this machine numbers it."""
        return int(docker("inspect", "-f", "{{.State.Pid}}", self.container))

    def memory_mib(self) -> float:
        """Resident memory."""
        text = Path(f"/proc/{self.pid()}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", text)
        return int(found[1]) / 1024 if found else 0.0

    def settled_mib(self, deadline_s: float = 5.0) -> float:
        """Resident memory once it has stayed within half a MiB for a second (or what it is at the deadline)."""
        end = time.monotonic() + deadline_s
        seen = [self.memory_mib()]
        while time.monotonic() < end and (len(seen) < 6 or max(seen[-6:]) - min(seen[-6:]) > STILL_MIB):
            time.sleep(0.2)
            seen.append(self.memory_mib())
        return seen[-1]

    def descriptors(self) -> int:
        """Open file descriptors."""
        return len(list(Path(f"/proc/{self.pid()}/fd").iterdir()))

    def descriptor_limit(self) -> int:
        """How many it may have open."""
        text = Path(f"/proc/{self.pid()}/limits").read_text(encoding="ascii")
        found = re.search(r"Max open files\s+(\d+)", text)
        return int(found[1]) if found else 0

    def settled_descriptors(self, wanted: int, deadline_s: float = 5.0) -> int:
        """Open file descriptors, once they are as wanted (or what they are at the deadline)."""
        end = time.monotonic() + deadline_s
        while (found := self.descriptors()) != wanted and time.monotonic() < end:
            time.sleep(0.05)
        return found


def docker(*words: str) -> str:
    """One docker command; its output."""
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"docker {' '.join(words)}: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


def inside(*words: str) -> list[str]:
    """The command line that runs a program in the asker's container, which is there already: that is quicker."""
    return ["docker", "exec", "-i", ASKER, *words]


def every_cpu() -> str:
    """All processors, as docker wants them named."""
    return f"0-{(os.cpu_count() or 1) - 1}"


class Asked:
    """A probe that runs: its answers, line by line; ``go_on`` sends it to its next step."""

    def __init__(self, server: Server, process: subprocess.Popen[str]) -> None:
        self.server, self.process = server, process

    def answer(self) -> dict[str, Any]:
        """The probe's next answer. Ends the run if the server was wrong."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        told: dict[str, Any] = json.loads(line) if line else {"error": "the probe said nothing"}
        if "error" in told:
            raise SystemExit(f"{self.server.language}: {self.process.args}: {told['error']}")
        return told

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@contextmanager
def asking(server: Server, mode: str, *words: object) -> Iterator[Asked]:
    """Ask a server; the connections stay until the block ends."""
    command = inside("probe", mode, server.address, str(PORT), *map(str, words))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Asked(server, process)
        assert process.stdin is not None
        process.stdin.close()


def probe(server: Server, mode: str, *words: object) -> dict[str, Any]:
    """Ask a server, and return what the probe says."""
    with asking(server, mode, *words) as asked:
        return asked.answer()


def sockperf(seconds: float) -> dict[str, float]:
    """One run of its ping-pong: p50 and p99 of the full round trip, in microseconds."""
    whole = str(math.ceil(seconds))  # it knows no parts of a second
    words = ["ping-pong", "--tcp", "-i", f"{SUBNET}.9", "-p", str(PORT), "-m", "64", "-t", whole, "--full-rtt"]
    done = subprocess.run(inside("sockperf", *words), capture_output=True, text=True, check=True)
    found = {name: re.search(rf"percentile {name}\.000\s*=\s*([\d.]+)", done.stdout) for name in ("50", "99")}
    if not all(found.values()):
        raise SystemExit(f"sockperf said nothing readable: {done.stdout[-300:]}")
    return {f"p{name}_us": float(match[1]) for name, match in found.items() if match}


@contextmanager
def pinned(servers: Sequence[Server]) -> Iterator[None]:
    """While the block runs, every server is held on one processor, sockperf's too, and whoever asks on another."""
    names = [YARDSTICK, *(server.container for server in servers)]
    docker("update", "--cpuset-cpus", SERVERS_CPU, *names)
    docker("update", "--cpuset-cpus", ASKERS_CPU, ASKER)
    yield
    docker("update", "--cpuset-cpus", every_cpu(), *names, ASKER)


def shuffled(names: Sequence[str], rounds: int, seed: int = 7) -> list[list[str]]:
    """In which order they are asked in each round: another one each time, the same in every run."""
    chance = random.Random(seed)
    return [chance.sample(list(names), len(names)) for _ in range(rounds)]


def size_mb(image: str) -> float:
    """Size of an image in MB."""
    return int(docker("image", "inspect", "-f", "{{.Size}}", image)) / 1e6


def build(language: str, what: str) -> str:
    """Build a language's server or client, if it is not there yet."""
    image = f"echolab/{language}-{what}"
    docker("build", "-q", "-f", str(ROOT / f"images/{language}/Dockerfile"), "--target", what, "-t", image,
           str(ROOT / "images"))  # fmt: skip
    return image


def start(languages: Sequence[str]) -> list[Server]:
    """Build what is missing and start every server, each on its own address."""
    docker("build", "-q", "-t", IMAGE, str(HERE))
    docker("network", "create", "--internal", "--subnet", f"{SUBNET}.0/24", NETWORK)
    docker("run", "-d", "--name", YARDSTICK, "--network", NETWORK, "--ip", f"{SUBNET}.9", *SAFE, IMAGE,
           "sockperf", "server", "--tcp", "-i", f"{SUBNET}.9", "-p", str(PORT))  # fmt: skip
    docker("run", "-d", "--name", ASKER, "--network", NETWORK, "--init", *PORTS, *SAFE, IMAGE, "sleep", "infinity")
    servers = []
    for number, language in enumerate(languages):
        server = Server(language, f"{SUBNET}.{10 + number}", f"{NETWORK}-{language}")
        docker("run", "-d", "--name", server.container, "--network", NETWORK, "--ip", server.address, *SAFE,
               "-e", f"ECHO_PORT={PORT}", build(language, "server"))  # fmt: skip
        servers.append(server)
    for server in servers:
        until_it_listens(server, 1)
    return servers


def restart(server: Server) -> None:
    """The same container with a new process: what it kept of the past is gone."""
    times = docker("logs", server.container).count("listening on")
    docker("restart", server.container)
    until_it_listens(server, times + 1)


def until_it_listens(server: Server, times: int, deadline_s: float = 30.0) -> None:
    """Wait until it has said so often that it listens."""
    end = time.monotonic() + deadline_s
    while docker("logs", server.container).count("listening on") < times:
        if time.monotonic() > end:
            raise SystemExit(f"{server.language} does not listen")
        time.sleep(0.1)


def stop() -> None:
    """Remove the servers and the network."""
    names = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"name=^{NETWORK}-"], capture_output=True, text=True, check=True
    ).stdout.split()
    if names:
        docker("rm", "-f", *names)
    subprocess.run(["docker", "network", "rm", NETWORK], capture_output=True, check=False)

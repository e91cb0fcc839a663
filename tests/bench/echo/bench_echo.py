"""How fast each language's server answers, beside sockperf, and what a crowd does to it.

All in one run, on one internal bridge: round trips of 64-octet lines (sockperf's TCP ping-pong with ``--full-rtt`` is
the yardstick, measured anew in every round), 1,000 connections that talk, the same beside 10,000 idle ones and beside
one that never reads, and 100,000 sessions from connect to the last FIN, with the server's memory and descriptors before
and after. The probe (probe.c) holds every answer to what the protocol demands; a wrong one ends the run.

    python3 -m tests.bench.echo.bench_echo [--servers c,java] [--rounds 5] [--sessions 100000] [--write docs/load.md]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
NETWORK, SUBNET, IMAGE = "echolab-bench-echo", "198.18.82", "echolab/bench-echo"
PORT = 7777
SAFE = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only")

TEXT = """# How fast, and how many

Made by `{command}`. Everything ran on {processors} processors, probe and server sharing them, on one internal bridge;
the servers as the lab runs them (no capability, read-only). Look at the ratios: the microseconds are this machine's.

## Round trips

A line of 64 octets goes there, its answer comes back, then the next one: one connection, {rounds} rounds of
{seconds:g} s for each server in turn. sockperf is its TCP ping-pong with `--full-rtt` over the same bridge in the same
rounds; the ratio is the median of each round's own. Messages per second: 50 connections doing the same at once. The
image has the base (79 MB), which all share.

{trips}

## Crowds

1,000 connections talk at once, alone and beside {idle:,} idle ones; 50 talk beside one that sends lines and never reads
an answer. Memory is the server's resident set.

{crowds}

## Sessions

Connect, `hello`, `quit`, both answers, the server's FIN, ours: {sessions:,} times, 50 at a time. Memory and descriptors
after the first tenth and after the last.

{lives}
"""


@dataclass
class Server:
    """One server's container and what was measured of it."""

    language: str
    address: str
    container: str = ""
    trips: list[dict[str, float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def pid(self) -> int:
        """Its process, as this machine numbers it."""
        return int(docker("inspect", "-f", "{{.State.Pid}}", self.container))

    def memory_mib(self) -> float:
        """Resident memory."""
        text = Path(f"/proc/{self.pid()}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", text)
        return int(found[1]) / 1024 if found else 0.0

    def descriptors(self) -> int:
        """Open file descriptors."""
        return len(list(Path(f"/proc/{self.pid()}/fd").iterdir()))


def docker(*words: str) -> str:
    """One docker command; its output."""
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"docker {' '.join(words)}: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


def inside(*words: str) -> list[str]:
    """The command line that runs a program of the bench's image on its network."""
    return ["docker", "run", "--rm", "-i", "--network", NETWORK, *SAFE, IMAGE, *words]


def probe(server: Server, mode: str, *words: object) -> dict[str, Any]:
    """Ask a server, and return what the probe says. For modes that keep their connections: see ``holding``."""
    with holding(server, mode, *words) as answer:
        return answer


@contextmanager
def holding(server: Server, mode: str, *words: object) -> Iterator[dict[str, Any]]:
    """Ask a server; its connections stay until the block ends."""
    command = inside("probe", mode, server.address, str(PORT), *map(str, words))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        line = process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the probe said nothing"}
        if "error" in answer:
            raise SystemExit(f"{server.language}: {mode} {words}: {answer['error']}")
        yield answer
        process.stdin.close()


def sockperf(seconds: float) -> dict[str, float]:
    """One run of its ping-pong: p50 and p99 of the full round trip, in microseconds."""
    words = ["ping-pong", "--tcp", "-i", f"{SUBNET}.9", "-p", str(PORT), "-m", "64", "-t", f"{seconds:g}", "--full-rtt"]
    done = subprocess.run(inside("sockperf", *words), capture_output=True, text=True, check=True)
    found = {name: re.search(rf"percentile {name}\.000\s*=\s*([\d.]+)", done.stdout) for name in ("50", "99")}
    return {f"p{name}_us": float(match[1]) if match else 0.0 for name, match in found.items()}


def start(languages: Sequence[str]) -> list[Server]:
    """Build what is missing and start every server, each on its own address."""
    docker("build", "-q", "-t", IMAGE, str(HERE))
    docker("network", "create", "--internal", "--subnet", f"{SUBNET}.0/24", NETWORK)
    docker("run", "-d", "--name", f"{NETWORK}-sockperf", "--network", NETWORK, "--ip", f"{SUBNET}.9", *SAFE, IMAGE,
           "sockperf", "server", "--tcp", "-i", f"{SUBNET}.9", "-p", str(PORT))  # fmt: skip
    servers = []
    for number, language in enumerate(languages):
        image, address = f"echolab/{language}-server", f"{SUBNET}.{10 + number}"
        docker("build", "-q", "-f", str(ROOT / f"images/{language}/Dockerfile"), "--target", "server", "-t", image,
               str(ROOT / "images"))  # fmt: skip
        server = Server(language, address, f"{NETWORK}-{language}")
        docker("run", "-d", "--name", server.container, "--network", NETWORK, "--ip", address, *SAFE,
               "-e", f"ECHO_PORT={PORT}", image)  # fmt: skip
        server.facts["image_mb"] = int(docker("image", "inspect", "-f", "{{.Size}}", image)) / 1e6
        servers.append(server)
    deadline = time.monotonic() + 30
    for server in servers:
        while "listening on" not in docker("logs", server.container):
            if time.monotonic() > deadline:
                raise SystemExit(f"{server.language} does not listen")
            time.sleep(0.1)
    return servers


def stop() -> None:
    """Remove the servers and the network."""
    names = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"name=^{NETWORK}-"], capture_output=True, text=True, check=True
    ).stdout.split()
    if names:
        docker("rm", "-f", *names)
    subprocess.run(["docker", "network", "rm", NETWORK], capture_output=True, check=False)


def measure_trips(servers: list[Server], rounds: int, seconds: float) -> list[dict[str, float]]:
    """Rounds of sockperf and every server in turn. Returns sockperf's; the servers keep theirs."""
    for server in servers:
        probe(server, "ping", 50, 2)  # compilers that work while the program runs have seen it by then
    yardstick = []
    for number in range(rounds):
        yardstick.append(sockperf(seconds))
        for server in servers:
            server.trips.append(probe(server, "ping", 1, seconds))
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    for server in servers:
        server.facts["many"] = probe(server, "ping", 50, seconds)
    return yardstick


def measure_crowds(server: Server, idle: int, seconds: float) -> None:
    """Many that talk, many that do not, and one that does not listen."""
    server.facts["empty_mib"] = server.memory_mib()
    server.facts["talking"] = probe(server, "ping", 1000, seconds)
    with holding(server, "idle", 1000, seconds, idle) as answer:
        server.facts["idle"] = {**answer, "mib": server.memory_mib()}
    server.facts["beside"] = probe(server, "ping", 50, seconds)
    before = server.memory_mib()
    with holding(server, "slow", 50, seconds) as answer:
        server.facts["slow"] = {**answer, "grown_mib": server.memory_mib() - before}


def measure_lives(server: Server, total: int) -> None:
    """Session after session; what a server keeps of them."""
    probe(server, "sessions", 50, max(1, total // 10))
    early = (server.memory_mib(), server.descriptors())
    answer = probe(server, "sessions", 50, total)
    late_descriptors = server.descriptors()
    server.facts["lives"] = {**answer, "early": early, "late": (server.memory_mib(), late_descriptors)}


def table(head: str, rows: list[list[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    names = [name.strip() for name in head.split("|")]
    lines = ["| " + " | ".join(names) + " |", "|---|" + "---:|" * (len(names) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def trips(servers: list[Server], yardstick: list[dict[str, float]]) -> str:
    """The table of round trips."""

    def middle(of: list[dict[str, float]], name: str) -> float:
        return statistics.median(one[name] for one in of)

    rows = [["sockperf", f"{middle(yardstick, 'p50_us'):.1f}", f"{middle(yardstick, 'p99_us'):.1f}", "1.00", "", ""]]
    for server in servers:
        ratio = statistics.median(
            own["p50_us"] / peer["p50_us"] for own, peer in zip(server.trips, yardstick, strict=True)
        )
        rows.append(
            [
                server.language,
                f"{middle(server.trips, 'p50_us'):.1f}",
                f"{middle(server.trips, 'p99_us'):.1f}",
                f"{ratio:.2f}",
                f"{server.facts['many']['messages_per_s']:,.0f}",
                f"{server.facts['image_mb']:.0f}",
            ]
        )
    return table("server | p50 µs | p99 µs | p50 / sockperf's | messages/s | image, MB", rows)


def crowds(servers: list[Server]) -> str:
    """The table of crowds."""
    rows = []
    for server in servers:
        facts = server.facts
        alone, idle, slow = facts["talking"], facts["idle"], facts["slow"]
        rows.append(
            [
                server.language,
                f"{facts['empty_mib']:.0f}",
                f"{alone['messages_per_s']:,.0f}",
                f"{idle['messages_per_s']:,.0f}",
                f"{idle['mib']:.0f}",
                f"{slow['p50_us'] / facts['beside']['p50_us']:.2f}",
                f"{slow['grown_mib']:.1f}",
            ]
        )
    head = "server | MiB at first | messages/s, 1,000 talk | messages/s beside idle | MiB then"
    return table(head + " | p50 beside a deaf one / without | MiB more for it", rows)


def lives(servers: list[Server]) -> str:
    """The table of sessions."""
    rows = []
    for server in servers:
        told = server.facts["lives"]
        rows.append(
            [
                server.language,
                f"{told['sessions_per_s']:,.0f}",
                f"{told['early'][0]:.1f}",
                f"{told['late'][0]:.1f}",
                str(told["early"][1]),
                str(told["late"][1]),
            ]
        )
    return table("server | sessions/s | MiB early | MiB late | descriptors early | late", rows)


def main() -> None:
    found = sorted(path.parent.name for path in (ROOT / "images").glob("*/server.*"))
    parser = argparse.ArgumentParser(prog="python3 -m tests.bench.echo.bench_echo", description=__doc__.split("\n")[0])
    parser.add_argument("--servers", default=",".join(found))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--write", type=Path, help="write the page to this file")
    wanted = parser.parse_args()
    stop()
    try:
        servers = start(wanted.servers.split(","))
        yardstick = measure_trips(servers, wanted.rounds, wanted.seconds)
        print(trips(servers, yardstick), flush=True)
        for server in servers:
            measure_crowds(server, wanted.idle, wanted.seconds)
        print(crowds(servers), flush=True)
        for server in servers:
            measure_lives(server, wanted.sessions)
        print(lives(servers), flush=True)
    finally:
        stop()
    if wanted.write:
        processors = len(re.findall(r"^processor", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE))
        command = "python3 -m tests.bench.echo.bench_echo --write docs/load.md"
        wanted.write.write_text(
            TEXT.format(
                command=command,
                processors=processors,
                rounds=wanted.rounds,
                seconds=wanted.seconds,
                idle=wanted.idle,
                sessions=wanted.sessions,
                trips=trips(servers, yardstick),
                crowds=crowds(servers),
                lives=lives(servers),
            ),
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()

"""The wire beside the kernel's own forwarding, in one run: loss, frames a second, added delay, 5 MB in one session.

Four containers on one internal bridge: a client, a server, the wire with its one arm, and a router whose kernel
forwards, with one arm as well. The wire and the kernel's router take turns; frames are steered to the one or the other
by their hardware address, sessions by a route. The wire is held to one processor, and all the load comes from the
other.

    python3 -m tests.bench.wire.bench_wire [--seconds 2] [--rounds 3] [--write docs/wire-speed.md]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
NAME, IMAGE = "echolab-bench-wire", "echolab/bench-wire"
NET4, NET6 = "198.18.150", "2001:db8:150:"
ROLES = {"server": 10, "client": 20, "wire": 40, "kernel": 41}
RATES = (25_000, 50_000, 75_000, 100_000, 125_000, 150_000, 200_000, 250_000, 300_000, 400_000, 500_000)
SIZES = (128, 1514)
MARKS, MARK_EVERY_US = 2000, 500
OCTETS = 5 << 20
SCRIPT = 'client segment with "no such text": drop\n'
"""A rule that has to look at every frame and meets none."""

PAGE = """# How fast the wire is

Made by `{command}` on {processors} processors that others used as well; look at the ratios, the figures are this
machine's. A client, a server, the wire and a router whose kernel forwards stand on one bridge, and the two take turns
in the same run. The wire has one processor, the load comes from the other.

## Frames a second

The highest of the rates tried ({rates} frames/s, {seconds:g} s each) at which not one frame was lost, best of {rounds}
rounds. It counts what has come up to the server's TCP. The kernel forwards inside the sender's own system call, so its
row is what the sender could send. "Script" is the wire with one rule that looks at every frame and never acts.

{rates_table}

## Added delay

The time from a frame's sending to the kernel's time stamp at the receiver, {marks:,} frames, one every {every} µs, less
the median of the same without a router between. Medians of {rounds} rounds.

{delay_table}

## 5 MB in one session

Sent to an echo server and back at the same time. A loss would be seen as a retransmission.

{transfer_table}
"""


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"docker {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def address(role: str, version: int) -> str:
    return f"{NET4}.{ROLES[role]}" if version == 4 else f"{NET6}:{ROLES[role]}"


def inside(role: str, *words: str) -> Any:
    """Run the probe in a container; what it says."""
    return json.loads(docker("exec", f"{NAME}-{role}", "python3", "/bench/probe.py", *words))


@contextmanager
def stand(image: str) -> Iterator[None]:
    """The four containers."""

    def clean() -> None:
        docker("rm", "-f", *(f"{NAME}-{role}" for role in ROLES), check=False)
        docker("network", "rm", NAME, check=False)

    clean()
    nets = ("--subnet", f"{NET4}.0/24", "--ipv6", "--subnet", f"{NET6}:/64")
    docker("network", "create", "--internal", *nets, NAME)
    last = str((os.cpu_count() or 1) - 1)
    more: dict[str, tuple[str, ...]] = {
        "server": ("--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"),
        "client": ("--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--cpuset-cpus", "0"),
        "wire": (
            *("--cap-add", "NET_RAW", "--cpuset-cpus", last, "--tmpfs", "/run/wire:mode=0700"),
            # A new network namespace inherits this from the machine: then its kernel would forward each frame, too.
            *("--sysctl", "net.ipv4.ip_forward=0", "--sysctl", "net.ipv6.conf.all.forwarding=0"),
        ),
        "kernel": (
            *("--cap-add", "NET_ADMIN", "--sysctl", "net.ipv4.ip_forward=1"),
            *("--sysctl", "net.ipv6.conf.all.forwarding=1", "--sysctl", "net.ipv4.conf.all.send_redirects=0"),
            *("--sysctl", "net.ipv4.conf.eth0.send_redirects=0"),
        ),
    }
    hosts = [f"{side}{'6' * (v == 6)}:{address(side, v)}" for side in ("client", "server") for v in (4, 6)]
    names = [word for host in hosts for word in ("--add-host", host)]
    try:
        for role, options in more.items():
            command = (
                ("wire", "run", "--interface", "eth0") if role == "wire" else ("python3", "/bench/probe.py", "wait")
            )
            ends = ("--ip", address(role, 4), "--ip6", address(role, 6))
            kept = ("--sysctl", "net.ipv6.conf.all.disable_ipv6=0", "--sysctl", "net.ipv6.conf.eth0.accept_redirects=0")
            docker(
                *(
                    "run",
                    "-d",
                    "--name",
                    f"{NAME}-{role}",
                    "--network",
                    NAME,
                    *ends,
                    *names,
                    *kept,
                    "--cap-drop",
                    "ALL",
                ),
                *("--entrypoint", "", *options, image, *command),
            )
        for role in ("server", "client", "kernel"):
            docker("exec", f"{NAME}-{role}", "ethtool", "-K", "eth0", "tx", "off")
        docker("exec", "-d", f"{NAME}-server", "python3", "/bench/probe.py", "echo")
        docker("exec", "-d", f"{NAME}-server", "sh", "-c", "exit 0")
        deadline = time.monotonic() + 20
        while "forwarding" not in docker("logs", f"{NAME}-wire"):
            if time.monotonic() > deadline:
                raise SystemExit(f"the wire did not start:\n{docker('logs', f'{NAME}-wire')}")
            time.sleep(0.1)
        yield
    finally:
        clean()


def steer(way: str) -> None:
    """Routes of both hosts through this router, or none."""
    for here, there in (("client", "server"), ("server", "client")):
        for version, bits in ((4, 32), (6, 128)):
            words = ("ip", f"-{version}", "route")
            docker("exec", f"{NAME}-{here}", *words, "delete", f"{address(there, version)}/{bits}", check=False)
            if way != "direct":
                via = ("via", address(way, version))
                docker("exec", f"{NAME}-{here}", *words, "add", f"{address(there, version)}/{bits}", *via)


def load(script: str) -> None:
    """Give the wire this script; an empty one clears."""
    words = ("load", "-") if script else ("clear",)
    subprocess.run(
        ["docker", "exec", "-i", f"{NAME}-wire", "wire", *words],
        input=script,
        text=True,
        check=True,
        capture_output=True,
    )


def state() -> dict[str, Any]:
    """What the wire says of itself."""
    said: dict[str, Any] = json.loads(docker("exec", f"{NAME}-wire", "wire", "show", "--json"))
    return said


def settled() -> int:
    """The server's count of segments, when it no longer grows."""
    last = -1
    while (now := int(inside("server", "segments")["segments"])) != last:
        last = now
    return now


def wire_cpu_s() -> float:
    """Processor time that the wire's process has had so far, by the scheduler's own count."""
    pid = docker("inspect", "-f", "{{.State.Pid}}", f"{NAME}-wire").strip()
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


@dataclass
class Rate:
    """A flood's result. clean: the highest rate with no loss. most: the most that came through. sender_us, wire_us:
    processor time a frame, the least of all rates: bursts are longer the more there is to do."""

    clean: int = 0
    most: int = 0
    sender_us: float = 1e9
    wire_us: float = 1e9
    tried: list[tuple[int, int, int]] = field(default_factory=list)  # sent a second, sent, arrived


def flooded(mac: str, version: int, size: int, seconds: float, rates: tuple[int, ...]) -> Rate:
    """Rate after rate until two in a row lose frames."""
    found, lossy = Rate(), 0
    for rate in rates:
        before, wire_s = settled(), wire_cpu_s()
        ends = (address("client", version), address("server", version))
        told = inside("client", "flood", mac, *ends, str(size), str(rate), str(seconds))
        arrived = settled() - before
        found.sender_us = min(found.sender_us, told["cpu_us"])
        found.wire_us = min(found.wire_us, (wire_cpu_s() - wire_s) / told["sent"] * 1e6)
        found.tried.append((told["rate"], told["sent"], arrived))
        found.most = max(found.most, round(told["rate"] * arrived / max(1, told["sent"])))
        if arrived >= told["sent"]:
            found.clean, lossy = max(found.clean, told["rate"]), 0
        else:
            lossy += 1
        if lossy == 2 or told["rate"] < rate * 0.9:
            break
    return found


def delays(mac: str, version: int) -> list[int]:
    """One-way delays of marked frames, in ns, sorted."""
    with subprocess.Popen(
        ["docker", "exec", f"{NAME}-server", "python3", "/bench/probe.py", "watch", str(MARKS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watcher:
        assert watcher.stderr is not None
        assert watcher.stdout is not None
        watcher.stderr.readline()
        ends = (address("client", version), address("server", version))
        inside("client", "marks", mac, *ends, str(MARKS), str(MARK_EVERY_US))
        return sorted(json.loads(watcher.stdout.read())["delays_ns"])


def us(sample: list[int], share: float, less_ns: float = 0) -> float:
    """A quantile, in µs."""
    return (sample[min(len(sample) - 1, int(len(sample) * share))] - less_ns) / 1000


def table(head: str, rows: list[str]) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "|" + "---|" * columns, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--base", default="echolab/lab", help="the lab's image")
    parser.add_argument("--write", type=Path, help="write the page to this file")
    wanted = parser.parse_args()
    build = ("build", "-q", "-t", IMAGE, "--build-arg", f"BASE={wanted.base}", str(HERE))
    docker(*build)
    with stand(IMAGE):
        page = measured(wanted.seconds, wanted.rounds)
    print(page)
    if wanted.write:
        wanted.write.write_text(page, encoding="utf-8")


def measured(seconds: float, rounds: int) -> str:
    """All measurements; the page."""
    rates: dict[tuple[str, int, int], Rate] = {}
    added: dict[tuple[str, int], list[tuple[float, float]]] = {}
    transfers: dict[tuple[str, int], list[dict[str, Any]]] = {}
    ways = ("kernel", "wire", "wire with a script")
    for round_number in range(rounds):
        for version in (4, 6):
            macs = {role: inside("client", "mac", address(role, version))["mac"] for role in ROLES if role != "client"}
            direct = us(delays(macs["server"], version), 0.5)
            for way in ways:
                role = way.split()[0]
                if role == "wire":
                    load(SCRIPT if "script" in way else "")
                sample = delays(macs[role], version)
                if len(sample) < MARKS:
                    print(f"{way} IPv{version}: {MARKS - len(sample)} marked frames lost", flush=True)
                added.setdefault((way, version), []).append((us(sample, 0.5) - direct, us(sample, 0.99) - direct))
                for size in SIZES:
                    tried = (2_000, 5_000, 10_000, 15_000, 20_000, 30_000, *RATES[1:3]) if "script" in way else RATES
                    now = flooded(macs[role], version, size, seconds, tried)
                    best = rates.setdefault((way, version, size), Rate())
                    best.clean, best.most = max(best.clean, now.clean), max(best.most, now.most)
                    best.sender_us, best.wire_us = min(best.sender_us, now.sender_us), min(best.wire_us, now.wire_us)
                    print(f"round {round_number + 1} {way} IPv{version} {size}: {now}", flush=True)
                if role == "wire":
                    load("")
                steer(role)
                if role == "wire" and "script" in way:
                    load(SCRIPT)
                told = inside("client", "transfer", address("server", version), str(OCTETS))
                transfers.setdefault((way, version), []).append(told)
                print(f"round {round_number + 1} {way} IPv{version}: {told} {state() if role == 'wire' else ''}"[:300])
                steer("direct")
    load("")
    return PAGE.format(
        command="python3 -m tests.bench.wire.bench_wire --write docs/wire-speed.md",
        processors=os.cpu_count(),
        rates=" ".join(f"{rate:,}" for rate in RATES),
        seconds=seconds,
        rounds=rounds,
        marks=MARKS,
        every=MARK_EVERY_US,
        rates_table=table(
            "| | IP | octets a frame | frames/s without loss | most that came through |",
            [f"| {w} | v{v} | {s:,} | {r.clean:,} | {r.most:,} |" for (w, v, s), r in rates.items()],
        ),
        delay_table=table(
            "| | IP | median, µs | 99th of a hundred, µs |",
            [
                f"| {w} | v{v} | {statistics.median(m for m, _ in all_):.0f} |"
                f" {statistics.median(p for _, p in all_):.0f} |"
                for (w, v), all_ in added.items()
            ],
        ),
        transfer_table=table(
            "| | IP | octets back, all right | MB/s each way, best | retransmissions |",
            [
                f"| {w} | v{v} | {sum(t['same'] for t in all_)} of {len(all_)} |"
                f" {max(t['octets'] / t['seconds'] / 1e6 for t in all_):.0f} |"
                f" {sum(t['retransmissions'] for t in all_)} |"
                for (w, v), all_ in transfers.items()
            ],
        ),
    )


if __name__ == "__main__":
    main()

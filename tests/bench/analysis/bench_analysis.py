"""``echolab stats`` beside tshark, tcptrace and plain Scapy, on one capture, in one run: CPU, time, memory.

The capture is made first: so many sessions of so many frames, IPv4 and IPv6, written as pcapng. Each program is asked
for the same facts of every session: ends, verdict, octets, what was sent again or came out of order, closed windows,
the handshake's round trip. Scapy (``rdpcap`` and ``sessions()``, which tell less) gets the first part only, and its
figures are for each frame of that part: the whole would take minutes and many gigabytes.

    python3 -m tests.bench.analysis.bench_analysis [--frames 1000000] [--sessions 20000] [--write docs/speed.md]
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.store.blocks import InterfaceFacts, SectionFacts, enhanced_packet, interface_description, section_header
from lab.wire.frame import Frame
from tests.unit.capture.traffic import Talk

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
IMAGE = "echolab/bench-analysis"
FIELDS = (
    *("frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "tcp.stream"),
    *("tcp.flags", "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "tcp.analysis.retransmission", "tcp.completeness"),
    *("tcp.analysis.out_of_order", "tcp.analysis.zero_window", "tcp.analysis.initial_rtt"),
)
SCAPY = "from scapy.utils import rdpcap; import scapy.layers.all; print(len(rdpcap('/in/part.pcapng').sessions()))"

TEXT = """# How fast captures are read

Made by `python3 -m tests.bench.analysis.bench_analysis --write docs/speed.md`: {frames:,} frames in {sessions:,}
sessions, {mib:.0f} MiB. CPU is user and system time together. Look at the ratios: the seconds are this machine's.

{table}

- `echolab stats` reads the file a piece at a time and keeps two ledgers a session (`lab/store/quick.py`,
  `lab/analysis/stats.py`): its memory grows with the sessions, not with the file.
- Scapy read the first {part:,} frames only; its times are scaled to the whole.
- Why not a library? `rdpcap` makes an object of every header. dpkt and pypcapfile read frames, but know neither
  comments nor several interfaces of pcapng, and would leave all of TCP to us; `lab/store/reader.py` reads what the lab
  writes and what others write, and says in one sentence what it cannot read.
"""


@dataclass
class Cost:
    """What one program needed."""

    name: str
    cpu_s: float
    wall_s: float
    peak_mib: float


def make(folder: Path, frames: int, sessions: int, part: int) -> tuple[int, float]:
    """Write the whole capture and its first part. Returns the frames and the MiB of the whole."""
    chance = random.Random(1)
    talks = 40
    turns = max(1, round((frames / sessions - 7) / 2.4))  # a turn is a question and its answer, some with an ACK
    written = 0
    head = section_header(SectionFacts()) + interface_description(InterfaceFacts("eth0"))
    with (folder / "whole.pcapng").open("wb") as whole, (folder / "part.pcapng").open("wb") as first:
        whole.write(head)
        first.write(head)
        for begin in range(0, sessions, talks):
            many = [
                one
                for number in range(begin, min(begin + talks, sessions))
                for one in Talk(chance, 10_000 + number % 50_000, 6 if number % 5 == 0 else 4).play(turns, "fin")
            ]
            many.sort(key=lambda one: one[0])
            for time_ns, octets, direction in many:
                block = enhanced_packet(Frame(time_ns + begin * 10**8, octets, len(octets), 0, direction), "")
                whole.write(block)
                if written < part:
                    first.write(block)
                written += 1
    return written, (folder / "whole.pcapng").stat().st_size / 2**20


def measure(folder: Path, name: str, words: list[str], scale: float = 1.0) -> Cost:
    """Run a program over the folder, in a container without a network, and say what it needed."""
    command = ["docker", "run", "--rm", "--network", "none", "-v", f"{folder}:/in:ro", IMAGE]
    command += ["/usr/bin/time", "-f", "cost %U %S %e %M", *words]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    found = re.search(r"cost ([\d.]+) ([\d.]+) ([\d.]+) (\d+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"{name}: {done.stderr[-400:]}")
    user, system, wall, peak = (float(number) for number in found.groups())
    cost = Cost(name, (user + system) * scale, wall * scale, peak / 1024)
    print(f"{name:34} {cost.cpu_s:8.1f} s CPU {cost.wall_s:8.1f} s {cost.peak_mib:8.0f} MiB", flush=True)
    return cost


def table(costs: list[Cost], frames: int) -> str:
    """The costs in Markdown, with each one's ratio to ours."""
    lines = ["| program | µs CPU a frame | times ours | seconds | MiB |", "|---|---:|---:|---:|---:|"]
    for cost in costs:
        each = cost.cpu_s / frames * 1e6
        ratio = cost.cpu_s / costs[0].cpu_s
        lines.append(f"| {cost.name} | {each:.2f} | {ratio:.1f} | {cost.wall_s:.1f} | {cost.peak_mib:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m tests.bench.analysis.bench_analysis")
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--sessions", type=int, default=20_000)
    parser.add_argument("--scapy-frames", type=int, default=50_000)
    parser.add_argument("--write", type=Path, help="write the page to this file")
    wanted = parser.parse_args()
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    build = ["docker", "build", "-q", "-t", IMAGE, "-f", str(HERE / "Dockerfile"), str(ROOT)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL, env=environment)
    with tempfile.TemporaryDirectory(prefix="echolab-bench-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        frames, mib = make(folder, wanted.frames, wanted.sessions, wanted.scapy_frames)
        print(f"{frames:,} frames, {mib:.0f} MiB", flush=True)
        fields = [word for name in FIELDS for word in ("-e", name)]
        costs = [
            measure(folder, "echolab stats", ["python3", "-m", "lab", "stats", "--json", "/in/whole.pcapng"]),
            measure(folder, "tshark -2, the same facts",
                    ["tshark", "-2", "-r", "/in/whole.pcapng", "-T", "fields", *fields]),
            measure(folder, "tshark -2 -q -z conv,tcp",
                    ["tshark", "-2", "-q", "-r", "/in/whole.pcapng", "-z", "conv,tcp"]),
            measure(folder, "rdpcap and sessions()", ["python3", "-c", SCAPY], frames / wanted.scapy_frames),
        ]  # fmt: skip
    text = table(costs, frames)
    print(text)
    if wanted.write:
        wanted.write.write_text(
            TEXT.format(frames=frames, sessions=wanted.sessions, mib=mib, table=text, part=wanted.scapy_frames),
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()

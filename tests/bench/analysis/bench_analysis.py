"""``echolab stats`` beside tshark, dpkt and plain Scapy, on one capture, in one run: CPU, time, memory.

The capture is made first: so many sessions of so many frames, IPv4 and IPv6, written as pcapng. Each program is asked
for the same facts of every session: ends, verdict, octets, what was sent again or came out of order, closed windows,
the handshake's round trip. Scapy (``rdpcap`` and ``sessions()``, which tell less) gets the first part only, and its
figures are for each frame of that part: the whole would take minutes and many gigabytes. dpkt gets the whole; it tells
the octets of every session and no more. In the end ``echolab stats`` counts a file of a gigabyte, made of the first one
as often as it takes, each time later and from other addresses; it is removed again.

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
from statistics import median

import numpy as np

from lab.store.blocks import (
    ENHANCED_PACKET,
    InterfaceFacts,
    SectionFacts,
    enhanced_packet,
    interface_description,
    section_header,
)
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

DPKT = """
import dpkt
octets = {}
for _, frame in dpkt.pcapng.Reader(open('/in/whole.pcapng', 'rb')):
    packet = dpkt.ethernet.Ethernet(frame).data
    segment = packet.data
    if isinstance(segment, dpkt.tcp.TCP):
        key = frozenset(((packet.src, segment.sport), (packet.dst, segment.dport)))
        octets[key] = octets.get(key, 0) + len(segment.data)
print(len(octets))
"""
GIANT_MIB = 1024

TEXT = """# How fast captures are read

Made by `python3 -m tests.bench.analysis.bench_analysis --write docs/speed.md`: {frames:,} frames in {sessions:,}
sessions, {mib:.0f} MiB, in each of {rounds} rounds every other program once, and ours before each. CPU is user and
system time together. The figures are medians; a ratio is that of two runs one after the other, for a virtual machine is
faster in one minute than in the next.

{table}

- `echolab stats` reads the file a piece at a time and keeps two ledgers a session (`lab/store/quick.py`,
  `lab/analysis/stats.py`). Of many sessions it puts those that have ended into a temporary file, so its memory grows
  neither with the file nor with the sessions: it counted **{giant_frames:,} frames in {giant_sessions:,} sessions,
  {giant_mib:,.0f} MiB, with {giant_peak:.0f} MiB of memory** in {giant_wall:.0f} s ({giant_each:.2f} µs CPU a frame).
- Scapy read the first {part:,} frames only: its times are scaled to the whole, its memory is what that part took, so
  the whole would take some {scapy_gib:.1f} GiB.
- dpkt is asked for the ends and octets of each session only: no verdict, no order, nothing that was sent again.
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


def make_giant(folder: Path, least_mib: int) -> tuple[int, float]:
    """Write giant.pcapng from whole.pcapng: so often that it has this size. Returns how often, and its MiB."""
    whole = (folder / "whole.pcapng").read_bytes()
    begin = _first_frame(whole)
    body = np.frombuffer(whole[begin:], np.uint8)
    places = np.array(_frames_at(whole[begin:]), np.int64)
    bytes_of = places[:, None] + np.arange(12, 20)
    halves = body[bytes_of].view(np.uint32).astype(np.uint64)
    times_ns = halves[:, 0] << np.uint64(32) | halves[:, 1]
    span_ns = int(times_ns.max() - times_ns.min()) + 10**9
    copies = -(-least_mib * 2**20 // len(body))
    with (folder / "giant.pcapng").open("wb") as giant:
        giant.write(whole[:begin])
        for number in range(copies):
            later = times_ns + np.uint64(number * span_ns)
            pair = np.stack((later >> np.uint64(32), later & np.uint64(0xFFFFFFFF)), axis=1).astype(np.uint32)
            copy = body.copy()
            copy[bytes_of] = np.ascontiguousarray(pair).view(np.uint8)
            octets = copy.tobytes().replace(b"\xc0\x00\x02", bytes((198, 18, number)))
            giant.write(octets.replace(b"\x20\x01\x0d\xb8\x00\x07", b"\x20\x01\x0d\xb8\x01" + bytes((number,))))
    return copies, (folder / "giant.pcapng").stat().st_size / 2**20


def _first_frame(octets: bytes) -> int:
    """Where the blocks of frames begin."""
    at = 0
    while int.from_bytes(octets[at : at + 4], "little") != ENHANCED_PACKET:
        at += int.from_bytes(octets[at + 4 : at + 8], "little")
    return at


def _frames_at(octets: bytes) -> list[int]:
    places, at = [], 0
    while at < len(octets):
        places.append(at)
        at += int.from_bytes(octets[at + 4 : at + 8], "little")
    return places


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


def table(pairs: list[tuple[Cost, Cost]], frames: int) -> str:
    """Medians in Markdown, with each one's ratio to ours: the median of the pairs' ratios, the least and the most."""
    lines = [
        "| program | µs CPU a frame | times ours | least to most | seconds | MiB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    ours = [mine for mine, _ in pairs]
    peers = [[pair for pair in pairs if pair[1].name == name] for name in dict.fromkeys(its.name for _, its in pairs)]
    for costs, ratios in (
        (ours, [1.0]),
        *(([its for _, its in them], [its.cpu_s / mine.cpu_s for mine, its in them]) for them in peers),
    ):
        each = median(cost.cpu_s for cost in costs) / frames * 1e6
        told = f"{median(ratios):.1f} | {min(ratios):.1f} to {max(ratios):.1f}"
        wall_s, peak_mib = median(cost.wall_s for cost in costs), max(cost.peak_mib for cost in costs)
        lines.append(f"| {costs[0].name} | {each:.2f} | {told} | {wall_s:.1f} | {peak_mib:.0f} |")
    return "\n".join(lines)


def one_round(folder: Path, scapy_scale: float) -> list[tuple[Cost, Cost]]:
    """Every other program once, and ours before each. scapy_scale: how many times as many frames the whole has as
    Scapy's part."""
    fields = [word for name in FIELDS for word in ("-e", name)]
    peers = (
        ("tshark -2, the same facts", ["tshark", "-2", "-r", "/in/whole.pcapng", "-T", "fields", *fields], 1.0),
        ("tshark -2 -q -z conv,tcp", ["tshark", "-2", "-q", "-r", "/in/whole.pcapng", "-z", "conv,tcp"], 1.0),
        ("dpkt, ends and octets only", ["python3", "-c", DPKT], 1.0),
        ("rdpcap and sessions()", ["python3", "-c", SCAPY], scapy_scale),
    )
    ours = ["python3", "-m", "lab", "stats", "--json", "/in/whole.pcapng"]
    return [
        (measure(folder, "echolab stats", ours), measure(folder, name, words, scale)) for name, words, scale in peers
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m tests.bench.analysis.bench_analysis")
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--sessions", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3, help="each program once a round")
    parser.add_argument("--scapy-frames", type=int, default=50_000)
    parser.add_argument("--giant-mib", type=int, default=GIANT_MIB)
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
        pairs = [pair for _ in range(wanted.rounds) for pair in one_round(folder, frames / wanted.scapy_frames)]
        copies, giant_mib = make_giant(folder, wanted.giant_mib)
        giant = measure(folder, "echolab stats, a gigabyte", ["python3", "-m", "lab", "stats", "/in/giant.pcapng"])
    text = table(pairs, frames)
    print(text)
    if wanted.write:
        wanted.write.write_text(
            TEXT.format(
                frames=frames,
                sessions=wanted.sessions,
                mib=mib,
                table=text,
                rounds=wanted.rounds,
                part=wanted.scapy_frames,
                scapy_gib=pairs[-1][1].peak_mib / 1024 * frames / wanted.scapy_frames,
                giant_frames=copies * frames,
                giant_sessions=copies * wanted.sessions,
                giant_mib=giant_mib,
                giant_peak=giant.peak_mib,
                giant_wall=giant.wall_s,
                giant_each=giant.cpu_s / (copies * frames) * 1e6,
            ),
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()

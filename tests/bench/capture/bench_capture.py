"""The tap beside tcpdump, dumpcap and plain Scapy, under one flood, in one run: loss, CPU per frame, memory.

Everything happens in one container without a network, on a veth pair that it makes. tcpdump and dumpcap write all
frames into one file; the lab's tap writes one file a session, checks every checksum, follows every session and writes
a comment for every frame. They take turns, in several rounds; a ratio compares two taps of one round, and the median of
the rounds counts.

    python3 -m tests.bench.capture.bench_capture [--rounds 3] [--rate 400000] [--seconds 10] [--sessions 1000]
        [--ring-mib 32] [--write docs/tap.md]

Exit status 0: every target was met. 1: one was missed, and it is said which.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.capture.page import put, table

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
IMAGE = "echolab/bench-capture"
LAB, PEER = "the lab's tap", "dumpcap"
MOST_RATIO = 1.0
LEAST_RATE = 0.95
"""A flood that was slower than this part of the wanted rate shows nothing."""

Row = dict[str, Any]


def main() -> int:
    """Build, measure, print; returns the exit status."""
    parser = argparse.ArgumentParser(prog="bench_capture", description="The tap beside others, under one flood.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=400_000, help="frames a second")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--ring-mib", type=int, default=32, help="of every tap but Scapy's, which has none")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    wanted = parser.parse_args()
    rows = measured(wanted)
    text, missed = told(rows, wanted)
    print(text)
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    if wanted.write:
        put(wanted.write, "bench_capture", text)
    return 1 if missed else 0


def measured(wanted: argparse.Namespace) -> list[Row]:
    """One row for each tap and round."""
    subprocess.run(["docker", "compose", "build", "-q", "server-tap"], cwd=ROOT, check=True)
    subprocess.run(["docker", "build", "-q", "-t", IMAGE, str(HERE)], check=True, stdout=subprocess.DEVNULL)
    command = ["docker", "run", "--rm", "--network", "none", "--cap-drop", "ALL"]
    command += ["--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--cap-add", "SETUID", "--cap-add", "SETGID"]
    command += ["--tmpfs", "/run/tap:mode=1777", "-v", "/out", IMAGE]
    for name in ("rounds", "rate", "seconds", "sessions", "ring_mib"):
        command += [f"--{name.replace('_', '-')}", str(getattr(wanted, name))]
    rows = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            rows.append(json.loads(line))
            print(f"  {rows[-1]}", file=sys.stderr, flush=True)
    if process.returncode:
        raise SystemExit(f"the container ended with status {process.returncode}")
    return rows


def told(rows: list[Row], wanted: argparse.Namespace) -> tuple[str, list[str]]:
    """The table, and what was missed."""
    for row in rows:
        row["cost"] = (row["user_s"] + row["system_s"]) / max(row["seen"], 1) * 1e6
    peers = {row["round"]: row["cost"] for row in rows if row["tap"] == PEER}
    taps = list(dict.fromkeys(row["tap"] for row in sorted(rows, key=lambda row: row["round"])))
    lines, missed = [], []
    for tap in taps:
        own = [row for row in rows if row["tap"] == tap]
        ratios = sorted(row["cost"] / peers[row["round"]] for row in own)
        lost, sent = sum(row["dropped"] for row in own), sum(row["sent"] for row in own)
        rings = "none" if not own[0]["ring_mib"] else f"{own[0]['ring_mib']} MiB"
        whole = "–" if own[0]["certified"] is None else f"{sum(r['certified'] for r in own):,} of "
        whole += "" if own[0]["certified"] is None else f"{sum(row['sessions'] for row in own):,}"
        spread = f"{median(ratios):.2f}" + (f" ({ratios[0]:.2f} to {ratios[-1]:.2f})" if len(ratios) > 1 else "")
        cost = f"{median(row['cost'] for row in own):.2f}"
        memory = f"{max(row['rss_mib'] for row in own):.0f}"
        lines.append([tap, rings, f"{lost:,} of {sent:,}", whole, cost, spread, memory])
        if tap == LAB:
            missed = failings(own, median(ratios), wanted)
    rate = min(row["rate"] for row in rows)
    head = ["tap", "ring", "dropped", "sessions certified", "µs of CPU a frame", "ratio to dumpcap", "RSS, MiB"]
    words = (
        f"{wanted.rounds} rounds of {wanted.seconds} s; the slowest flood had {rate:,} frames a second. The cost is for"
        " each frame that a tap captured; cost and ratio are medians of the rounds (in brackets: least and most).\n\n"
    )
    return words + table(head, lines), missed


def failings(own: list[Row], ratio: float, wanted: argparse.Namespace) -> list[str]:
    """Which targets the lab's tap has missed."""
    found = []
    if lost := sum(row["dropped"] for row in own):
        found.append(f"{lost:,} frames were lost")
    if any(row["certified"] != wanted.sessions or row["sessions"] != wanted.sessions for row in own):
        found.append(f"not all of {wanted.sessions:,} sessions were certified in every round")
    if ratio > MOST_RATIO:
        found.append(f"a frame cost {ratio:.2f} times what it costs dumpcap, not at most {MOST_RATIO:.2f} times")
    if (slowest := min(row["rate"] for row in own)) < LEAST_RATE * wanted.rate:
        found.append(f"the flood came to {slowest:,} frames a second, not {wanted.rate:,}: is the machine busy?")
    return found


if __name__ == "__main__":
    sys.exit(main())

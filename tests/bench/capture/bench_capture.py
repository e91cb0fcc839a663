"""The tap beside tcpdump, dumpcap and plain Scapy, under one flood, in one run: loss, CPU per frame, memory.

Everything happens in one container without a network, on a veth pair that it makes. tcpdump and dumpcap write all
frames into one file; the lab's tap writes one file a session, checks every checksum, follows every session and writes
a comment for every frame.

    python3 -m tests.bench.capture.bench_capture [--rate 400000] [--seconds 10] [--sessions 1000] [--ring-mib 64]
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
IMAGE = "echolab/bench-capture"


def main() -> None:
    subprocess.run(["docker", "compose", "build", "-q", "server-tap"], cwd=ROOT, check=True)
    subprocess.run(["docker", "build", "-q", "-t", IMAGE, str(HERE)], check=True, stdout=subprocess.DEVNULL)
    command = ["docker", "run", "--rm", "--network", "none", "--cap-drop", "ALL"]
    command += ["--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--cap-add", "SETUID", "--cap-add", "SETGID"]
    command += ["--tmpfs", "/run/tap:mode=1777", "-v", "/out", IMAGE, *sys.argv[1:]]
    print(f"{'tap':12} {'frames/s':>9} {'dropped':>9} {'certified':>10} {'µs/frame':>9} {'/dumpcap':>9} {'RSS MiB':>8}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        rows = [json.loads(line) for line in process.stdout or []]
    if process.returncode:
        raise SystemExit(f"the container ended with status {process.returncode}")
    cost = {row["tap"]: (row["user_s"] + row["system_s"]) / row["sent"] * 1e6 for row in rows}
    for row in rows:
        name = row["tap"]
        print(
            f"{name:12} {row['rate']:9} {row['dropped']:9} {row['certified']:>10} {cost[name]:9.2f}"
            f" {cost[name] / cost['dumpcap']:9.2f} {row['rss_mib']:8.0f}"
        )


if __name__ == "__main__":
    main()

"""The tap in the composed lab, sharing two cores with server and clients: is anything lost, is every file certified?

One session of 5 MB, 10,000 sessions one after another, 1,000 at once, and twenty single ones on an idle lab for the
time from the last frame to the finished file. Prints loss, certificates, the tap's memory and descriptors at their
highest.

    python3 -m tests.bench.capture.bench_lab [--sequence 10000] [--together 1000] [--big 5]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PROJECT = "echolab-bench"


class Lab:
    """The lab under a project name of its own."""

    def __init__(self, captures: Path) -> None:
        self.captures = captures
        self.env = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "ECHO_CAPTURES": str(captures),
            "ECHO_PORT": "18089",
            "ECHO_NET4": "198.18.81",
            "ECHO_NET6": "2001:db8:81",
            "ECHO_LADDER": "off",
        }

    def compose(self, *words: str) -> str:
        return subprocess.run(
            ["docker", "compose", *words], cwd=ROOT, env=self.env, check=True, capture_output=True, text=True
        ).stdout

    def load(self, *words: str) -> float:
        """Run the load on client-host; returns its seconds."""
        script = (Path(__file__).parent / "load.py").read_text()
        command = ["docker", "run", "--rm", "-i", "--network", f"container:{PROJECT}-client-host-1"]
        command += [
            "--ulimit",
            "nofile=20000",
            "--user",
            "65532",
            "--entrypoint",
            "python3",
            "echolab/lab",
            "-",
            *words,
        ]
        began = time.monotonic()
        subprocess.run(command, input=script, text=True, check=True)
        return time.monotonic() - began

    def sessions(self) -> list[dict[str, Any]]:
        found = []
        for path in self.captures.glob("*/*.json"):
            if path.name != "run.json":
                try:
                    found.append({**json.loads(path.read_text()), "_mtime_ns": path.stat().st_mtime_ns})
                except (OSError, ValueError):
                    continue
        return found

    def settled(self, at_least: int) -> list[dict[str, Any]]:
        """All sessions, when there are so many and none is open any more."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if len(list(self.captures.glob("*/*.json"))) > at_least:
                found = self.sessions()
                if len(found) >= at_least and all(s["verdict"] != "open" for s in found):
                    return found
            time.sleep(0.2)
        raise SystemExit("the sessions did not come to an end within 120 s")

    def tap_pid(self) -> int:
        name = f"{PROJECT}-server-tap-1"
        return int(subprocess.check_output(["docker", "inspect", "-f", "{{.State.Pid}}", name]))


class Watch(threading.Thread):
    """Looks at the tap's descriptors and memory four times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.proc = Path("/proc", str(pid))
        self.descriptors = self.rss_kib = 0
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.wait(0.25):
            try:
                self.descriptors = max(self.descriptors, sum(1 for _ in (self.proc / "fd").iterdir()))
                fields = (self.proc / "status").read_text().split("VmRSS:")[1].split()
            except (OSError, IndexError):
                continue
            self.rss_kib = max(self.rss_kib, int(fields[0]))


def row(label: str, sessions: list[dict[str, Any]], took_s: float, watch: Watch) -> None:
    dropped = max((s["tap"]["frames_dropped"] for s in sessions), default=0)
    whole = sum(1 for s in sessions if s["certificate"]["complete"])
    frames = sum(s["frames"] for s in sessions)
    print(
        f"{label:28} {took_s:7.2f} {frames:9} {dropped:8} {whole:6}/{len(sessions):<6}"
        f" {watch.rss_kib / 1024:7.0f} {watch.descriptors:5}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="the tap in the composed lab under load")
    parser.add_argument("--sequence", type=int, default=10_000)
    parser.add_argument("--together", type=int, default=1_000)
    parser.add_argument("--big", type=int, default=5)
    wanted = parser.parse_args()
    print(f"{'load':28} {'seconds':>7} {'frames':>9} {'dropped':>8} {'certified':>13} {'RSS MiB':>7} {'files':>5}")
    for kind, amount, count in (
        ("big", wanted.big, 1),
        ("sequence", wanted.sequence, wanted.sequence),
        ("together", wanted.together, wanted.together),
        ("idle", 20, 20),
    ):
        with tempfile.TemporaryDirectory() as folder:
            captures = Path(folder)
            captures.chmod(0o755)
            lab = Lab(captures)
            try:
                lab.compose("up", "-d")
                lab.settled(1)
                watch = Watch(lab.tap_pid())
                watch.start()
                if kind == "idle":
                    began = time.monotonic()
                    for number in range(amount):
                        lab.load("sequence", "1")
                        lab.settled(number + 2)
                    took_s = time.monotonic() - began
                else:
                    took_s = lab.load(kind, str(amount))
                sessions = [s for s in lab.settled(count + 1) if s["ordinal"] > 1]
                watch.stop.set()
                row(f"{kind} {amount}", sessions, took_s, watch)
                if kind == "idle":
                    late_ms = sorted((s["_mtime_ns"] - s["last_ns"]) / 1e6 for s in sessions)
                    print(
                        f"last frame to finished file: median {statistics.median(late_ms):.0f} ms, "
                        f"most {late_ms[-1]:.0f} ms (50 ms of it is the linger)"
                    )
            finally:
                lab.compose("down", "-t", "2")


if __name__ == "__main__":
    main()

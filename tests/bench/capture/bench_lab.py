"""The tap in the composed lab, sharing two cores with server and clients: is anything lost, is every file certified?

One session of 5 MB, 10,000 sessions one after another, 1,000 at once, 10,000 at once, and twenty single ones on an idle
lab for the time from the last frame to the finished file. Tells loss, certificates, the tap's memory and descriptors at
their highest.

    python3 -m tests.bench.capture.bench_lab [--big 5] [--sequence 10000] [--together 1000 10000] [--idle 20]
        [--write docs/tap.md]

Exit status 0: every target was met. 1: one was missed, and it is said which.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.capture.page import put, table

ROOT = Path(__file__).resolve().parents[3]
PROJECT = "echolab-bench"
MOST_RSS_MIB = 320
MOST_FILES = 2_112
"""lab.capture.__main__.MOST_DESCRIPTORS of capture files, and a few of the tap's own."""
MOST_LATE_MS = 100


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
        command += ["--ulimit", "nofile=20000", "--user", "65532", "--entrypoint", "python3", "echolab/lab", "-"]
        command += words
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
        """All sessions, when there are so many and none is open any more. The tap counts them, once a second: to look
        for ourselves into ten thousand files would take its processor time."""
        end = time.monotonic() + 120
        facts: dict[str, Any] = {}
        while time.monotonic() < end:
            for path in self.captures.glob("*/run.json"):
                facts = json.loads(path.read_text())
            if facts and facts["sessions"] == facts["sessions_finished"] >= at_least:
                return self.sessions()
            time.sleep(0.2)
        counts = {name: facts.get(name) for name in ("sessions", "sessions_finished", "frames", "frames_dropped")}
        raise SystemExit(f"the sessions did not come to an end within 120 s: the tap counts {counts}")

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
                fields = (self.proc / "status").read_text().split("VmHWM:")[1].split()
            except (OSError, IndexError):
                continue
            self.rss_kib = max(self.rss_kib, int(fields[0]))


@dataclass(frozen=True)
class Load:
    """kind, amount: for load.py. sessions: how many that makes. words: what stands in the table."""

    kind: str
    amount: int
    sessions: int
    words: str


def loads(wanted: argparse.Namespace) -> list[Load]:
    """What is played, in order."""
    return [
        Load("big", wanted.big, 1, f"{wanted.big} MB through one session"),
        Load("sequence", wanted.sequence, wanted.sequence, f"{wanted.sequence:,} sessions one after another"),
        *(Load("together", count, count, f"{count:,} sessions at once") for count in wanted.together),
        Load("idle", wanted.idle, wanted.idle, f"{wanted.idle} single sessions, the lab idle"),
    ]


@dataclass(frozen=True)
class Outcome:
    """What one load came to. late_ms: from each session's last frame to its finished file."""

    load: Load
    took_s: float
    frames: int
    dropped: int
    sessions: int
    certified: int
    rss_mib: float
    files: int
    late_ms: list[float]

    def cells(self) -> list[str]:
        certified = f"{self.certified:,} of {self.sessions:,}"
        numbers = [f"{self.took_s:.2f}", f"{self.frames:,}", f"{self.dropped:,}", certified]
        return [self.load.words, *numbers, f"{self.rss_mib:.0f}", f"{self.files:,}"]

    def failings(self) -> list[str]:
        found = []
        if self.dropped:
            found.append(f"{self.dropped:,} frames were dropped")
        if not self.certified == self.sessions == self.load.sessions:
            found.append(f"{self.certified:,} sessions were certified, of {self.load.sessions:,}")
        if self.rss_mib > MOST_RSS_MIB:
            found.append(f"the tap took {self.rss_mib:.0f} MiB, not at most {MOST_RSS_MIB}")
        if self.files > MOST_FILES:
            found.append(f"the tap had {self.files:,} files open, not at most {MOST_FILES:,}")
        if self.load.kind == "idle" and statistics.median(self.late_ms) >= MOST_LATE_MS:
            found.append(f"a file was finished {statistics.median(self.late_ms):.0f} ms after the last frame")
        return [f"{self.load.words}: {one}" for one in found]


def play(load: Load) -> Outcome:
    """One load on a lab of its own."""
    with tempfile.TemporaryDirectory() as folder:
        captures = Path(folder)
        captures.chmod(0o755)
        lab = Lab(captures)
        try:
            lab.compose("up", "-d")
            lab.settled(1)
            watch = Watch(lab.tap_pid())
            watch.start()
            began = time.monotonic()
            if load.kind == "idle":
                for number in range(load.amount):
                    lab.load("sequence", "1")
                    lab.settled(number + 2)
            else:
                lab.load(load.kind, str(load.amount))
            took_s = time.monotonic() - began
            sessions = [s for s in lab.settled(load.sessions + 1) if s["ordinal"] > 1]
            watch.stop.set()
        finally:
            lab.compose("down", "-t", "2")
    return Outcome(
        load,
        took_s,
        sum(s["frames"] for s in sessions),
        max((s["tap"]["frames_dropped"] for s in sessions), default=0),
        len(sessions),
        sum(1 for s in sessions if s["certificate"]["complete"]),
        watch.rss_kib / 1024,
        watch.descriptors,
        sorted((s["_mtime_ns"] - s["last_ns"]) / 1e6 for s in sessions),
    )


def main() -> int:
    """Play every load and print its row; returns the exit status."""
    parser = argparse.ArgumentParser(prog="bench_lab", description="The tap in the composed lab, under load.")
    parser.add_argument("--big", type=int, default=5, metavar="MB")
    parser.add_argument("--sequence", type=int, default=10_000)
    parser.add_argument("--together", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--idle", type=int, default=20)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    wanted = parser.parse_args()
    subprocess.run(["docker", "compose", "build", "-q"], cwd=ROOT, check=True)
    outcomes = []
    for load in loads(wanted):
        outcomes.append(play(load))
        print("  ".join(outcomes[-1].cells()), flush=True)
    late_ms = outcomes[-1].late_ms
    text = table(["load", "seconds", "frames", "dropped", "certified", "RSS, MiB", "files open"],
                 [outcome.cells() for outcome in outcomes])  # fmt: skip
    text += (
        f"\n\nOn the idle lab a session's file is finished {statistics.median(late_ms):.0f} ms (median; at most"
        f" {late_ms[-1]:.0f}) after its last frame; 50 ms of that is the linger for stragglers. The bench fails where a"
        f" frame is lost, a certificate is missing, the tap takes more than {MOST_RSS_MIB} MiB or {MOST_FILES:,}"
        f" descriptors, or that median is not under {MOST_LATE_MS} ms."
    )
    print(text)
    missed = [sentence for outcome in outcomes for sentence in outcome.failings()]
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    if wanted.write:
        put(wanted.write, "bench_lab", text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

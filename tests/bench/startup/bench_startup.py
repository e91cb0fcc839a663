"""How long from ``docker compose up`` to the first complete session file, against the floor.

The floor is a compose project with as many containers (idle ones of the same image) and as many networks, up to the
moment when all
of them run: no lab with these containers can be faster. Both are measured in turn, warm, in one run, and the ratio of
the medians is printed.

    python3 -m tests.bench.startup.bench_startup [--pairs 5]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FLOOR = """
name: echolab-floor
x-idle: &idle
  image: echolab/host
  entrypoint: [sh, -c, 'trap "exit 0" TERM; sleep infinity & wait']
services:
  one: {<<: *idle, networks: [lab]}
  two: {<<: *idle, networks: [lab]}
  three: {<<: *idle, networks: [lab, front]}
  four: {<<: *idle, networks: [lab]}
  five: {<<: *idle, networks: [lab]}
  six: {<<: *idle, networks: [lab]}
networks:
  lab: {internal: true, ipam: {config: [{subnet: 198.18.80.0/25}]}}
  front: {ipam: {config: [{subnet: 198.18.80.128/25}]}}
"""


def compose(*words: str, **environment: str) -> None:
    """One docker compose command from the repository's root, in silence."""
    subprocess.run(
        ["docker", "compose", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def floor_s(file: Path) -> float:
    """Seconds until six idle containers on two networks run."""
    began = time.monotonic()
    compose("-f", str(file), "up", "-d")
    took = time.monotonic() - began
    compose("-f", str(file), "down", "-t", "2")
    return took


def lab_s(captures: Path) -> tuple[float, float]:
    """Seconds until the first session file is complete, and seconds for taking the lab down."""
    settings = {
        "ECHO_CAPTURES": str(captures),
        "ECHO_PORT": "18089",
        "ECHO_NET4": "198.18.81",
        "ECHO_NET6": "2001:db8:81",
        "COMPOSE_PROJECT_NAME": "echolab-bench",
    }
    before = set(captures.glob("*/0*.json"))
    began = time.monotonic()
    starting = subprocess.Popen(
        ["docker", "compose", "up", "-d"],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not any(complete(path) for path in set(captures.glob("*/0*.json")) - before):
        if time.monotonic() - began > 60:
            raise SystemExit("no complete session within 60 s: run 'make up' to see why")
        time.sleep(0.005)
    took = time.monotonic() - began
    starting.wait()
    began = time.monotonic()
    compose("down", "-t", "2", **settings)
    return took, time.monotonic() - began


def complete(path: Path) -> bool:
    """Whether this is the JSON of a session that is over and certified."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(found["verdict"] == "complete" and found["certificate"]["complete"])


def main() -> None:
    parser = argparse.ArgumentParser(description="docker compose up to the first session file, against the floor")
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    floors, labs, downs = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        captures = Path(folder)
        captures.chmod(0o755)
        file = captures / "floor.yaml"
        file.write_text(FLOOR, encoding="utf-8")
        for _ in range(pairs):
            floors.append(floor_s(file))
            took, down = lab_s(captures)
            labs.append(took)
            downs.append(down)
    print(f"{'':34} {'min':>6} {'median':>6} {'max':>6}  seconds, {pairs} runs")
    for label, times in (
        ("6 idle containers, 2 networks: up", floors),
        ("the lab: up to the first file", labs),
        ("the lab: down", downs),
    ):
        print(f"{label:34} {min(times):6.2f} {statistics.median(times):6.2f} {max(times):6.2f}")
    print(f"ratio of the medians: {statistics.median(labs) / statistics.median(floors):.2f}")


if __name__ == "__main__":
    main()

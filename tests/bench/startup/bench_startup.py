"""How long until the lab is there: ``docker compose up`` against the floor, ``make up``, ``make down``.

The floor is a compose project laid out like the lab: as many containers (idle ones of the same image), sharing the
same namespaces, on the same two networks with IPv4 and IPv6, with the same published port; up to the moment when all
of them run. No lab with these containers can be faster. The same floor is measured once more with one thing added: its
client waits, as the lab's must, until server and tap are healthy, which both are at once. Compose looks at health
every half second, so no lab whose client waits for health can be faster than that. Both and the lab are measured in
turn, warm, in one run, and the ratios of the medians are printed. ``make up`` is measured with everything installed
and built: with no lab running and no memory of the build (so the builder looks through its cache), with no lab
running, and with the lab running.

    python3 -m tests.bench.startup.bench_startup [--pairs 5] [--write docs/startup.md]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lab.setup.images import STATE

ROOT = Path(__file__).resolve().parents[3]
COMMAND = "python3 -m tests.bench.startup.bench_startup"
FLOOR = """
name: echolab-floor
x-idle: &idle
  image: echolab/host
  pull_policy: never
  read_only: true
  entrypoint: [sh, -c, 'trap "exit 0" TERM; sleep infinity & wait']
services:
  server-host:
    <<: *idle
    networks: {lab: {ipv4_address: 198.18.80.10, ipv6_address: "2001:db8:80::10"}}
  client-host:
    <<: *idle
    networks: {lab: {ipv4_address: 198.18.80.20, ipv6_address: "2001:db8:80::20"}}
  server: {<<: *idle, network_mode: "service:server-host"}
  tap: {<<: *idle, network_mode: "service:server-host"}
  client: {<<: *idle, network_mode: "service:client-host"}
  gate:
    <<: *idle
    ports: ["127.0.0.1:18088:8080"]
    networks:
      lab: {ipv4_address: 198.18.80.30, ipv6_address: "2001:db8:80::30"}
      front: {}
networks:
  lab: {internal: true, enable_ipv6: true, ipam: {config: [{subnet: 198.18.80.0/25}, {subnet: "2001:db8:80::/64"}]}}
  front: {enable_ipv6: true, ipam: {config: [{subnet: 198.18.80.128/25}, {subnet: "2001:db8:80:f::/64"}]}}
"""
WAITING = """
services:
  server: &well {healthcheck: {test: [CMD, "true"], interval: 250ms}}
  tap: *well
  client: {depends_on: {server: {condition: service_healthy}, tap: {condition: service_healthy}}}
"""
LAB = {
    "ECHO_PORT": "18089",
    "ECHO_NET4": "198.18.81",
    "ECHO_NET6": "2001:db8:81",
    "COMPOSE_PROJECT_NAME": "echolab-bench",
}
ROWS = {
    "floor": "6 idle containers, laid out like the lab: `docker compose up`",
    "waiting": "the same, and the client waits until server and tap are healthy",
    "lab": "the lab: `docker compose up`, to the first certified session file",
    "first": "`make up` with no lab and no memory of the build",
    "warm": "`make up` with no lab",
    "again": "`make up` with the lab up",
    "down": "`make down`",
}
AIMS_S = {"warm": 10.0, "again": 10.0, "down": 3.0}
AIM_RATIO = 1.3


def took_s(*words: str, **environment: str) -> float:
    """Seconds that a command takes, from the repository's root and in silence; the bench ends if it fails."""
    began = time.monotonic()
    done = subprocess.run(
        list(words),
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.monotonic() - began


def to_first_file_s(captures: Path, settings: dict[str, str]) -> float:
    """Seconds from ``docker compose up`` until a session file is complete and certified."""
    before = set(captures.glob("*/0*.json"))
    began = time.monotonic()
    words = ["docker", "compose", "up", "-d"]
    starting = subprocess.Popen(
        words, cwd=ROOT, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not any(certified(path) for path in set(captures.glob("*/0*.json")) - before):
        if time.monotonic() - began > 60:
            raise SystemExit("no complete session within 60 s: run 'make up' to see why")
        time.sleep(0.005)
    seconds = time.monotonic() - began
    starting.wait()
    return seconds


def certified(path: Path) -> bool:
    """Whether this is the JSON of a session that is over and certified."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(found["verdict"] == "complete" and found["certificate"]["complete"])


def measure(pairs: int, folder: Path) -> dict[str, list[float]]:
    """Every row's seconds, ``pairs`` of each, in turn."""
    for name, text in (("floor.yaml", FLOOR), ("waiting.yaml", WAITING)):
        (folder / name).write_text(text, encoding="utf-8")
    floor = ("docker", "compose", "-f", str(folder / "floor.yaml"))
    waiting = (*floor, "-f", str(folder / "waiting.yaml"))
    captures = folder / "captures"
    captures.mkdir(mode=0o755)
    settings = {**LAB, "ECHO_CAPTURES": str(captures)}

    def make(target: str) -> float:
        return took_s("make", target, f"PYTHON={sys.executable}", **settings)

    def first() -> float:
        (ROOT / STATE / "images.json").unlink(missing_ok=True)
        return make("up")

    steps: tuple[tuple[str, Callable[[], float]], ...] = (
        ("floor", lambda: took_s(*floor, "up", "-d")),
        ("", lambda: took_s(*floor, "down", "-t", "2")),
        ("waiting", lambda: took_s(*waiting, "up", "-d")),
        ("", lambda: took_s(*waiting, "down", "-t", "2")),
        ("lab", lambda: to_first_file_s(captures, settings)),
        ("down", lambda: make("down")),
        ("first", first),
        ("again", lambda: make("up")),
        ("down", lambda: make("down")),
        ("warm", lambda: make("up")),
        ("down", lambda: make("down")),
    )
    found: dict[str, list[float]] = {name: [] for name in ("", *ROWS)}
    try:
        for _ in range(pairs):
            for name, step in steps:
                found[name].append(step())
    finally:
        make("down")
        took_s(*waiting, "down", "-t", "2")
    return found


def table(found: dict[str, list[float]]) -> list[str]:
    """The page's table and the ratio."""
    lines = ["| what | least | median | most | aim |", "|---|---|---|---|---|"]
    for name, what in ROWS.items():
        aim = f"under {AIMS_S[name]:.0f}" if name in AIMS_S else ""
        times = found[name]
        lines.append(f"| {what} | {min(times):.2f} | {statistics.median(times):.2f} | {max(times):.2f} | {aim} |")
    lab, floor, waiting = (statistics.median(found[name]) for name in ("lab", "floor", "waiting"))
    return [
        *lines,
        "",
        f"The lab's `docker compose up` takes {lab / floor:.2f} times the floor's (medians; the aim is {AIM_RATIO}).",
        f"It takes {lab / waiting:.2f} times that of the floor whose client waits for health, which is itself "
        f"{waiting / floor:.2f} times the floor.",
    ]


def page(found: dict[str, list[float]], pairs: int) -> str:
    """docs/startup.md."""
    about = " ".join(line.strip() for line in (__doc__ or "").split("\n\n")[1].splitlines()).replace("``", "`")
    head = f"Made by `{COMMAND} --write docs/startup.md`, on {os.cpu_count()} processors; seconds, {pairs} rounds."
    return "\n".join(["# How long a start takes", "", head, "", about, "", *table(found), ""])


def main() -> int:
    """Measure; returns 1 when an aim in seconds is missed."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="docker compose up, make up and make down, timed")
    parser.add_argument("--pairs", type=int, default=5, help="how many rounds (default: 5)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        found = measure(options.pairs, folder)
    print("\n".join(table(found)))
    if options.write:
        options.write.write_text(page(found, options.pairs), encoding="utf-8")
        print(f"written: {options.write}")
    return 0 if all(statistics.median(found[name]) < aim for name, aim in AIMS_S.items()) else 1


if __name__ == "__main__":
    sys.exit(main())

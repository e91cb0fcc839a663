"""How fast each language's server answers, beside sockperf, and what a crowd does to it.

All in one run, on one internal bridge: round trips of 64-octet lines (sockperf's TCP ping-pong with ``--full-rtt`` is
the yardstick, measured anew in every round), 1,000 connections that talk, the same beside 10,000 idle ones, 50 beside
one that never reads, 100,000 sessions from connect to the last FIN with the server's memory and descriptors before and
after, and more and more connections until it breaks. The probe (probe.c) holds every answer to what the protocol
demands; a wrong one ends the run. Exit status 1 if a target (targets.py) is missed.

    python3 -m tests.bench.echo.bench_echo [--servers c,java] [--rounds 21] [--sessions 100000] [--write docs/load.md]
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.echo import measure, page, targets
from tests.bench.echo.stand import ROOT, Server, start, stop

PARTS = ("trips", "crowds", "deaf", "sessions", "limits", "sizes")


def main() -> int:
    found = sorted(path.parent.name for path in (ROOT / "images").glob("*/server.*"))
    parser = argparse.ArgumentParser(prog="python3 -m tests.bench.echo.bench_echo", description=__doc__.split("\n")[0])
    parser.add_argument("--servers", default=",".join(found))
    parser.add_argument("--parts", default=",".join(PARTS), help="only these, without a page")
    parser.add_argument("--rounds", type=int, default=21, help="of round trips, 11 at least")
    parser.add_argument("--trip-seconds", type=float, default=0.5, help="of each of them")
    parser.add_argument("--seconds", type=float, default=1, help="of each other measurement")
    parser.add_argument("--pairs", type=int, default=5, help="with and without one that does not read")
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--write", type=Path, help="write the page to this file")
    wanted = parser.parse_args()
    parts = wanted.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}: {', '.join(PARTS)}")
    if wanted.write and set(parts) != set(PARTS):
        parser.error("the page needs all parts: leave --parts away")
    if wanted.rounds < 11:
        parser.error("--rounds must be 11 or more, else the median of them says nothing")
    languages = wanted.servers.split(",")
    missed: dict[str, list[str]] = {language: [] for language in languages}
    tables: dict[str, str] = {}
    sizes = measure.measure_sizes(languages)
    tables["sizes"] = page.sizes(sizes)
    print(tables["sizes"], flush=True)
    stop()
    try:
        servers = start(languages)

        def judge(name: str, table: str, of: Callable[[Server], list[str]]) -> None:
            tables[name] = table
            print(table, flush=True)
            for server in servers:
                missed[server.language] += of(server)

        if "trips" in parts:
            rounds = measure.measure_trips(servers, wanted.rounds, wanted.trip_seconds)
            judge("trips", page.trips(servers, rounds), lambda one: targets.missed_trips(one.language, rounds))
        if "crowds" in parts:
            for server in servers:
                measure.measure_crowd(server, wanted.idle, wanted.seconds)
            judge("crowds", page.crowds(servers), lambda one: targets.missed_crowd(one.facts, wanted.idle))
        if "deaf" in parts:
            for server in servers:
                measure.measure_deaf(server, wanted.pairs, wanted.seconds / 2)
            judge("deaf", page.deaf(servers), lambda one: targets.missed_deaf(one.facts["deaf"]))
        if "sessions" in parts:
            for server in servers:
                measure.measure_lives(server, wanted.sessions)
            judge("lives", page.lives(servers), lambda one: targets.missed_lives(one.facts["lives"]))
        if "limits" in parts:
            for server in servers:
                measure.measure_limit(server, wanted.seconds / 2)
            judge("limits", page.limits(servers), lambda one: targets.missed_limit(one.facts["limit"]))
    finally:
        stop()
    missed = {language: lines for language, lines in missed.items() if lines}
    print(page.verdict(missed))
    if wanted.write:
        command = shlex.join(["python3", "-m", "tests.bench.echo.bench_echo", *sys.argv[1:]])
        filled = page.TEXT.format(
            command=command,
            processors=os.cpu_count(),
            verdict=page.verdict(missed),
            rounds=wanted.rounds,
            trip_seconds=wanted.trip_seconds,
            idle=wanted.idle,
            pairs=wanted.pairs,
            sessions=wanted.sessions,
            base=sizes["base"],
            **page.FIXED,
            **tables,
        )
        wanted.write.write_text(filled, encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

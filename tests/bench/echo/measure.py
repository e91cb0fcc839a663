"""What the echo bench measures of the servers on its stand; each function leaves its facts with the server."""

from __future__ import annotations

import statistics
import sys
from typing import Any

from tests.bench.echo.stand import (
    BASE,
    Server,
    asking,
    build,
    pinned,
    probe,
    restart,
    shuffled,
    size_mb,
    sockperf,
)

YARDSTICK = "sockperf"
TALKING, AT_ONCE, MOST_IDLE = 1000, 50, 60_000
SPARE_DESCRIPTORS = 10
COLLAPSE = 10  # so many times the first round trip: nobody would call that served


def measure_trips(servers: list[Server], rounds: int, seconds: float) -> list[dict[str, dict[str, float]]]:
    """In each round sockperf and every server once, in an order of its own. Returns the rounds, by name."""
    by_name = {server.language: server for server in servers}
    for server in servers:
        probe(server, "ping", AT_ONCE, 2)  # compilers that work while the program runs have seen it by then
    found = []
    with pinned(servers):
        for number, order in enumerate(shuffled([YARDSTICK, *by_name], rounds)):
            found.append(
                {
                    name: sockperf(seconds) if name == YARDSTICK else probe(by_name[name], "ping", 1, seconds)
                    for name in order
                }
            )
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return found


def measure_crowd(server: Server, idle: int, seconds: float) -> None:
    """Many that talk; the same beside many that do not, each of whom says a line at last."""
    server.facts["empty_mib"] = server.settled_mib()
    server.facts["many"] = probe(server, "ping", AT_ONCE, seconds)
    server.facts["talking"] = probe(server, "ping", TALKING, seconds)
    with asking(server, "idle", TALKING, seconds, idle) as asked:
        told = asked.answer()
        held = {"mib": server.memory_mib(), "descriptors": server.descriptors()}
        asked.go_on()
        server.facts["idle"] = {**told, **held, **asked.answer()}


def measure_deaf(server: Server, pairs: int, seconds: float) -> None:
    """Beside one that pours lines and reads no answer, and without: in turns, for both change from minute to minute."""
    ratios, grown_mib, poured = [], [], []
    server.settled_mib()
    for _ in range(pairs):
        alone = probe(server, "ping", AT_ONCE, seconds)
        before_mib = server.settled_mib()
        with asking(server, "slow", AT_ONCE, seconds) as asked:
            told = asked.answer()
            grown_mib.append(server.settled_mib() - before_mib)
        ratios.append(told["p50_us"] / alone["p50_us"])
        poured.append(told["poured_octets"])
    server.facts["deaf"] = {
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "grown_mib": statistics.median(grown_mib),
        "poured_octets": min(poured),
    }


def measure_lives(server: Server, total: int) -> None:
    """Session after session, by a server that has just been started; what it keeps of them."""
    restart(server)
    probe(server, "sessions", AT_ONCE, max(1, total // 2))
    early = {"mib": server.settled_mib(), "descriptors": server.descriptors()}
    told = probe(server, "sessions", AT_ONCE, total)
    descriptors = server.settled_descriptors(early["descriptors"])
    server.facts["lives"] = {**told, "early": early, "late": {"mib": server.settled_mib(), "descriptors": descriptors}}


def measure_limit(server: Server, seconds: float) -> None:
    """More and more connections, until one is refused, a line stays unanswered, or answers take ten times as long."""
    restart(server)
    probe(server, "ping", AT_ONCE, 2 * seconds)
    steps: list[dict[str, Any]] = []
    with asking(server, "ramp", AT_ONCE, seconds, MOST_IDLE) as asked:
        while True:
            told = asked.answer()
            held = {"idle": told["idle"], "mib": server.memory_mib()}
            if "end" in told:
                most = server.descriptor_limit()
                all_used = server.descriptors() > most - SPARE_DESCRIPTORS
                why = f"all {most:,} descriptors that a process may have here are in use" if all_used else told["end"]
                break
            steps.append({**told, **held})
            if told["p50_us"] > COLLAPSE * steps[0]["p50_us"]:
                why = f"at {told['idle']:,} a round trip takes {told['p50_us'] / steps[0]['p50_us']:.0f} times as long"
                held = steps[-2]
                steps.pop()
                break
            if told["idle"] >= MOST_IDLE:
                why = "not found: one address has no more ports"
                break
            asked.go_on()
    server.facts["limit"] = {"steps": steps, "held": held["idle"], "mib": held["mib"], "end": why}


def measure_sizes(languages: list[str]) -> dict[str, float]:
    """The size of the base, of every server's image and of every client's, in MB."""
    images = {f"{language}-{what}": build(language, what) for language in languages for what in ("server", "client")}
    return {"base": size_mb(BASE), **{name: size_mb(image) for name, image in images.items()}}

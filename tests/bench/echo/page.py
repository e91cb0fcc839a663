"""docs/load.md: the tables of the echo bench."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from tests.bench.echo.stand import Server
from tests.bench.echo.targets import DEAF_MIB, DEAF_RATIO, KEPT_OCTETS, YARDSTICK, Rounds, ratio

TEXT = """# How fast, and how many

Made by `{command}`.
Everything ran on {processors} processors and one internal bridge; the servers as the lab runs them (no capability,
read-only). Look at the ratios: the microseconds are this machine's. The command fails if a target is missed, or if the
ratios are too far apart to mean anything.

{verdict}

## Round trips

A line of 64 octets goes there, its answer comes back, then the next one, over one connection. Every server is held on
the first processor, whoever asks on the second (else all hangs on whether the two share one). {rounds} rounds of
{trip_seconds:g} s for each (sockperf: whole seconds), in each round sockperf and the servers in another order. sockperf
is its TCP ping-pong with `--full-rtt`; a ratio is that of two p50 of the same round, and the median of all rounds
counts. *Sure* is where that median lies with 95 % confidence.

{trips}

## Crowds

From here on servers and probe share the processors. 50 connections ask at once, then 1,000; then 1,000 beside {idle:,}
idle ones, and at last each idle one says a line and must be answered. Everybody is answered once before the clock
starts, and must be again before it stops. Memory is the server's resident set, descriptors are counted while all
connections are open.

{crowds}

50 connections ask, in turns with and without one more that pours lines and never reads an answer: {pairs} pairs, the
medians. At most {deaf_ratio:g} times the round trip, and {deaf_mib:.0f} MiB.

{deaf}

## Sessions

Connect, `hello`, `quit`, both answers, the server's FIN, ours: {sessions:,} times, 50 at a time, by a server that has
just been started and has had half as many. Memory and descriptors before and after. Descriptors must be the same,
and no more than {kept} octets of memory may stay of each session.

{lives}

## Where it ends

Idle connections, 1,000, then 2,000, and so on; each says a line, then 50 others ask. It ends when a connection is
refused, when a line is not answered for 10 s (as when no descriptor is left for one more), when a round trip of those
50 takes ten times what it took at first, or at 60,000, where one client address has no ports left.

{limits}

## Sizes

The base is `debian:trixie-slim`, {base:.0f} MB, which all images share on disk.

{sizes}
"""


def table(head: str, rows: Sequence[Sequence[str]], words: Sequence[int] = (0,)) -> str:
    """A Markdown table; the columns named in words are text, the others are numbers."""
    names = [name.strip() for name in head.split("|")]
    lines = ["| " + " | ".join(names) + " |"]
    lines.append("|" + "".join("---|" if number in words else "---:|" for number in range(len(names))))
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def trips(servers: Sequence[Server], rounds: Rounds) -> str:
    """The table of round trips."""

    def middle(name: str, what: str) -> str:
        return f"{statistics.median(one[name][what] for one in rounds):.1f}"

    rows = [[YARDSTICK, middle(YARDSTICK, "p50_us"), middle(YARDSTICK, "p99_us"), "1.00", "", "", ""]]
    for server in servers:
        own = ratio(server.language, rounds)
        rows.append(
            [
                server.language,
                middle(server.language, "p50_us"),
                middle(server.language, "p99_us"),
                f"{own.median:.2f}",
                f"{own.low:.2f} to {own.high:.2f}",
                f"{own.least:.2f} to {own.most:.2f}",
                f"{own.target:g}: {'reached' if own.median <= own.target else 'missed'}",
            ]
        )
    return table("server | p50 µs | p99 µs | p50 / sockperf's | sure | least to most | target", rows, (0, 6))


def crowds(servers: Sequence[Server]) -> str:
    """The table of crowds."""
    rows = []
    for server in servers:
        facts = server.facts
        idle = facts["idle"]
        rows.append(
            [
                server.language,
                f"{facts['many']['messages_per_s']:,.0f}",
                f"{facts['talking']['messages_per_s']:,.0f}",
                f"{idle['messages_per_s']:,.0f}",
                f"{idle['descriptors']:,}",
                f"{idle['idle_answered']:,}",
                f"{facts['empty_mib']:.0f}",
                f"{idle['mib']:.0f}",
            ]
        )
    head = "server | messages/s of 50 | of 1,000 | of 1,000 beside idle | descriptors then | idle ones answered"
    return table(head + " | MiB at first | MiB then", rows)


def deaf(servers: Sequence[Server]) -> str:
    """The table of the one that does not read."""
    rows = []
    for server in servers:
        told = server.facts["deaf"]
        rows.append(
            [
                server.language,
                f"{told['ratio']:.2f}",
                f"{min(told['ratios']):.2f} to {max(told['ratios']):.2f}",
                f"{told['grown_mib']:+.1f}",
                f"{told['poured_octets'] / 2**20:.1f}",
            ]
        )
    head = "server | round trip with / without | least to most | MiB more | MiB poured before the windows closed"
    return table(head, rows)


def lives(servers: Sequence[Server]) -> str:
    """The table of sessions."""
    rows = []
    for server in servers:
        told = server.facts["lives"]
        early, late = told["early"], told["late"]
        rows.append(
            [
                server.language,
                f"{told['sessions_per_s']:,.0f}",
                f"{early['mib']:.1f}",
                f"{late['mib']:.1f}",
                str(early["descriptors"]),
                str(late["descriptors"]),
            ]
        )
    return table("server | sessions/s | MiB early | MiB late | descriptors early | late", rows)


def limits(servers: Sequence[Server]) -> str:
    """The table of limits: how many connections it held, and what ended it."""
    rows = []
    for server in servers:
        limit = server.facts["limit"]
        first, last = limit["steps"][0], limit["steps"][-1]
        rows.append(
            [
                server.language,
                f"{limit['held']:,}",
                f"{first['mib']:.0f}",
                f"{limit['mib']:.0f}",
                f"{first['p50_us']:,.0f}",
                f"{last['p50_us']:,.0f} at {last['idle']:,}",
                limit["end"],
            ]
        )
    head = "server | connections held | MiB at 1,000 | MiB then | p50 µs of 50, at 1,000 | last p50 µs | its limit"
    return table(head, rows, (0, 6))


def sizes(found: Mapping[str, float]) -> str:
    """The table of images: twelve rows."""
    rows = [
        [name.replace("-", " "), f"{size:.1f}", f"{size - found['base']:.1f}"]
        for name, size in sorted(found.items())
        if name != "base"
    ]
    return table("image | MB | MB over the base", rows)


def verdict(missed: Mapping[str, Sequence[str]]) -> str:
    """What was missed, or that nothing was."""
    if not missed:
        return "All targets are reached."
    lines = [f"- {language}: {one}" for language, all_of_it in missed.items() for one in all_of_it]
    return "Missed:\n\n" + "\n".join(lines)


FIXED = {"deaf_ratio": DEAF_RATIO, "deaf_mib": DEAF_MIB, "kept": KEPT_OCTETS}

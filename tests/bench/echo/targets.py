"""What the echo bench must reach. Pure: facts in, sentences out; whoever misses a target makes the run fail.

A ratio is taken within a round, of two runs seconds apart, and the median over the rounds counts. How sure that median
is, the ratios tell themselves (``interval``). If it could as well be another one, the machine was not quiet enough to
say anything, and that is a failure, too: a table that another run would not repeat is worth nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

YARDSTICK = "sockperf"
RATIO = {"c": 1.15}  # round trip of sockperf: to reach
RATIO_OF_OTHERS = 3.0
UNSURE = 0.25  # how wide the interval of a median may be, as a part of it
CONFIDENCE = 0.95
DEAF_RATIO = 1.5
DEAF_MIB = 32.0
DEAF_OCTETS = 100_000
KEPT_OCTETS = 100  # of a session, once it is over
LIMIT = 11_000

Rounds = Sequence[Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class Ratio:
    """A server's round trips as multiples of sockperf's of the same round. low, high: where the median is, surely."""

    median: float
    low: float
    high: float
    least: float
    most: float
    target: float


def ratio(language: str, rounds: Rounds) -> Ratio:
    """rounds: by name ("sockperf" among them), what was measured in each round (p50_us)."""
    found = [one[language]["p50_us"] / one[YARDSTICK]["p50_us"] for one in rounds]
    low, high = interval(found)
    target = RATIO.get(language, RATIO_OF_OTHERS)
    return Ratio(statistics.median(found), low, high, min(found), max(found), target)


def interval(found: Sequence[float]) -> tuple[float, float]:
    """Between which two of these values the true median lies, with 95 % confidence, however they are distributed.

    Each value is below it with a chance of one half, as a coin falls: how many of them are, is binomial. Of fewer than
    six values no pair is that sure; then it is the least and the most.
    """
    count = len(found)
    tail, rank = 2 * 0.5**count, 0
    while tail <= 1 - CONFIDENCE:
        rank += 1
        tail += 2 * math.comb(count, rank) * 0.5**count
    ordered = sorted(found)
    rank = max(rank, 1)
    return ordered[rank - 1], ordered[-rank]


def missed_trips(language: str, rounds: Rounds) -> list[str]:
    """What a server's round trips miss."""
    own = ratio(language, rounds)
    missed = []
    if own.high - own.low > UNSURE * own.median:
        missed.append(
            f"the ratio may be anything from {own.low:.2f} to {own.high:.2f}, more than {100 * UNSURE:.0f} % apart: "
            "no result; measure again when the machine is quiet, or in more rounds"
        )
    if own.median > own.target:
        missed.append(f"a round trip takes {own.median:.2f} times sockperf's, at most {own.target:g} is the target")
    return missed


def missed_crowd(facts: Mapping[str, Any], idle: int) -> list[str]:
    """What a server misses of: everybody is served, also beside idle ones, who are there and are answered, too."""
    missed = []
    for name in ("many", "talking", "idle"):
        told = facts[name]
        if told["served"] < told["connections"]:
            missed.append(f"{name}: {told['served']} of {told['connections']} connections got an answer")
    held = facts["idle"]
    wanted = idle + held["connections"]
    if held["descriptors"] < wanted:
        missed.append(f"it holds {held['descriptors']:,} descriptors for {wanted:,} connections")
    if held["idle_answered"] < idle:
        missed.append(f"{held['idle_answered']:,} of {idle:,} idle connections were answered when they said a line")
    return missed


def missed_deaf(deaf: Mapping[str, Any]) -> list[str]:
    """What a server misses of: one that does not read harms nobody."""
    missed = []
    if deaf["ratio"] > DEAF_RATIO:
        missed.append(f"round trips beside a deaf one take {deaf['ratio']:.2f} times as long ({DEAF_RATIO:g} at most)")
    if deaf["poured_octets"] < DEAF_OCTETS:
        missed.append(f"the deaf one poured {deaf['poured_octets']} octets only: it was never deaf to anything")
    if deaf["grown_mib"] > DEAF_MIB:
        missed.append(f"a deaf one costs {deaf['grown_mib']:.0f} MiB ({DEAF_MIB:.0f} at most)")
    return missed


def missed_lives(lives: Mapping[str, Any]) -> list[str]:
    """What a server misses of: nothing stays of a session."""
    early, late = lives["early"], lives["late"]
    missed = []
    if late["descriptors"] != early["descriptors"]:
        missed.append(f"descriptors grew from {early['descriptors']} to {late['descriptors']}")
    kept = (late["mib"] - early["mib"]) * 2**20 / lives["sessions"]
    if kept > KEPT_OCTETS:
        missed.append(f"{kept:.0f} octets of memory stay of each session ({KEPT_OCTETS} at most)")
    return missed


def missed_limit(limit: Mapping[str, Any]) -> list[str]:
    """What a server misses of: 10,000 idle ones and 1,000 more are no limit."""
    held = limit["held"]
    return [] if held >= LIMIT else [f"{held:,} connections are its limit: {limit['end']}"]

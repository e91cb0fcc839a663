"""The traits of a fingerprint: what is told of a server or a client, how it is read from the facts, what decides it.

A trait has one value for each pair of server and client. If all pairs have the same, nobody decides it. If it is the
same for each server, whoever the client is, the server's program decides it, and one row for each server says all;
likewise for clients. Else chance has a part in it, and the row says what came how often; but if to know the server (or
the client) is to know nine values of ten, and more than without, then it is mostly the server's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.interop.facts import OTHER

Facts = dict[str, Any]
NOBODY, EITHER = "nobody", "the moment"
MOSTLY = 0.9


@dataclass(frozen=True)
class Trait:
    """side: whose it is. read: its value in one pair, from the facts of that pair's dialogues. time: it is a duration,
    so no two are equal."""

    name: str
    side: str
    title: str
    reason: str
    read: Callable[[Facts], str | float]
    time: bool = False


@dataclass(frozen=True)
class Cell:
    """One pair: what its traits are, and what went wrong (empty if nothing did)."""

    server: str
    client: str
    problem: str = ""
    values: dict[str, str | float] = field(default_factory=dict)

    def language(self, side: str) -> str:
        return self.server if side == "server" else self.client


def both(name: str, title: str, reason: str, read: Callable[[dict[str, Any]], str], dialogue: str) -> list[Trait]:
    """The same trait of both sides, read from one side's facts of one dialogue."""

    def reader(side: str) -> Callable[[Facts], str | float]:
        return lambda facts: read(facts[dialogue][side])

    return [Trait(f"{side}-{name}", side, title, reason, reader(side)) for side in ("server", "client")]


def share(part: int, whole: int) -> str:
    return "no segment" if not whole else "all" if part == whole else "none" if part == 0 else "some"


def closing_by(dialogue: str) -> Callable[[Facts], str]:
    """Who sent the first FIN or RST, and how many segments the end took."""
    return lambda facts: f"{facts[dialogue]['closing']}, {facts[dialogue]['first_closer']} first"


def nodelay(side: str) -> Callable[[Facts], str]:
    return lambda facts: "at once" if facts["paced"][side]["small_on_small"] else "after the ACK"


def last_word(dialogue: str, side: str) -> Callable[[Facts], str]:
    """How a side ended: with a FIN alone, with a FIN that had text with it, with a RST, or not at all."""

    def read(facts: Facts) -> str:
        own = facts[dialogue][side]
        return "RST" if own["resets"] else f"FIN {own['fin']}" if own["fin"] else "nothing"

    return read


DEMO_LINES = 5

TRAITS = (
    *both("syn", "options of the SYN", "syn", lambda side: side["syn_options"], "demo"),
    *both("syn-window", "window in the SYN, octets", "syn", lambda side: str(side["syn_window_bytes"]), "demo"),
    *both(
        "segments", "segments for one line", "line", lambda side: f"{side['data_segments'] / DEMO_LINES:.3g}", "demo"
    ),
    *both("psh", "short segments with PSH", "line", lambda s: share(s["small_with_psh"], s["small_segments"]), "demo"),
    *both("long", "segments for the 20.8 kB", "long", lambda side: str(side["data_segments"]), "pipelined"),
    *both(
        "psh-full",
        "of the full ones, with PSH",
        "long",
        lambda s: share(s["full_with_psh"], s["full_segments"]),
        "pipelined",
    ),
    *both("bare", "bare ACKs in the demo", "acks", lambda side: str(side["bare_acks"]), "demo"),
    *both("riding", "ACKs that ride on text in the demo", "acks", lambda side: str(side["acks_on_data"]), "demo"),
    Trait("server-nodelay", "server", "`Y`, while `X` is unacknowledged", "nodelay", nodelay("server")),
    Trait("server-gap", "server", "`Y` after `X`, ms", "nodelay", lambda facts: min(facts["gaps_ms"]), time=True),
    Trait("client-nodelay", "client", "`b`, while `a` is unacknowledged", "nagle", nodelay("client")),
    *(
        Trait(
            f"{side}-ack-wait",
            side,
            "longest wait of an ACK, ms",
            "acks",
            lambda facts, side=side: facts["paced"][side]["longest_ack_wait_ms"],
            time=True,
        )
        for side in ("server", "client")
    ),
    Trait("server-quit", "server", "its end after `quit`", "quit", last_word("demo", "server")),
    Trait("client-quit", "client", "after `quit`", "closing", closing_by("demo")),
    Trait("client-input-end", "client", "its end when the input ends", "input", last_word("paced", "client")),
    Trait("server-input-end", "server", "after the client's FIN", "closing", closing_by("paced")),
    Trait("client-race", "client", "`quit` and the input's end together", "race", closing_by("pipelined")),
    Trait("client-ctrl-c", "client", "its end at Ctrl-C", "ctrl-c", last_word("ctrl-c", "client")),
    Trait("client-unread", "client", "its end at Ctrl-C, an answer unread", "ctrl-c", last_word("unread", "client")),
    Trait("client-ctrl-c-closing", "client", "after Ctrl-C", "closing", closing_by("ctrl-c")),
    *both("window", "largest window, octets", "window", lambda side: str(side["window_max_bytes"]), "pipelined"),
)
BY_NAME = {trait.name: trait for trait in TRAITS}


def values_of(facts: Facts) -> dict[str, str | float]:
    """Every trait of a pair. Of dialogues that were not played, none."""
    found = {}
    for trait in TRAITS:
        try:
            found[trait.name] = trait.read(facts)
        except (KeyError, ValueError):  # that dialogue was not played; or it was, but no gap was there to be measured
            continue
    return found


def decided_by(trait: Trait, cells: Iterable[Cell]) -> str:
    """``NOBODY``, ``"the server"``, ``"mostly the client"`` ..., or ``EITHER``: chance, or both."""
    there = [cell for cell in cells if trait.name in cell.values]
    common = Counter(cell.values[trait.name] for cell in there).most_common(1)
    if not common or common[0][1] == len(there):
        return NOBODY
    # The own side first: if both would do, as with one server only, it is the likelier cause.
    known = {side: explained(trait, there, side) for side in (trait.side, OTHER[trait.side])}
    best = max(known, key=lambda side: known[side])
    if known[best] == len(there):
        return f"the {best}"
    if known[best] > common[0][1] and known[best] >= MOSTLY * len(there):
        return f"mostly the {best}"
    return EITHER


def explained(trait: Trait, cells: list[Cell], side: str) -> int:
    """In how many pairs the value is the one that this side's language shows most often."""
    groups: dict[str, Counter[str | float]] = {}
    for cell in cells:
        groups.setdefault(cell.language(side), Counter())[cell.values[trait.name]] += 1
    return sum(group.most_common(1)[0][1] for group in groups.values())


def shown(trait: Trait, cells: Iterable[Cell], language: str) -> str:
    """A table's entry: the value of this language, or what came how often, or from where to where."""
    values = [c.values[trait.name] for c in cells if c.language(trait.side) == language and trait.name in c.values]
    if not values:
        return "–"
    numbers = [float(value) for value in values if isinstance(value, float) or str(value).isdigit()]
    if len(numbers) == len(values):
        least, most = (f"{round(number)}" for number in (min(numbers), max(numbers)))
        return least if least == most else f"{least} to {most}"
    counts = Counter(values).most_common()
    return (
        str(counts[0][0])
        if len(counts) == 1
        else "; ".join(f"{value} ({count} of {len(values)})" for value, count in counts)
    )


def groups(name: str, cells: Iterable[Cell]) -> dict[str, list[str]]:
    """Which languages show what: every value of a trait with its languages, in order."""
    cells = list(cells)
    trait = BY_NAME[name]
    found: dict[str, list[str]] = {}
    for language in sorted({cell.language(trait.side) for cell in cells}):
        found.setdefault(shown(trait, cells, language), []).append(language)
    return found

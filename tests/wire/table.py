"""The page docs/wire-scenarios.md, from the plays of a soak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.wire.expect import WATCHED, Expectation
from tests.wire.play import Play
from tests.wire.seen import SIDES

TEXT = """# The ready scenarios, played

Made by `python -m tests.wire.soak --times {times} --write docs/wire-scenarios.md`: {total} plays, of which {right} went
as intended{note}. Each scenario was played {times} times over IPv4 and {times} times over IPv6, live, through the wire,
and judged every time by

- **both captures**: every way in which they differ, by direction and by the segment's place in its stream, must be the
  intended one; each of those named below must be there, and nothing else;
- **the wire's log**: each frame that came is in the sender's capture and each that left in the receiver's, and the
  other way round, by addresses, IP identification, TTL, ports, sequence and acknowledgment number, flags, window,
  length and checksum;
- **tshark** (`-2`), on both captures: the marks named below, no others but duplicate ACKs and the like that belong to
  them;
- **the kernels' counters** (as `nstat` shows them) of both hosts: {watched} of them, before and after; those not named
  below stood still;
- **the conversation**: every answer right, or the failure that was intended.

Between the hosts lie {way:g} ms in each direction, made by one more rule behind the scenario's own: so neither a pause
of the machine nor a delayed ACK (40 ms) is taken for a loss by TCP, whose tail loss probe comes after two round trips.
The expectations are the files `lab/router/scenarios/NAME.toml`; their words are explained in `tests/wire/expect.py`.

| scenario | intended effect | IPv4 | IPv6 |
|---|---|---|---|
"""


def page(plays: Sequence[Play], heads: Mapping[str, str], times: int) -> str:
    """The whole page. heads: what each scenario shows."""
    right = sum(1 for one in plays if not one.complaints)
    note = "" if right == len(plays) else " (see the table)"
    counts = {"times": times, "total": f"{len(plays):,}", "right": f"{right:,}", "watched": len(WATCHED)}
    found = [TEXT.format(**counts, note=note, way=Expectation.way_ms)]
    by_name = {name: [one for one in plays if one.expected.name == name] for name in heads}
    for name, own in by_name.items():
        cells = [_count([one for one in own if one.version == version]) for version in (4, 6)]
        found.append(f"| [`{name}`](#{name}) | {own[0].expected.effect} | {cells[0]} | {cells[1]} |\n")
    found.append(
        "\n## What was seen each time\n\nA `*` stands for anything. Numbers of a counter are its least and most.\n"
    )
    for name, own in by_name.items():
        found.append(_section(name, heads[name], own))
    return "".join(found)


def _count(own: Sequence[Play]) -> str:
    if not own:
        return "–"
    return f"{sum(1 for one in own if not one.complaints)} of {len(own)}"


def _section(name: str, head: str, own: Sequence[Play]) -> str:
    expected = own[0].expected
    lines = [f"\n### {name}\n\n{head}\n\n"]
    lines.append(f"- captures: {_words(expected.seen) or 'no difference'}\n")
    for side in SIDES:
        marks = expected.tshark.get(side, [])
        if marks:
            lines.append(f"- tshark at the {side}'s tap: {_words(marks)}\n")
    for side in SIDES:
        counted = _moved(own, side)
        if counted:
            lines.append(f"- nstat, {side}: {counted}\n")
    ends = sorted({one.outcome for one in own})
    lines.append(f"- the conversation: {', '.join(ends)}\n")
    return "".join(lines)


def _words(patterns: Sequence[str]) -> str:
    return ", ".join(f"`{words}`" for words in patterns)


def _moved(own: Sequence[Play], side: str) -> str:
    names = [name for name in own[0].moved.get(side, {}) if any(one.moved.get(side, {}).get(name) for one in own)]
    found = []
    for name in names:
        counts = [one.moved[side][name] for one in own if side in one.moved]
        low, high = min(counts), max(counts)
        found.append(f"{name} {low}" if low == high else f"{name} {low} to {high}")
    return ", ".join(found)

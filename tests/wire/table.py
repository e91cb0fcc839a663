"""The page docs/wire-scenarios.md, from the plays of a soak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tests.wire.expect import WATCHED, Expectation
from tests.wire.play import AGAIN, LATE_MS, Play
from tests.wire.seen import SIDES

MEASURES = {
    "ms": "sent again after so many ms",
    "again_ms": "sent again for the first time after so many ms",
    "rtt_ms": "acknowledged after so many ms",
    "way_took_ms": "from tap to tap in so many ms",
    "waits_ms": "sent so many ms",
    "silence_ms": "ms in which nothing arrives anywhere",
    "depth": "frames in the queue at most",
    "arrived": "octets in the largest segment that arrives",
    "largest": "octets in the largest segment that is sent",
    "flight": "octets in flight at most",
    "state": "a socket of this host is seen in",
}
"""Members of an expectation, and how the page calls them."""

TEXT = """# The ready scenarios, played

Made by `python -m tests.wire.soak --times {times} --write docs/wire-scenarios.md`: {total} plays, of which {right} went
as intended{note}. Each scenario was played {times} times over IPv4 and {times} times over IPv6, live, through the wire,
and {shipped} more each as it is shipped (below), and judged every time by

- **both captures**: every way in which they differ, by direction and by the segment's place in its stream, must be the
  intended one; each of those named below must be there, and nothing else;
- **the wire's log**: each frame that came is in the sender's capture and each that left in the receiver's, and the
  other way round, by addresses, IP identification, TTL, ports, sequence and acknowledgment number, flags, window,
  length and checksum; and its times lie between those of the two taps;
- **tshark** (`-2`), on both captures: the marks named below must be there, and no others but those that the
  expectation names for segments that the scenario touches;
- **the kernels' counters** (as `nstat` shows them) of both hosts: {watched} of them, before and after; those not named
  below stood still;
- **times, sizes and states** where the effect is one of these: named below with their bounds;
- **the conversation**: every answer right, or the failure that was intended.

A play that went otherwise was repeated, {again} times at most, if the wire was late in it by more than {late:g} ms for
no reason of the script's, or if more programs wanted a processor than there are: then the machine had other things to
do. {repeated} of the plays are such ones.

Between the hosts lie {way:g} ms in each direction, made by one more rule behind the scenario's own: so neither a pause
of the machine nor a delayed ACK (40 ms) is taken for a loss by TCP, whose tail loss probe comes after two round trips.
"As shipped" are the plays without that rule, over both IP versions. A round trip takes a fraction of a millisecond
there, so TCP sends again what is only a little late; that is not judged, nor are times, counters and marks that depend
on it; all else is. What is drawn from a seed came out alike in all plays, and that is judged as well. The expectations
are the files `lab/router/scenarios/NAME.toml`; their words are explained in `tests/wire/expect.py`.

| scenario | intended effect | IPv4 | IPv6 | as shipped |
|---|---|---|---|---|
"""


def page(plays: Sequence[Play], heads: Mapping[str, str], times: int) -> str:
    """The whole page. heads: what each scenario shows."""
    right = sum(1 for one in plays if not one.complaints)
    note = "" if right == len(plays) else " (see the table)"
    counts: dict[str, object] = {
        "times": times,
        "total": f"{len(plays):,}",
        "right": f"{right:,}",
        "watched": len(WATCHED),
    }
    most = max(Counter((o.expected.name, o.version) for o in plays if o.expected.as_shipped).values(), default=0)
    counts["repeated"] = str(sum(1 for one in plays if one.repeats) or "None")
    counts["late"], counts["again"] = LATE_MS, AGAIN
    counts["shipped"] = "once" if most == 1 else f"{most} times"
    found = [TEXT.format(**counts, note=note, way=Expectation.way_ms)]
    by_name = {name: [one for one in plays if one.expected.name == name] for name in heads}
    for name, own in by_name.items():
        long_way = [one for one in own if not one.expected.as_shipped]
        cells = [_count([one for one in long_way if one.version == version]) for version in (4, 6)]
        cells.append(_count([one for one in own if one.expected.as_shipped]))
        found.append(f"| [`{name}`](#{name}) | {own[0].expected.effect} | {' | '.join(cells)} |\n")
    found.append(
        "\n## What was seen each time\n\nA `*` stands for anything. Numbers of a counter are its least and most; plays"
        " as shipped are left out.\n"
    )
    for name, own in by_name.items():
        found.append(_section(name, heads[name], own))
    return "".join(found) + _complaints(plays)


def _complaints(plays: Sequence[Play]) -> str:
    """What was wrong with the plays that did not go as intended."""
    wrong = [one for one in plays if one.complaints]
    if not wrong:
        return ""
    found = ["\n## What went otherwise\n\n"]
    for one in wrong:
        how = ", as shipped" * one.expected.as_shipped
        late = f"; the wire was late by {one.late_ms:.0f} ms" if one.late_ms >= 10 else ""
        found.append(f"- `{one.expected.name}` over IPv{one.version}{how}: {'; '.join(one.complaints[:4])}{late}\n")
    return "".join(found)


def _count(own: Sequence[Play]) -> str:
    if not own:
        return "–"
    return f"{sum(1 for one in own if not one.complaints)} of {len(own)}"


def _section(name: str, head: str, own: Sequence[Play]) -> str:
    own = [one for one in own if not one.expected.as_shipped] or own
    expected = own[0].expected
    lines = [f"\n### {name}\n\n{head}\n\n"]
    lines.append(f"- captures: {_words(expected.seen) or 'no difference'}\n")
    for side in SIDES:
        marks = expected.tshark.get(side, [])
        if marks:
            lines.append(f"- tshark at the {side}'s tap: {_words(marks)}\n")
    for words in expected.filters:
        lines.append(f"- tshark beside the client: frames that are `{words}`\n")
    for side in SIDES:
        by_version = {one.version: [other for other in own if other.version == one.version] for one in own}
        counted = {f"IPv{version} {_moved(plays, side) or 'nothing'}" for version, plays in by_version.items()}
        if len({words[5:] for words in counted}) == 1:
            counted = {words[5:] for words in counted} - {"nothing"}
        if counted:
            lines.append(f"- nstat, {side}: {'; '.join(sorted(counted))}\n")
    named = {name: getattr(expected, name) for name in MEASURES}
    if any(named.values()):
        lines.append(f"- measured: {'; '.join(_measure(name, value) for name, value in named.items() if value)}\n")
    ends = sorted({one.outcome for one in own})
    lines.append(f"- the conversation: {', '.join(ends)}\n")
    return "".join(lines)


def _measure(name: str, value: object) -> str:
    """A measure with its bounds, as it stands in the expectation."""
    if isinstance(value, dict):
        return f"{MEASURES[name]}: " + ", ".join(f"`{what}` {_bounds(bounds)}" for what, bounds in value.items())
    return f"{MEASURES[name]}: {_bounds(value)}"


def _bounds(value: object) -> str:
    if not isinstance(value, list):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if isinstance(value[0], str):
        return f"behind `{value[0]}` {_bounds(value[1:])}"
    pairs = [(f"{low:g}", f"{high:g}") for low, high in zip(value[::2], value[1::2], strict=True)]
    return ", ".join(low if low == high else f"{low} to {high}" for low, high in pairs)


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

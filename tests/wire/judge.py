"""What of a play is not as intended: outcome, captures, counters, log, times, sizes. tshark's part is in ``shark``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.wire.expect import against, fits, within
from tests.wire.seen import SIDES, Story

if TYPE_CHECKING:
    from tests.wire.play import Play


def judged(one: Play) -> list[str]:
    """What is not as intended, but for tshark's part."""
    expected, found = one.expected, []
    if not fits(one.outcome, expected.outcome):
        found.append(f"the conversation: {one.outcome}, not {expected.outcome}")
    found += against(one.differences, expected.seen, expected.may, "captures")
    for side in SIDES:
        wanted = expected.nstat.get(side, {})
        for name, count in one.moved.get(side, {}).items():
            if expected.as_shipped and name not in wanted:
                continue
            if not within(count, wanted.get(name, 0)):
                found.append(f"nstat: {side} {name} went up by {count}, not {wanted.get(name, 0)}")
    for name, wanted in expected.log.items():
        count = sum(1 for line in one.log if name in (line["event"], line.get("forged")))
        if not within(count, wanted):
            found.append(f"log: {name} {count} times, not {wanted}")
    for side, tap in one.verdicts.items():
        if tap != expected.verdict.get(side, "complete"):
            found.append(f"the {side}'s tap says {tap}, not {expected.verdict.get(side, 'complete')}")
    if one.story is not None:
        found += _timed(one, one.story) + _measured(one, one.story)
    return found


def _timed(one: Play, story: Story) -> list[str]:
    """When segments were sent again, how long they took, what they waited for."""
    found = []
    for name, bounds in one.expected.ms.items():
        times = story.times_ns.get(name, [])
        after = [(time_ns - times[0]) / 1e6 for time_ns in times[1:]]
        pairs = list(zip(bounds[::2], bounds[1::2], strict=True))
        if len(after) != len(pairs) or not all(
            low <= ms <= high for ms, (low, high) in zip(after, pairs, strict=False)
        ):
            found.append(f"time: {name} was sent again after {[round(ms) for ms in after]} ms, not {pairs}")
    for name, (low, high) in one.expected.rtt_ms.items():
        took_ms = story.round_trip_ms(name)
        if took_ms is None or not low <= took_ms <= high:
            found.append(f"time: {name} was acknowledged after {took_ms} ms, not {low} to {high}")
    for name, (low, high) in one.expected.again_ms.items():
        times = story.times_ns.get(name, [])
        after_ms = round((times[1] - times[0]) / 1e6) if len(times) > 1 else -1
        if not low <= after_ms <= high:
            found.append(f"time: {name} was sent again after {after_ms} ms, not {low} to {high}")
    for name, (low, high) in one.expected.way_took_ms.items():
        took = story.ways_ms.get(name, -1)
        if not low <= took <= high:
            found.append(f"time: {name} was on its way for {took:.1f} ms, not {low} to {high}")
    for name, (cause, low, high) in one.expected.waits_ms.items():
        came, went = story.came_ns.get(cause), story.times_ns.get(name)
        waited_ms = round((went[0] - came) / 1e6, 1) if went and came else -1.0
        if not low <= waited_ms <= high:
            found.append(f"time: {name} was sent {waited_ms} ms after {cause} had come, not {low} to {high}")
    if one.expected.silence_ms is not None:
        low, high = one.expected.silence_ms
        if not low <= (silence := story.longest_silence_ms()) <= high:
            found.append(f"time: nothing arrived for {silence:.0f} ms, not {low} to {high}")
    return found


def _measured(one: Play, story: Story) -> list[str]:
    """How large segments were, how many octets on the way, how many frames in the queue."""
    found = []
    if one.expected.depth is not None:
        low, high = one.expected.depth
        if not low <= (depth := max((line["queue"] for line in one.log if "queue" in line), default=0)) <= high:
            found.append(f"log: at most {depth} waited for the link, not {low} to {high}")
    for side, wanted in one.expected.arrived.items():
        if (largest := max(len(frame.payload) for frame in story.far[side])) != wanted:
            found.append(f"the largest segment of the {side} that arrived has {largest} octets, not {wanted}")
    if one.expected.largest is not None:
        largest = max(len(frame.payload) for frames in story.near.values() for frame in frames)
        if largest > one.expected.largest:
            found.append(f"a segment has {largest} octets, more than {one.expected.largest}")
    for side, most in one.expected.flight.items():
        if story.most_in_flight(side) > most:
            found.append(f"{story.most_in_flight(side)} octets of the {side} were in flight, more than {most}")
    return found

"""Whatever comes in: nothing raises, nothing grows without bound, and the events keep their order."""

from __future__ import annotations

import json
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.session.events import Closed, Event, Opened, Recorded
from lab.session.limits import Limits
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.wire.frame import Frame
from tests.unit.session.notation import MS, START_NS, WHOLE, Wire, play

SMALL = Limits(
    max_sessions=8,
    max_ended=4,
    max_holes=4,
    max_frames_per_finding=3,
    max_pairs=4,
    max_neighbours=2,
    max_datagrams=3,
    max_fragments=4,
)
TRACES = {
    4: "arp who-has\n arp is-at\n" + WHOLE + "icmp 3 3",
    6: "ndp solicit\n ndp advert\n" + WHOLE + "icmp 1 4",
}


def frames_of(version: int) -> list[Frame]:
    wire = Wire(version)
    return [frame for line in TRACES[version].splitlines() if (frame := wire.frame(line))]


SEEDS = frames_of(4) + frames_of(6)


def check_order(events: list[Event]) -> None:
    """Opened once, first; everything else after it; the numbers of Recorded count up."""
    recorded: dict[int, int] = {}
    for event in events:
        ordinal = event.session.ordinal
        if isinstance(event, Opened):
            assert ordinal not in recorded
            recorded[ordinal] = 0
        elif isinstance(event, Recorded):
            recorded[ordinal] += 1
            assert event.note.comment
            assert event.note.kind
        else:
            assert ordinal in recorded
    for event in events:
        assert event.session.frames == recorded[event.session.ordinal]


def check_bounds(tracker: Tracker, limits: Limits) -> None:
    assert len(tracker._open) <= limits.max_sessions
    assert len(tracker._ended) <= limits.max_ended
    assert len(tracker._by_ends) <= 2 * (limits.max_sessions + limits.max_ended)
    assert len(tracker._opening) <= limits.max_pairs
    assert len(tracker._neighbours) <= limits.max_pairs * limits.max_neighbours
    assert len(tracker._fragments) <= limits.max_datagrams * limits.max_fragments
    assert len(tracker._schedule) <= 4 * limits.max_sessions + 16
    for session in [*tracker._open.values(), *tracker._ended.values()]:
        check_session(session, limits)


def check_session(session: Session, limits: Limits) -> None:
    for side in (session.client_side, session.server_side):
        assert len(side.holes) <= limits.max_holes
        assert side.missing_octets >= 0
    assert all(len(f.frames) <= limits.max_frames_per_finding for f in session.findings)
    assert len(session.findings) < 50
    assert len(session.history) < 100
    json.dumps(session.summary())


mutation = st.tuples(st.integers(0, 120), st.integers(0, 255))
step = st.tuples(
    st.integers(0, len(SEEDS) - 1),
    st.lists(mutation, max_size=4),
    st.integers(0, 130),
    st.integers(-(10**10), 10**11),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(step, max_size=40))
def test_mutated_frames_never_raise_and_never_grow(steps: list[tuple[int, list[tuple[int, int]], int, int]]) -> None:
    tracker = Tracker(SMALL)
    events: list[Event] = []
    time_ns = START_NS
    for index, changes, keep, pause_ns in steps:
        data = bytearray(SEEDS[index].data)
        for at, value in changes:
            if at < len(data):
                data[at] = value
        time_ns += pause_ns
        events += tracker.feed(Frame(time_ns, bytes(data[:keep] if keep else data), len(data)))
        tracker.dropped(1, time_ns)
        check_bounds(tracker, SMALL)
    events += tracker.stop(time_ns)
    check_order(events)
    assert tracker.open_sessions == []


def test_many_random_segments_on_few_ports_stay_within_bounds() -> None:
    # Any flags, numbers and lengths, with valid checksums: the deep paths that random octets hardly reach.
    chance = random.Random(793)
    wire = Wire(4)
    tracker = Tracker(SMALL)
    events: list[Event] = []
    for number in range(6_000):
        if number % 50 == 0:
            wire.ports = (40_000 + chance.randrange(12), 7)
            wire.isns = [chance.choice((1000, 2**32 - 5)), 5000]
        flags = "".join(letter for letter in "FSRP." if chance.random() < (0.8 if letter == "." else 0.15)) or "-"
        window = chance.choice((0, 1, 8192))
        option = chance.choice(("", "<ws 7>", "<sack 1001-1007>", "<raw 0300>", "<mss 1460, ws 20>"))
        arrow, seq, ack, length = (
            chance.choice("<>"),
            chance.randrange(-2, 40),
            chance.randrange(-2, 40),
            chance.randrange(4),
        )
        line = (
            f"+{chance.choice((0, 1, 40, 400, 90_000))} {arrow} {flags} {seq} ack {ack} win {window} {option} x{length}"
        )
        frame = wire.frame(line)
        assert frame is not None
        events += tracker.feed(frame)
        if number % 100 == 0:
            check_bounds(tracker, SMALL)
    events += tracker.stop(wire.time_ns)
    check_order(events)
    assert {e.session.verdict for e in events} >= {"cut", "reset", "midstream"}
    assert sum(isinstance(e, Closed) for e in events) >= sum(isinstance(e, Opened) for e in events)


def test_a_syn_flood_keeps_no_more_sessions_than_allowed() -> None:
    wire, tracker = Wire(4), Tracker(SMALL)
    for port in range(1024, 1524):
        wire.ports = (port, 7)
        frame = wire.frame("+0.01 > S 0")
        assert frame is not None
        tracker.feed(frame)
        check_bounds(tracker, SMALL)
    assert len(tracker.open_sessions) == SMALL.max_sessions


def test_a_busy_session_keeps_the_queue_of_deadlines_short() -> None:
    played = play(WHOLE.split("< F.")[0])
    for number in range(300):
        played.feed(f"+400 > P. {7 + number} ack 7 x1\n < . 7 ack {8 + number}")
    assert len(played.tracker._schedule) <= 2
    assert played.session.verdict == "open"


def test_the_clock_set_back_a_thousand_times_does_not_pile_up() -> None:
    tracker = Tracker(SMALL)
    for number in range(1000):
        frame = SEEDS[2]._replace(time_ns=START_NS - number * 10_000 * MS)
        tracker.feed(frame)
    check_bounds(tracker, SMALL)

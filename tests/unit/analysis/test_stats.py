"""The cheap totals: the tracker's numbers, without its cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.analysis.stats import Statistics, stats
from lab.analysis.totals import SessionTotals
from lab.session.events import Opened
from lab.session.session import Session
from lab.session.side import Side
from lab.session.tracker import Tracker
from lab.store.reader import read_capture
from lab.wire.frame import Frame
from tests.oracle.made import frames_of as made
from tests.unit.analysis.scenes import OPEN, TALK, WHOLE, frames_of, look, swapped, without


def tracked(frames: list[Frame]) -> list[Session]:
    """The same frames through the tracker."""
    tracker = Tracker()
    sessions = [event.session for frame in frames for event in tracker.feed(frame) if isinstance(event, Opened)]
    tracker.stop(max(frame.time_ns for frame in frames) + 1_000_000_000)
    return sessions


def damaged(session: Session) -> bool:
    """Whether a checksum is wrong: the cheap way does not look."""
    rules = {finding.rule for finding in session.findings}
    return bool(rules & {"bad-checksum", "bad-ip-checksum"})


def facts_of_side(side: Side) -> tuple[int | None, ...]:
    counts = (side.octets_new, side.retransmissions, side.out_of_order, side.syn_count, side.fin_count, side.rst_count)
    return (*counts, side.isn if side.isn_seen else None)


def facts_of_totals(totals: SessionTotals) -> list[tuple[int | None, ...]]:
    return [
        (t.octets_new, t.retransmissions, t.out_of_order, t.syns, t.fins, t.rsts, t.isn)
        for t in (totals.from_client, totals.from_server)
    ]


def check(frames: list[Frame]) -> int:
    """Hold both ways together; how many sessions were compared."""
    cheap, full = stats(frames), tracked(frames)
    assert len(cheap) == len(full)
    compared = 0
    for totals, session in zip(cheap, full, strict=True):
        if damaged(session):
            continue
        compared += 1
        assert (totals.client, totals.server, totals.verdict) == (
            str(session.client),
            str(session.server),
            session.verdict,
        )
        assert totals.initial_rtt_ns == session.initial_rtt_ns
        assert facts_of_totals(totals) == [facts_of_side(session.client_side), facts_of_side(session.server_side)]
    return compared


@pytest.mark.parametrize("seed", range(6))
def test_on_sessions_with_every_trouble_it_counts_as_the_tracker_does(seed: int) -> None:
    assert check(made(100 + seed, 40)) > 10


@pytest.mark.parametrize("version", [4, 6])
def test_a_whole_session_is_summed(version: int) -> None:
    [session] = stats(frames_of(WHOLE, version=version))
    assert (session.verdict, session.frames, session.ip_version) == ("complete", 11, version)
    assert (session.from_client.octets, session.from_server.octets_new) == (6, 6)
    assert session.initial_rtt_ns == 2_000_000
    assert session.last_ns - session.first_ns == 10_000_000


@pytest.mark.parametrize(
    ("trace", "verdict"),
    [
        (WHOLE, "complete"),
        (OPEN + TALK, "cut"),
        (OPEN + TALK + "< F. 7 ack 7", "cut"),
        ("> S 0\n < R. 0 ack 1", "refused"),
        (OPEN + TALK + "> R. 7 ack 7", "reset"),
        (OPEN + TALK + "> R 900", "cut"),
        ("> S 0", "cut"),
        (TALK, "cut"),
    ],
)
def test_the_verdict_is_that_of_the_session(trace: str, verdict: str) -> None:
    [session] = stats(frames_of(trace))
    assert session.verdict == look(trace).verdict == verdict


@pytest.mark.parametrize(("trace", "wait_s", "verdict"), [("> S 0", 80, "half-open"), (TALK, 310, "midstream")])
def test_a_long_silence_before_the_capture_ends_tells_more(trace: str, wait_s: int, verdict: str) -> None:
    other = frames_of(WHOLE, ports=(40313, 7))
    for after_s in (1, wait_s):
        frames = frames_of(trace) + [frame._replace(time_ns=frame.time_ns + after_s * 10**9) for frame in other]
        assert check(frames) == 2
        assert stats(frames)[0].verdict == ("cut" if after_s == 1 else verdict)


def test_the_order_of_segments_matters_as_in_the_tracker() -> None:
    burst = frames_of(OPEN + "> . 1 ack 1 x100\n +0.1 > . 101 ack 1 x100\n +0.1 > . 201 ack 1 x100")
    assert check(swapped(burst, 4, 5)) == 1
    assert stats(swapped(burst, 4, 5))[0].from_client.out_of_order == 1
    late = without(burst, 5)
    assert check([*late, burst[4]._replace(time_ns=late[-1].time_ns + 300_000_000)]) == 1


def test_the_same_ends_with_a_new_number_are_a_new_session() -> None:
    again = WHOLE.replace("> S  0", "> S 0 isn 9000")
    first, second = frames_of(WHOLE), frames_of(again)
    later = [frame._replace(time_ns=frame.time_ns + 1_000_000_000) for frame in second]
    assert [session.verdict for session in stats([*first, *later])] == ["complete", "complete"]
    assert check([*first, *later]) == 2


@pytest.mark.parametrize(
    ("trace", "sessions"),
    [
        (OPEN + "> S 0 isn 777000\n < . 1 ack -775999\n > F. 1 ack 1 isn 1000\n < F. 1 ack 2\n > . 2 ack 2", 1),
        (OPEN + "> S 0 isn 777000\n < S. 0 isn 888000 ack 1\n > . 1 ack 1\n" + TALK, 2),
        (WHOLE + "< S. 0 isn 888000 ack 1\n > . 1 ack 1\n" + TALK, 2),
    ],
    ids=["stray", "answered", "after the end"],
)
def test_a_syn_in_a_connection_that_lives_begins_a_new_one_only_when_it_is_answered(trace: str, sessions: int) -> None:
    assert check(frames_of(trace)) == sessions


def test_frames_that_are_no_segments_are_counted_apart() -> None:
    statistics = Statistics()
    statistics.take([(0, b"", 0), (0, bytes(60), 60), *(frame[:3] for frame in frames_of("arp who-has\n" + WHOLE))])
    assert (statistics.frames, statistics.others) == (14, 3)
    assert len(statistics.sessions()) == 1


def test_frames_cut_anywhere_in_their_headers_are_counted_and_never_fail() -> None:
    whole = frames_of(OPEN) + frames_of(OPEN, version=6)
    cut = [frame._replace(data=frame.data[:size]) for frame in whole for size in range(len(frame.data))]
    totals = Statistics()
    totals.take(frame[:3] for frame in cut)
    assert totals.frames == len(cut)
    assert totals.others > 200


def test_a_simultaneous_open_repeats_nothing() -> None:
    assert check(frames_of("> S 0\n < S 0\n > S. 0 ack 1\n < S. 0 ack 1")) == 1
    assert check(frames_of("> S 0\n < S 0\n > S. 0 ack 1\n < S. 0 ack 1\n +1000 > S. 0 ack 1")) == 1


def test_a_segment_in_fragments_counts_once() -> None:
    frames = read_capture(Path("tests/unit/grade/recorded/19-ttl-and-fragments/cut-at-server.pcapng")).frames
    assert check(frames) == 1
    [whole] = stats(read_capture(Path("tests/unit/grade/recorded/19-ttl-and-fragments/cut-at-client.pcapng")).frames)
    [cut] = stats(frames)
    assert (cut.from_client.octets, cut.from_client.frames) == (whole.from_client.octets, whole.from_client.frames)
    assert stats([frame for number, frame in enumerate(frames, 1) if number != 5])[0].from_client.octets == 5

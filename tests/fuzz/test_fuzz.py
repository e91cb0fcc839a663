"""A short hunt in every run of the tests: mutated frames and files through everything, and proof that it would find
something.

The long one is ``python3 -m tests.fuzz --frames 1000000`` (docs/testing.md).
"""

from __future__ import annotations

import gc
import json
import random
import re
import tracemalloc
from collections import Counter
from itertools import accumulate, islice
from pathlib import Path

import pytest

from lab.analysis import closing
from lab.capture.lane import FastLane
from lab.session import tracker as tracker_module
from lab.session.events import Closed, Event, Opened
from lab.session.limits import Limits
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.store import sections
from lab.store.errors import CaptureFileError
from lab.store.reader import parse_capture
from lab.wire.frame import Frame
from lab.wire.packet import Arp, Icmp, Packet, Segment
from lab.wire.parse import parse
from tests.fuzz import guided
from tests.fuzz.__main__ import main
from tests.fuzz.bounds import BoundExceededError, check_bounds
from tests.fuzz.files import file_octets
from tests.fuzz.hunt import FOUND, BrokenError, hunt, replay
from tests.fuzz.mutate import LARGEST_BYTES, MUTATIONS, mutated
from tests.fuzz.shape import fit_checksums
from tests.fuzz.stream import episode, fuzzed, recordings, stream
from tests.fuzz.ways import (
    SMALL,
    AnalysisWay,
    LaneWay,
    NativeWay,
    NotWholeError,
    TrackerWay,
    capture_octets,
    play,
    read_octets,
)
from tests.unit.capture.traffic import mixed, pile_of

SEED = 20_240
FRAMES = 20_000
ANALYSED = 3_000


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """The stream of one seed."""
    return [one.frame for one in islice(stream(SEED), FRAMES)]


def test_the_tracker_takes_mutated_frames_and_ticks_without_an_exception(frames: list[Frame]) -> None:
    play("tracker", frames)


def test_with_the_smallest_limits_it_keeps_within_them(frames: list[Frame]) -> None:
    play("small", frames)


def test_the_fast_lane_takes_them_in_piles_and_books_some(frames: list[Frame]) -> None:
    way = LaneWay()
    for frame in frames:
        way.take(frame)
    way.close()
    assert way.frames == FRAMES
    assert way.piles > 5
    assert way.booked > 100


def test_the_lane_in_c_takes_them_and_books_some(frames: list[Frame]) -> None:
    way = NativeWay()
    for frame in frames:
        way.take(frame)
    way.close()
    assert way.frames == FRAMES
    assert way.booked > 100


def test_the_analysis_has_only_whole_sentences_for_them(frames: list[Frame]) -> None:
    way = AnalysisWay()
    for frame in frames[:ANALYSED]:
        way.take(frame)
    way.close()
    assert way.sessions > ANALYSED // 20


def test_the_readers_refuse_a_spoiled_file_in_their_own_words_or_read_it() -> None:
    readable = Counter(read_octets(file_octets(SEED, number), random.Random(number)) for number in range(800))
    assert readable[True] > 100
    assert readable[False] > 100


def test_the_lane_comes_to_the_sessions_of_the_tracker_whatever_happens_to_their_frames(frames: list[Frame]) -> None:
    # ARP and NDP belong to whichever session of two hosts began last, and that may differ where several begin in one
    # pile. A ring's frames are in the order of their times.
    some = [frame for frame in frames[:8_000] if not is_neighbour(parse(frame))]
    times = accumulate((frame.time_ns for frame in some), max)
    some = [frame._replace(time_ns=time_ns) for frame, time_ns in zip(some, times, strict=True)]
    slow, fast = summaries(some, with_lane=False), summaries(some, with_lane=True)
    assert slow.total() > 400
    assert fast == slow


def is_neighbour(packet: Packet) -> bool:
    return isinstance(packet, Arp) or (isinstance(packet, Icmp) and packet.neighbour is not None)


def summaries(frames: list[Frame], *, with_lane: bool) -> Counter[str]:
    """What is said of each session in the end, without its number; frames in piles of a thousand."""
    tracker, sessions = Tracker(), list[Session]()

    def take(events: list[Event]) -> None:
        sessions.extend(event.session for event in events if isinstance(event, Opened))

    lane = FastLane(tracker, take, lambda *_booked: None)
    for at in range(0, len(frames), 1_000):
        pile = frames[at : at + 1_000]
        if with_lane:
            lane.take(pile_of(pile))
        else:
            for frame in pile:
                take(tracker.feed(frame, expire=False))
        take(tracker.tick(pile[-1].time_ns))
    take(tracker.stop(frames[-1].time_ns))
    told = (json.dumps({**session.summary(), "name": "", "id": "", "ordinal": 0}, default=str) for session in sessions)
    return Counter(re.sub(r"session \d+-", "session ", text) for text in told)


def test_memory_does_not_grow_with_the_frames() -> None:
    way = TrackerWay(SMALL)
    source = stream(SEED)
    for one in islice(source, 2_000):
        way.take(one.frame)
    gc.collect()
    tracemalloc.start()
    try:
        for one in islice(source, 4_000):
            way.take(one.frame)
        gc.collect()
        left_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left_bytes < 1_000_000


def test_a_limit_that_is_not_kept_is_told(frames: list[Frame]) -> None:
    tracker = Tracker(Limits(max_holes=64))
    for frame in frames[:1_000]:
        tracker.feed(frame)
    check_bounds(tracker, Limits())
    with pytest.raises(BoundExceededError, match=r"ended sessions: \d+, and 8 are allowed"):
        check_bounds(tracker, SMALL)


def test_a_frame_is_made_again_from_seed_and_number(frames: list[Frame]) -> None:
    for number in (0, 1, 99, 100, 777, FRAMES - 1):
        assert fuzzed(SEED, number).frame == frames[number]
    assert fuzzed(SEED + 1, 777).frame != frames[777]
    assert file_octets(SEED, 5) == file_octets(SEED, 5) != file_octets(SEED, 6)


def test_the_stream_gets_deep_and_has_something_of_everything(frames: list[Frame]) -> None:
    packets = [parse(frame) for frame in frames[:10_000]]
    kinds = Counter(type(packet).__name__ for packet in packets)
    assert set(kinds) == {"Segment", "Arp", "Icmp", "Fragment", "Other"}
    assert min(kinds.values()) > 50
    checksums = Counter(packet.checksum_status for packet in packets if isinstance(packet, Segment))
    assert checksums["good"] > 4_000
    assert checksums["bad"] > 1_000
    tracker, verdicts = Tracker(), set()
    for frame in frames[:10_000]:
        verdicts |= {event.session.verdict for event in tracker.feed(frame) if isinstance(event, Closed)}
    assert verdicts >= {"complete", "reset", "refused", "half-open", "midstream", "cut"}


def test_more_than_half_of_the_stream_is_mutated_and_the_rest_is_as_recorded() -> None:
    found = [one.changed for one in islice(stream(SEED), 5_000)]
    assert 2_500 < sum(found) < 5_000
    assert all(len(episode(SEED, number)) == 100 for number in range(200))


@pytest.mark.parametrize("mutation", dict.fromkeys(MUTATIONS), ids=lambda mutation: mutation.__name__)
def test_every_mutation_changes_something(mutation: object) -> None:
    chance, changed = random.Random(7), 0
    originals = [frame.data for recording in recordings() for frame in recording[:3]]
    for data in originals:
        result = bytearray(data)
        mutation(chance, result, originals[0])  # type: ignore[operator]
        changed += result != data
    assert changed > len(originals) // 3


def test_a_mutated_frame_has_its_bounds_and_the_recorded_one_stays() -> None:
    chance = random.Random(7)
    data = recordings()[0][3].data
    before = bytes(data)
    assert all(len(mutated(chance, data, b"x" * LARGEST_BYTES)) <= LARGEST_BYTES for _ in range(200))
    assert data == before


def test_repaired_checksums_are_those_that_kernels_made() -> None:
    for recording in recordings():
        for frame in recording:
            packet = parse(frame)
            if isinstance(packet, Segment) and packet.checksum_status == "good":
                data = bytearray(frame.data)
                fit_checksums(data)
                assert data == frame.data


def test_saved_frames_come_back_as_they_were(frames: list[Frame]) -> None:
    assert [frame[:3] for frame in parse_capture([capture_octets(frames[:2_000])]).frames] == [
        frame[:3] for frame in frames[:2_000]
    ]
    with pytest.raises(CaptureFileError):
        parse_capture([b"\xff" + capture_octets(frames[:5])])


def _plant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake as anybody could make it: a window of 1 from a client in its FIN divides by zero."""
    good = tracker_module.record_segment

    def planted(session: object, segment: Segment, late: bool) -> Event:
        if int(segment.flags) & 1 and segment.window == 1:
            raise ZeroDivisionError("planted")
        return good(session, segment, late)  # type: ignore[arg-type]

    monkeypatch.setattr(tracker_module, "record_segment", planted)


def test_a_planted_mistake_is_found_told_with_its_seed_and_saved_as_one_frame(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as planting:
        _plant(planting)
        with pytest.raises(BrokenError, match="planted") as told:
            hunt(SEED, FRAMES, found=tmp_path)
        broken = told.value
        assert (broken.seed, broken.way) == (SEED, "tracker")
        [saved] = tmp_path.iterdir()
        assert saved == broken.saved
        [frame] = parse_capture([saved.read_bytes()]).frames
        assert frame.data == fuzzed(SEED, broken.number).frame.data
        with pytest.raises(ZeroDivisionError):
            replay(saved)
    replay(saved)  # the mistake is mended: now nothing breaks


def test_the_command_says_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--seed", str(SEED), "--frames", "1500", "--found", str(tmp_path)]
    assert main([*words, "--quiet"]) == 0
    assert re.search(r"seed 20240: 1,500 mutated frames .*peak memory \d+ MiB", capsys.readouterr().out)
    assert not list(tmp_path.iterdir())
    _plant(monkeypatch)
    assert main([*words[:3], "20000", *words[4:]]) == 1
    said = capsys.readouterr().err
    assert re.search(r"frame \d+ of seed 20240 broke the way 'tracker'", said)
    assert "--replay" in said


def test_a_mistake_in_a_reader_is_found_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def planted(self: object, body: bytes) -> None:
        raise IndexError("planted")

    monkeypatch.setattr(sections.SectionParser, "_name_resolution", planted)
    with pytest.raises(BrokenError, match=r"file \d+ of seed 20240 broke the way 'readers'.*planted"):
        hunt(SEED, 300, found=tmp_path, files_every=10)
    [saved] = tmp_path.iterdir()
    with pytest.raises(IndexError):
        replay(saved)
    monkeypatch.undo()
    replay(saved)


def test_a_sentence_with_a_hole_is_a_find(monkeypatch: pytest.MonkeyPatch, frames: list[Frame]) -> None:
    monkeypatch.setattr(closing.Endings, "_expected", lambda *_asked: None)
    with pytest.raises(NotWholeError, match="None was expected"):
        play("analysis", frames[:ANALYSED])


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.*")), ids=lambda path: path.name)
def test_what_was_found_once_breaks_nothing_any_more(path: Path) -> None:
    replay(path)


@pytest.mark.parametrize("part", range(4))
def test_what_guided_hunts_have_kept_breaks_nothing(part: int) -> None:
    inputs = guided.corpus()[part::4]
    assert len(inputs) > 20
    for octets in inputs:
        guided.take(octets)


def test_sessions_of_plain_traffic_survive_every_way_as_well() -> None:
    for way in ("tracker", "small", "lane", "native", "analysis"):
        play(way, mixed(3, 5, 0.1))

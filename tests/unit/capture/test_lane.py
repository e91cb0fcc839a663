"""The fast lane against the tracker: whatever the traffic, both come to the same sessions, to the last count."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from lab.capture.lane import FastLane
from lab.session.events import Closed, Event, Opened, Recorded
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.store.blocks import FileHeader, InterfaceFacts, SectionFacts, enhanced_packet
from lab.store.reader import parse_capture
from lab.wire.frame import Frame
from tests.unit.capture.traffic import START_NS, Talk, mixed, pile_of


def header_octets() -> bytes:
    """What stands before the packets in a file."""
    header = FileHeader(SectionFacts(), InterfaceFacts("eth0"))
    return header.section_block("") + header.interface_blocks


class Record:
    """What came out: for every session its packet blocks, in order, and its last summary."""

    def __init__(self) -> None:
        self.blocks: dict[str, bytearray] = {}
        self.sessions: dict[str, Session] = {}
        self.order: list[str] = []
        self.booked = 0

    def act(self, events: list[Event]) -> None:
        for event in events:
            name = event.session.name
            if isinstance(event, Opened):
                self.blocks[name] = bytearray()
                self.sessions[name] = event.session
                self.order.append(name)
            elif isinstance(event, Recorded):
                self.blocks[name] += enhanced_packet(event.frame, event.note.comment)
            else:
                assert isinstance(event, Closed)

    def bulk(self, session: Session, octets: bytes, frames: int, last_ns: int) -> None:
        self.blocks[session.name] += octets
        self.booked += frames

    def summaries(self) -> dict[str, dict[str, object]]:
        return {name: session.summary() for name, session in self.sessions.items()}


def pieces(frames: list[Frame], seed: int) -> Iterator[list[Frame]]:
    chance = random.Random(seed)
    at = 0
    while at < len(frames):
        size = chance.choice((1, 7, 100, 1000))
        yield frames[at : at + size]
        at += size


def by_tracker(frames: list[Frame]) -> Record:
    record, tracker = Record(), Tracker()
    for frame in frames:
        record.act(tracker.feed(frame, expire=False))
    record.act(tracker.stop(frames[-1].time_ns))
    return record


def by_lane(frames: list[Frame], seed: int) -> Record:
    record, tracker = Record(), Tracker()
    lane = FastLane(tracker, record.act, record.bulk)
    for piece in pieces(frames, seed):
        lane.take(pile_of(piece))
    record.act(tracker.stop(frames[-1].time_ns))
    return record


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("trouble", [0.0, 0.02, 0.3])
def test_the_lane_comes_to_the_same_sessions_as_the_tracker(seed: int, trouble: float) -> None:
    frames = mixed(seed, 12, trouble)
    slow, fast = by_tracker(frames), by_lane(frames, seed)
    assert fast.order == slow.order
    assert fast.summaries() == slow.summaries()
    for name, blocks in slow.blocks.items():
        expected = [p.frame for p in parse_capture([header_octets() + bytes(blocks)]).packets]
        found = [p.frame for p in parse_capture([header_octets() + bytes(fast.blocks[name])]).packets]
        assert found == expected, name


def test_without_trouble_nearly_all_data_goes_through_the_lane() -> None:
    frames = mixed(1, 12, 0.0)
    assert by_lane(frames, 1).booked > len(frames) // 2


def test_with_trouble_in_every_turn_the_lane_still_books_some() -> None:
    frames = mixed(1, 12, 1.0)
    assert 0 < by_lane(frames, 1).booked < len(frames) * 3 // 4


def test_a_bulk_comment_is_true_to_the_frame() -> None:
    talk = Talk(random.Random(3), 40000)
    frames = [Frame(t, octets, len(octets), 0, d) for t, octets, d in talk.play(50, "fin")]
    lane, slow = by_lane(frames, 3), by_tracker(frames)
    name = lane.order[0]
    quick = parse_capture([header_octets() + bytes(lane.blocks[name])]).comments
    thorough = parse_capture([header_octets() + bytes(slow.blocks[name])]).comments
    compared = 0
    for short, long in zip(quick, thorough, strict=True):
        if short.startswith("Data:") and short != long:
            words = " ".join(short.split())
            begin = words.split(" of its stream")[0]
            assert " ".join(long.split()).startswith(
                begin.replace("octets ", "octet ") if " to " not in long else begin
            ), (
                short,
                long,
            )
            compared += 1
    assert compared > 20


def test_frames_that_are_no_tcp_pass_through_the_lane_to_the_tracker() -> None:
    arp = b"\xff" * 6 + b"\x02\0\0\0\0\x14\x08\x06" + b"\0\x01\x08\0\x06\x04\0\x01"
    arp += b"\x02\0\0\0\0\x14" + bytes([192, 0, 2, 20]) + b"\0" * 6 + bytes([192, 0, 2, 10])
    talk = Talk(random.Random(3), 40000)
    frames = [Frame(START_NS - 5, arp, len(arp))]
    frames += [Frame(t, octets, len(octets), 0, d) for t, octets, d in talk.play(5, "fin")]
    record = by_lane(frames, 9)
    assert record.sessions[record.order[0]].summary()["frames"] == len(frames)

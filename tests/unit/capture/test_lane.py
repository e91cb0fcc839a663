"""The fast lane against the tracker: whatever the traffic, both come to the same sessions, to the last count."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest

from lab.capture.lane import FastLane
from lab.session.events import Closed, Event, Opened, Recorded
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.store.blocks import FileHeader, InterfaceFacts, SectionFacts, enhanced_packet
from lab.store.reader import parse_capture
from lab.wire.columns import key_of
from lab.wire.frame import Frame
from lab.wire.packet import Segment
from lab.wire.parse import parse
from tests.unit.capture.traffic import START_NS, Talk, checksum, mixed, pile_of


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
        if "'s data, octets" in short:
            words = " ".join(short.split())
            found = re.fullmatch(r"The (\w+)'s data, octets (\d+) to (\d+)(; ACK up to (\d+))?\.", words)
            assert found, short
            who, first, last, more, acked = found.groups()
            octets = f"octets {first} to {last}" if first != last else f"octet {first}"
            assert long.startswith(f"Data: the {who} sends {octets} of its stream"), (short, long)
            assert not more or f"octets up to {acked}." in long, (short, long)
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


def with_ip_options(frame: Frame) -> Frame:
    """The same segment behind an IPv4 header with four octets of options (RFC 791 §3.1: no operation)."""
    data = bytearray(frame.data)
    data[34:34] = b"\x01" * 4
    data[14] = 0x46
    data[16:18] = (len(data) - 14).to_bytes(2, "big")
    data[24:26] = b"\0\0"
    data[24:26] = checksum(bytes(data[14:38])).to_bytes(2, "big")
    return frame._replace(data=bytes(data), length_bytes=len(data))


@pytest.mark.parametrize("seed", range(6))
def test_segments_behind_ip_options_keep_their_place_among_the_plain_ones_of_their_session(seed: int) -> None:
    chance = random.Random(seed)
    frames = mixed(seed, 12, 0.02)
    four = [frame.data[12:14] == b"\x08\x00" and chance.random() < 0.02 for frame in frames]
    frames = [with_ip_options(frame) if spoil else frame for frame, spoil in zip(frames, four, strict=True)]
    slow, fast = by_tracker(frames), by_lane(frames, seed)
    assert sum(four) > 5
    assert fast.booked > 50
    assert fast.order == slow.order
    assert fast.summaries() == slow.summaries()


def test_the_number_of_an_end_is_that_of_the_columns() -> None:
    frames = mixed(2, 12, 0.0)
    headers = pile_of(frames).headers
    versions = set()
    for row, frame in enumerate(frames):
        packet = parse(frame)
        assert isinstance(packet, Segment)
        assert key_of(packet.source.address, packet.source.port) == headers.source[row]
        assert key_of(packet.destination.address, packet.destination.port) == headers.destination[row]
        assert headers.source[row] != headers.destination[row]
        versions.add(len(packet.source.address))
    assert versions == {4, 16}


def test_a_router_s_error_keeps_its_place_in_the_session_that_it_quotes() -> None:
    talk = Talk(random.Random(3), 40000)
    frames = [Frame(t, octets, len(octets), 0, d) for t, octets, d in talk.play(200, "open")]
    quoted = frames[100].data[14:62]
    icmp = b"\x03\x01\0\0\0\0\0\0" + quoted
    icmp = icmp[:2] + checksum(icmp).to_bytes(2, "big") + icmp[4:]
    header = b"\x45\0" + (20 + len(icmp)).to_bytes(2, "big") + b"\0\x07\x40\0\x40\x01\0\0\xc0\0\x02\x01" + quoted[12:16]
    header = header[:10] + checksum(header).to_bytes(2, "big") + header[12:]
    data = frames[100].data[6:12] + frames[100].data[:6] + b"\x08\0" + header + icmp
    frames.insert(150, Frame(frames[150].time_ns, data, len(data)))
    slow, fast = by_tracker(frames), by_lane(frames, 4)
    [summary] = fast.summaries().values()
    assert summary == next(iter(slow.summaries().values()))
    assert "icmp" in str(summary["findings"])
    assert "151" in str(summary["findings"])
    assert fast.booked > 100


@pytest.mark.parametrize("seed", range(4))
def test_arp_in_the_middle_of_a_pile_goes_to_the_session_that_it_lets_begin(seed: int) -> None:
    arp = b"\xff" * 6 + b"\x02\0\0\0\0\x0a\x08\x06" + b"\0\x01\x08\0\x06\x04\0\x01"
    arp += b"\x02\0\0\0\0\x0a" + bytes([192, 0, 2, 10]) + b"\0" * 6 + bytes([192, 0, 2, 20])
    talk = Talk(random.Random(seed), 40000)
    frames = [Frame(t, octets, len(octets), 0, d) for t, octets, d in talk.play(200, "fin")]
    frames.insert(
        1, Frame(frames[0].time_ns + 5, arp, len(arp))
    )  # the server asks for the client, then answers the SYN
    slow, fast = by_tracker(frames), by_lane(frames, seed)
    assert fast.blocks[fast.order[0]][:300] == slow.blocks[slow.order[0]][:300]
    assert fast.summaries() == slow.summaries()

"""The fast lane in C beside the tracker and the one in NumPy: the same sessions, the same octets."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lab.capture.native import load
from lab.session.tracker import Tracker
from lab.store.reader import parse_capture
from lab.wire.frame import Direction, Frame
from tests.unit.capture.library import Blocks, make_library
from tests.unit.capture.test_lane import Record, by_lane, by_tracker, header_octets, pieces, with_ip_options
from tests.unit.capture.traffic import Talk, checksum, mixed


def by_native(frames: list[Frame], seed: int) -> Record:
    record, tracker = Record(), Tracker()
    blocks = Blocks(tracker, record.act, record.bulk)
    chance = random.Random(seed)
    for piece in pieces(frames, seed):
        blocks.take(piece)
        chance.choice((blocks.lane.book_all, blocks.lane.write_all, blocks.lane.write_all, int))()
    blocks.lane.close()
    record.act(tracker.stop(frames[-1].time_ns))
    return record


def check_alike(slow: Record, fast: Record) -> None:
    assert fast.order == slow.order
    assert fast.summaries() == slow.summaries()
    for name, blocks in slow.blocks.items():
        expected = [p.frame for p in parse_capture([header_octets() + bytes(blocks)]).packets]
        found = [p.frame for p in parse_capture([header_octets() + bytes(fast.blocks[name])]).packets]
        assert found == expected, name


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("trouble", [0.0, 0.02, 0.3])
def test_the_lane_comes_to_the_same_sessions_as_the_tracker(seed: int, trouble: float) -> None:
    frames = mixed(seed, 12, trouble)
    check_alike(by_tracker(frames), by_native(frames, seed))


def test_without_trouble_nearly_all_data_is_taken_by_the_library() -> None:
    frames = mixed(1, 12, 0.0)
    assert by_native(frames, 1).booked > len(frames) * 3 // 4


@pytest.mark.parametrize("seed", range(6))
def test_segments_behind_ip_options_keep_their_place(seed: int) -> None:
    chance = random.Random(seed)
    frames = mixed(seed, 12, 0.02)
    frames = [with_ip_options(f) if f.data[12:14] == b"\x08\x00" and chance.random() < 0.02 else f for f in frames]
    check_alike(by_tracker(frames), by_native(frames, seed))


@pytest.mark.parametrize("seed", range(4))
def test_an_icmp_error_and_arp_keep_their_place(seed: int) -> None:
    talk = Talk(random.Random(seed), 40000)
    frames = [Frame(t, octets, len(octets), 0, d) for t, octets, d in talk.play(200, "fin")]
    quoted = frames[100].data[14:62]
    icmp = b"\x03\x01\0\0\0\0\0\0" + quoted
    icmp = icmp[:2] + checksum(icmp).to_bytes(2, "big") + icmp[4:]
    header = b"\x45\0" + (20 + len(icmp)).to_bytes(2, "big") + b"\0\x07\x40\0\x40\x01\0\0\xc0\0\x02\x01" + quoted[12:16]
    header = header[:10] + checksum(header).to_bytes(2, "big") + header[12:]
    data = frames[100].data[6:12] + frames[100].data[:6] + b"\x08\0" + header + icmp
    frames.insert(150, Frame(frames[150].time_ns, data, len(data), 0, Direction.INBOUND))
    arp = b"\xff" * 6 + b"\x02\0\0\0\0\x0a\x08\x06" + b"\0\x01\x08\0\x06\x04\0\x01"
    arp += b"\x02\0\0\0\0\x0a" + bytes([192, 0, 2, 10]) + b"\0" * 6 + bytes([192, 0, 2, 20])
    frames.insert(120, Frame(frames[120].time_ns, arp, len(arp), 0, Direction.INBOUND))
    check_alike(by_tracker(frames), by_native(frames, seed))


def test_the_comments_are_those_of_the_lane_in_numpy_but_for_the_spaces() -> None:
    talk = Talk(random.Random(3), 40000)
    frames = [Frame(t, octets, len(octets), 0, d) for t, octets, d in talk.play(300, "fin")]
    record, tracker = Record(), Tracker()
    blocks = Blocks(tracker, record.act, record.bulk)
    blocks.take(frames)
    blocks.lane.close()
    lane = by_lane(frames, 3)
    name = lane.order[0]
    ours, theirs = (parse_capture([header_octets() + bytes(one.blocks[name])]).comments for one in (record, lane))
    same = [" ".join(a.split()) == " ".join(b.split()) for a, b in zip(ours, theirs, strict=True)]
    assert sum(same) > 400
    assert any("ACK up to" in comment for comment in ours)
    assert not any("  " in comment for comment in ours)


def test_where_the_library_is_not_there_it_is_said_with_none() -> None:
    assert load(Path("/nowhere/_lane.so")) is None


def test_a_machine_of_another_octet_order_has_the_lane_in_numpy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_library(tmp_path)
    assert load(path) is not None
    monkeypatch.setattr("sys.byteorder", "big")
    assert load(path) is None

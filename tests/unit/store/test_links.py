"""Captures from elsewhere: cooked, loopback and raw IP frames; and the quick reader beside the careful one."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lab.analysis import analyse
from lab.store.errors import CaptureFileError
from lab.store.links import as_ethernet, can_read
from lab.store.quick import quick_frames
from lab.store.reader import read_capture
from lab.wire.frame import Direction, Frame
from tests.unit.analysis.scenes import WHOLE, frames_of, kinds
from tests.unit.store.test_reader import block, interface, option, packet, section

IP4, IP6 = 0x0800, 0x86DD


def pcap(link_type: int, frames: list[tuple[int, bytes]], order: str = "<", magic: int = 0xA1B2C3D4) -> bytes:
    """A classic file. frames: ticks and octets."""
    octets = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)
    ticks_per_s = 10**9 if magic == 0xA1B23C4D else 10**6
    for ticks, data in frames:
        octets += struct.pack(f"{order}IIII", ticks // ticks_per_s, ticks % ticks_per_s, len(data), len(data)) + data
    return octets


def ethertype(version: int) -> bytes:
    return struct.pack("!H", IP4 if version == 4 else IP6)


def header(link_type: int, version: int, outgoing: bool) -> bytes:
    """A header of this link type before an IP packet."""
    way = 4 if outgoing else 0
    if link_type == 113:
        return struct.pack("!HHH6s2x", way, 1, 6, b"\x02\0\0\0\0\x14") + ethertype(version)
    if link_type == 276:
        return ethertype(version) + struct.pack("!2xIHBB6s2x", 3, 1, way, 6, b"\x02\0\0\0\0\x14")
    if link_type == 0:
        return struct.pack("<I", 2 if version == 4 else 30)
    if link_type == 108:
        return struct.pack("!I", 2 if version == 4 else 24)
    return b""


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("link_type", [0, 12, 14, 101, 108, 113, 276])
def test_a_session_behind_another_header_is_the_same_session(tmp_path: Path, link_type: int, version: int) -> None:
    frames = frames_of(WHOLE, version=version)
    foreign = [(f.time_ns // 1000, header(link_type, version, True) + f.data[14:]) for f in frames]
    path = tmp_path / "foreign.pcap"
    path.write_bytes(pcap(link_type, foreign))
    [analysis] = analyse(read_capture(path).frames)
    [plain] = analyse(frames)
    assert analysis.verdict == "complete"
    assert [r.payload for r in analysis.frames] == [r.payload for r in plain.frames]
    assert kinds(analysis) == kinds(plain)
    assert list(quick_frames(path)) == [frame[:3] for frame in read_capture(path).frames]


def test_cooked_headers_tell_the_way_and_the_sender() -> None:
    inner = frames_of(WHOLE)[0].data[14:]
    out = as_ethernet(Frame(0, header(113, 4, True) + inner, 16 + len(inner)), 113)
    into = as_ethernet(Frame(0, header(276, 4, False) + inner, 20 + len(inner)), 276)
    assert (out.direction, into.direction) == (Direction.OUTBOUND, Direction.INBOUND)
    assert out.data[6:12] == into.data[6:12] == b"\x02\0\0\0\0\x14"
    assert out.length_bytes == into.length_bytes == 14 + len(inner)


@pytest.mark.parametrize("link_type", [0, 101, 108, 113, 276])
def test_frames_too_short_for_their_header_harm_nobody(link_type: int) -> None:
    for size in range(24):
        assert isinstance(as_ethernet(Frame(0, bytes(size), size), link_type), Frame)


def test_a_link_type_that_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "air.pcap"
    path.write_bytes(pcap(105, [(0, bytes(60))]))
    for read in (lambda: read_capture(path), lambda: list(quick_frames(path))):
        with pytest.raises(CaptureFileError, match=r"air\.pcap was captured on Wi-Fi"):
            read()
    assert not can_read(105)
    assert can_read(1)


def everything(order: str) -> bytes:
    """A file with every kind of block, two sections, two interfaces with units of their own, and a cooked one."""
    data = frames_of(WHOLE)
    cooked = header(113, 4, False) + data[2].data[14:]
    return (
        section(order)
        + interface(order, option(order, 9, b"\x09"))
        + interface(order, option(order, 9, b"\x06"))
        + block(order, 4, struct.pack(f"{order}HH", 0, 0))
        + packet(order, 0, data[0].time_ns, data[0].data, option(order, 1, b"why"))
        + block(order, 3, struct.pack(f"{order}I", 60) + bytes(60))
        + packet(order, 1, data[1].time_ns // 1000, data[1].data)
        + block(order, 0x0BAD, bytes(8))
        + section(">" if order == "<" else "<")
        + interface(">" if order == "<" else "<", link_type=113)
        + packet(">" if order == "<" else "<", 0, data[2].time_ns // 1000, cooked)
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_quick_reader_gives_what_the_careful_one_gives(tmp_path: Path, order: str) -> None:
    path = tmp_path / "all.pcapng"
    path.write_bytes(everything(order))
    assert list(quick_frames(path)) == [frame[:3] for frame in read_capture(path).frames]
    assert len(list(quick_frames(path))) == 4


@pytest.mark.parametrize(("order", "magic"), [(o, m) for o in "<>" for m in (0xA1B2C3D4, 0xA1B23C4D)])
def test_classic_files_of_both_orders_and_units_read_quickly_too(tmp_path: Path, order: str, magic: int) -> None:
    path = tmp_path / "classic.pcap"
    per_tick = 1 if magic == 0xA1B23C4D else 1000
    path.write_bytes(pcap(1, [(f.time_ns // per_tick, f.data) for f in frames_of(WHOLE)], order, magic))
    assert list(quick_frames(path)) == [frame[:3] for frame in read_capture(path).frames]


def test_cut_anywhere_both_readers_agree(tmp_path: Path) -> None:
    octets = everything("<")
    path = tmp_path / "cut.pcapng"
    for size in range(12, len(octets), 7):
        path.write_bytes(octets[:size])
        assert list(quick_frames(path)) == [frame[:3] for frame in read_capture(path).frames]


def test_damage_is_told_by_both_in_the_same_words(tmp_path: Path) -> None:
    octets = bytearray(everything("<"))
    path = tmp_path / "damaged.pcapng"
    at = octets.index(b"why") - 120
    for offset in range(at, at + 40):
        broken = bytearray(octets)
        broken[offset] ^= 0xFF
        path.write_bytes(broken)
        said = []
        for read in (lambda: read_capture(path).frames, lambda: list(quick_frames(path))):
            try:
                said.append(str([frame[:3] for frame in read()]))
            except CaptureFileError as error:
                said.append(str(error))
        assert said[0] == said[1]


def test_progress_is_told_in_octets_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "all.pcapng"
    path.write_bytes(everything("<"))
    told: list[int] = []
    assert len(list(quick_frames(path, told.append))) == 4
    assert told[-1] == path.stat().st_size


def test_what_is_no_capture_is_refused_quickly_too(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.write_bytes(b"")
    with pytest.raises(CaptureFileError, match="is empty"):
        list(quick_frames(path))
    with pytest.raises(CaptureFileError, match="does not exist"):
        list(quick_frames(tmp_path / "none.pcap"))
    with pytest.raises(CaptureFileError, match="is a folder"):
        list(quick_frames(tmp_path))

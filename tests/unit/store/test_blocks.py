"""The octets of each block, checked against the draft by hand and by a reader of blocks that shares no code."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.store.blocks import (
    FRAME_COMMENT_LIMIT_BYTES,
    SECTION_COMMENT_LIMIT_BYTES,
    FileStatistics,
    InterfaceFacts,
    SectionFacts,
    bounded_text,
    enhanced_packet,
    interface_description,
    interface_statistics,
    name_resolution,
    section_header,
)
from lab.wire.frame import Direction, Frame
from tests.unit.store.scenes import INTERFACE, NAMES, SECTION, START_NS, frame, walk, walk_options

any_text = st.text(st.characters(codec="utf-8"), max_size=3000)


def test_a_frame_without_comment_has_exactly_these_octets() -> None:
    expected = (
        "06000000 34000000 00000000"  # enhanced packet block, 52 octets, interface 0
        "a3a9ea18 15bf7b16"  # time stamp, high and low half, in nanoseconds
        "05000000 06000000"  # 5 octets captured of 6
        "0102030405 000000"  # the frame and its padding
        "02000400 01000000"  # epb_flags: inbound
        "00000000 34000000"  # end of options, length again
    )
    time_ns = 0x18EAA9A3_167BBF15
    octets = enhanced_packet(Frame(time_ns, b"\1\2\3\4\5", 6, 0, Direction.INBOUND))
    assert octets.hex() == expected.replace(" ", "")


@given(st.binary(max_size=200), st.text(max_size=2000), st.integers(0, 2**64 - 1), st.sampled_from(Direction))
def test_every_frame_comes_out_as_one_whole_block(data: bytes, words: str, time_ns: int, way: Direction) -> None:
    [(block_type, body)] = walk(enhanced_packet(Frame(time_ns, data, len(data) + 4, 7, way), words))
    interface, high, low, captured, length = struct.unpack_from("<IIIII", body)
    assert (block_type, interface, captured, length) == (6, 7, len(data), len(data) + 4)
    assert high << 32 | low == time_ns
    assert body[20 : 20 + captured] == data
    found = walk_options(body[20 + captured + (-captured & 3) :])
    assert found[-1] == (2, struct.pack("<I", way))
    assert [code for code, _ in found] == ([1, 2] if words else [2])
    if words:
        text = found[0][1]
        assert len(text) <= FRAME_COMMENT_LIMIT_BYTES
        assert b"\0" not in text
        text.decode()


def test_a_gap_is_told_in_the_drop_count_and_no_gap_is_not() -> None:
    with_gap = walk(enhanced_packet(frame(), "after a gap", 12))[0][1]
    without = walk(enhanced_packet(frame(), "no gap", 0))[0][1]
    assert walk_options(with_gap[80:]) == [(1, b"after a gap"), (2, b"\1\0\0\0"), (4, struct.pack("<Q", 12))]
    assert walk_options(without[80:]) == [(1, b"no gap"), (2, b"\1\0\0\0")]


@given(any_text, st.integers(0, 300))
def test_bounded_text_is_never_longer_and_never_half_a_character(words: str, limit: int) -> None:
    octets = bounded_text(words, limit)
    assert len(octets) <= limit
    text = octets.decode()
    if len(words.replace("\0", "␀").encode()) <= limit:
        assert text == words.replace("\0", "␀")
    elif limit >= 3:
        assert text.endswith("…")
        assert words.replace("\0", "␀").startswith(text[:-1])


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert bounded_text("a\ud83d", 10) == b"a?"


@given(any_text, any_text)
def test_the_section_header_has_the_same_length_whatever_its_comment(one: str, other: str) -> None:
    first = section_header(SECTION, one, SECTION_COMMENT_LIMIT_BYTES)
    second = section_header(SECTION, other, SECTION_COMMENT_LIMIT_BYTES)
    assert len(first) == len(second)
    for octets, words in ((first, one), (second, other)):
        [(block_type, body)] = walk(octets)
        assert block_type == 0x0A0D0D0A
        assert struct.unpack_from("<IHHq", body) == (0x1A2B3C4D, 1, 0, -1)
        found = dict(walk_options(body[16:]))
        assert found.get(1, b"") == bounded_text(words, SECTION_COMMENT_LIMIT_BYTES)
        assert (found[2], found[3], found[4]) == (b"x86_64", b"Linux 6.18", b"Echo Lab 0.1.0 (server-tap)")
        assert found[2989][:4] == struct.pack("<I", 32473)


def test_a_section_header_without_room_holds_no_filler() -> None:
    body = walk(section_header(SectionFacts(application="x"), "short"))[0][1]
    assert walk_options(body[16:]) == [(1, b"short"), (4, b"x")]


def test_the_interface_description_tells_all_that_is_known() -> None:
    [(block_type, body)] = walk(interface_description(INTERFACE))
    assert (block_type, struct.unpack_from("<HHI", body)) == (1, (1, 0, 262144))
    assert walk_options(body[8:]) == [
        (2, b"eth0"),
        (3, b"eth0 of the echo server, offloads off"),
        (4, bytes([192, 0, 2, 10, 255, 255, 255, 128])),
        (5, bytes.fromhex("20010db8000700000000000000000010") + bytes([64])),
        (6, bytes.fromhex("02420a00020a")),
        (8, struct.pack("<Q", 10_000_000_000)),
        (9, b"\x09"),
        (11, b"\0tcp or arp"),
        (12, b"Linux 6.18"),
    ]


def test_an_interface_of_which_only_the_name_is_known_claims_nothing_else() -> None:
    body = walk(interface_description(InterfaceFacts("lo", snaplen_bytes=0)))[0][1]
    assert walk_options(body[8:]) == [(2, b"lo"), (9, b"\x09")]


def test_names_of_both_ip_versions_are_in_one_block() -> None:
    [(block_type, body)] = walk(name_resolution(NAMES))
    assert block_type == 4
    assert walk_options(body) == [
        (1, bytes([192, 0, 2, 10]) + b"server\0"),
        (1, bytes([192, 0, 2, 20]) + b"client\0"),
        (2, bytes.fromhex("20010db8000700000000000000000010") + b"server6\0server\0"),
    ]


@pytest.mark.parametrize("names", [{}, {"192.0.2.1": []}, {"192.0.2.1": [""]}])
def test_no_names_make_no_block(names: dict[str, list[str]]) -> None:
    assert name_resolution(names) == b""


def test_the_closing_statistics_count_what_was_kept() -> None:
    statistics = FileStatistics(START_NS, START_NS + 5, received=10, dropped=3, not_written=4, comment="words")
    [(block_type, body)] = walk(interface_statistics(statistics))
    end = struct.pack("<II", (START_NS + 5) >> 32, (START_NS + 5) & 0xFFFFFFFF)
    assert (block_type, body[:12]) == (5, bytes(4) + end)
    assert walk_options(body[12:]) == [
        (1, b"words"),
        (2, struct.pack("<II", START_NS >> 32, START_NS & 0xFFFFFFFF)),
        (3, end),
        (4, struct.pack("<Q", 10)),
        (5, struct.pack("<Q", 3)),
        (8, struct.pack("<Q", 6)),
    ]

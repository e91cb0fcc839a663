"""The reader: fed whole, octet by octet, with junk behind, cut at every octet; by every kind of writer."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap, wrpcapng

from lab.store.blocks import InterfaceFacts, enhanced_packet, interface_description, section_header
from lab.store.errors import CaptureFileError
from lab.store.files import DescriptorPool
from lab.store.pcapng import SessionFile
from lab.store.reader import CaptureReader, Packet, parse_capture, read_capture
from lab.wire.frame import Direction, Frame
from tests.unit.store.scenes import HEADER, INTERFACE, NAMES, SECTION, START_NS, frame, walk


def block(order: str, block_type: int, body: bytes) -> bytes:
    body += bytes(-len(body) & 3)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", block_type) + length + body + length


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) & 3)


def section(order: str, options: bytes = b"") -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1) + options)


def interface(order: str, options: bytes = b"", link_type: int = 1, snaplen: int = 0) -> bytes:
    return block(order, 1, struct.pack(f"{order}HHI", link_type, 0, snaplen) + options)


def packet(order: str, number: int, ticks: int, data: bytes, options: bytes = b"") -> bytes:
    head = struct.pack(f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data) + 1)
    return block(order, 6, head + data + bytes(-len(data) & 3) + options)


@pytest.fixture
def small(tmp_path: Path) -> bytes:
    """A small finished file of ours."""
    file = SessionFile(tmp_path / "small.pcapng", HEADER, DescriptorPool(1))
    for number in range(3):
        file.append(frame(number, bytes(range(13 + number))), f"number {number} – {'é' * number}")
    file.finish(start_ns=START_NS, end_ns=START_NS + 1, received=3, comment="whole")
    return file.path.read_bytes()


def test_what_the_writer_wrote_comes_back(small: bytes) -> None:
    capture = parse_capture([small])
    assert capture.frames == [frame(number, bytes(range(13 + number))) for number in range(3)]
    assert capture.comments == ["number 0 – ", "number 1 – é", "number 2 – éé"]
    assert capture.names == NAMES
    [described] = capture.interfaces
    assert (described.name, described.description) == (INTERFACE.name, INTERFACE.description)
    assert (described.filter, described.mac, described.os) == (INTERFACE.filter, INTERFACE.mac, INTERFACE.os)
    assert (described.ipv4, described.ipv6) == (["192.0.2.10/25"], ["2001:db8:7::10/64"])
    assert (described.snaplen_bytes, described.speed_bits_per_s) == (262144, 10_000_000_000)
    [head] = capture.sections
    assert (head.hardware, head.os, head.application) == (SECTION.hardware, SECTION.os, SECTION.application)
    assert not capture.truncated


def test_fed_octet_by_octet_it_reads_the_same(small: bytes) -> None:
    assert parse_capture(bytes([octet]) for octet in small) == parse_capture([small])


def test_cut_at_every_octet_it_gives_the_whole_frames_and_the_left_over(small: bytes) -> None:
    ends = [0]
    for _block_type, body in walk(small):
        ends.append(ends[-1] + len(body) + 12)
    frames_at = [sum(block_type == 6 for block_type, _ in walk(small)[:count]) for count in range(len(ends))]
    for cut in range(4, len(small) + 1):
        whole = max(count for count, end in enumerate(ends) if end <= cut)
        capture = parse_capture([small[:cut]])
        assert len(capture.packets) == frames_at[whole]
        assert capture.left_over_bytes == cut - ends[whole]
        assert capture.truncated == (cut != ends[whole])


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_fewer_than_four_octets_are_no_capture(small: bytes, cut: int) -> None:
    with pytest.raises(CaptureFileError, match="too short to be a capture"):
        parse_capture([small[:cut]])


def test_junk_behind_a_capture_is_left_over_or_damage_but_never_frames(small: bytes) -> None:
    assert parse_capture([small, b"junk"]).left_over_bytes == 4
    parser = CaptureReader(io.BytesIO(small + b"junk that is longer than a head"))
    read: list[Packet] = []
    with pytest.raises(CaptureFileError, match=rf"damaged at octet {len(small)}.*3 frames before it"):
        read.extend(iter(parser))
    assert len(read) == 3


@given(st.binary(max_size=400))
def test_any_octets_behind_a_header_never_crash(junk: bytes) -> None:
    for order in "<>":
        with suppress(CaptureFileError):
            assert parse_capture([section(order) + interface(order) + junk]).interfaces


@settings(max_examples=300)
@given(st.data())
def test_a_changed_octet_never_crashes(data: st.DataObject) -> None:
    whole = (
        section_header(SECTION, "words", 64)
        + interface_description(INTERFACE)
        + enhanced_packet(frame(0), "one")
        + enhanced_packet(frame(1), "two", 3)
    )
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    with suppress(CaptureFileError):
        assert len(parse_capture([changed]).packets) <= 2


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_several_sections_and_interfaces_with_units_of_their_own(order: str) -> None:
    other = ">" if order == "<" else "<"
    octets = (
        section(order, option(order, 1, b"first") + option(order, 1, b"and more") + option(order, 0, b""))
        + interface(order, option(order, 2, b"micro"))
        + interface(order, option(order, 9, b"\x09") + option(order, 14, struct.pack(f"{order}q", 100)))
        + interface(order, option(order, 9, b"\x8a"))
        + block(order, 0x0BAD, b"of a kind nobody knows")
        + packet(order, 0, 5, b"micro")
        + packet(order, 1, 7, b"nano", option(order, 1, b"two") + option(order, 1, b"comments"))
        + packet(order, 2, 3 << 9, b"binary", option(order, 2, struct.pack(f"{order}I", 0xFFFFFFFE)))
        + section(other)
        + interface(other, option(other, 9, b"\x03"))
        + packet(other, 0, 1 << 33, b"milli", option(other, 4, struct.pack(f"{other}Q", 6)))
    )
    capture = parse_capture([octets])
    assert [(one.time_ns, one.data, one.length_bytes, one.interface, one.direction) for one in capture.frames] == [
        (5_000, b"micro", 6, 0, Direction.UNKNOWN),
        (100_000_000_007, b"nano", 5, 1, Direction.UNKNOWN),
        (1_500_000_000, b"binary", 7, 2, Direction.OUTBOUND),
        ((1 << 33) * 1_000_000, b"milli", 6, 3, Direction.UNKNOWN),
    ]
    assert capture.comments == ["", "two\ncomments", "", ""]
    assert [one.comment for one in capture.sections] == ["first\nand more", ""]
    assert [one.order for one in capture.sections] == [order, other]
    assert capture.interfaces[3].drops_told == 6


def test_simple_and_obsolete_packet_blocks_are_read() -> None:
    obsolete = struct.pack("<HHIIII", 0, 2, 0, 9, 3, 3) + b"old\0"
    octets = (
        section("<")
        + interface("<", snaplen=4)
        + block("<", 3, struct.pack("<I", 9) + b"cut!")
        + block("<", 3, struct.pack("<I", 2) + b"ab\0\0")
        + block("<", 2, obsolete)
    )
    capture = parse_capture([octets])
    assert capture.frames == [Frame(0, b"cut!", 9), Frame(0, b"ab", 2), Frame(9_000, b"old", 3)]
    assert capture.interfaces[0].drops_told == 2


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "tick_ns"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_classic_pcap_in_both_orders_and_units(order: str, magic: int, tick_ns: int) -> None:
    head = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, 1 | 0x10000000)
    records = b"".join(
        struct.pack(f"{order}IIII", 100 + number, 7, len(data), len(data) + number) + data
        for number, data in enumerate((b"", b"one", b"two two"))
    )
    whole = head + records
    capture = parse_capture([whole])
    assert capture.frames == [
        Frame((100 + number) * 1_000_000_000 + 7 * tick_ns, data, len(data) + number)
        for number, data in enumerate((b"", b"one", b"two two"))
    ]
    assert (capture.interfaces[0].link_type, capture.interfaces[0].snaplen_bytes) == (1, 65535)
    assert parse_capture(bytes([octet]) for octet in whole) == capture
    for cut in range(4, len(whole)):
        part = parse_capture([whole[:cut]])
        used = 24 + sum(16 + len(one.data) for one in part.frames) if cut >= 24 else 0
        assert part.left_over_bytes == cut - used


def test_files_by_scapy_are_read(tmp_path: Path) -> None:
    packets = [Ether(bytes(range(60))), Ether(bytes(range(61)))]
    for number, one in enumerate(packets):
        one.time = 1000 + number
        one.comment = f"comment {number}".encode()
    wrpcapng(str(tmp_path / "s.pcapng"), packets)
    wrpcap(str(tmp_path / "s.pcap"), packets, nano=True)
    for name in ("s.pcapng", "s.pcap"):
        capture = read_capture(tmp_path / name)
        assert [(one.time_ns, one.data) for one in capture.frames] == [
            (1000_000_000_000, bytes(range(60))),
            (1001_000_000_000, bytes(range(61))),
        ]
    assert read_capture(tmp_path / "s.pcapng").comments == ["comment 0", "comment 1"]


def make_text(path: Path) -> None:
    path.write_text("No.,Time,Source\n1,0.0,192.0.2.1\n", encoding="utf-8")


NOT_CAPTURES: list[tuple[str, Callable[[Path], object], str]] = [
    ("empty", lambda path: path.write_bytes(b""), "is empty"),
    ("text", make_text, "is not a capture: it begins with 4e 6f 2e 2c"),
    ("folder", lambda path: path.mkdir(), "is a folder, not a capture"),
    ("nothing", lambda path: path.unlink(missing_ok=True), "does not exist"),
    ("gzip", lambda path: path.write_bytes(b"\x1f\x8b\x08" + bytes(20)), "compressed with gzip"),
    ("json", lambda path: path.write_bytes(b'{"verdict": "open"}'), "looks like JSON"),
    ("magic", lambda path: path.write_bytes(b"\x0a\x0d\x0d\x0a" + bytes(30)), "no byte order mark"),
    ("line end", lambda path: path.write_bytes(b"\n"), "only 1 of a header's octets"),
]


@pytest.mark.parametrize(("name", "make", "words"), NOT_CAPTURES, ids=[name for name, _, _ in NOT_CAPTURES])
def test_what_is_no_capture_says_so_in_one_sentence(
    tmp_path: Path, name: str, make: Callable[[Path], object], words: str
) -> None:
    path = tmp_path / "thing"
    make(path)
    with pytest.raises(CaptureFileError, match=words) as caught:
        read_capture(path)
    assert "\n" not in str(caught.value)


HEAD = section("<") + interface("<")
DAMAGED = [
    ("an absurd length", struct.pack("<II", 6, 0xFFFFFFFC) + bytes(8), "says it is 4294967292 octets long"),
    ("a length not of four", struct.pack("<II", 6, 33) + bytes(40), "says it is 33 octets long"),
    ("a length too small", struct.pack("<II", 6, 8) + bytes(40), "says it is 8 octets long"),
    ("two lengths", struct.pack("<II", 6, 16) + bytes(8), "the two lengths of a block differ"),
    ("an unknown interface", packet("<", 9, 0, b"x"), "interface 9, which its section has not described"),
    ("a frame beyond", block("<", 6, struct.pack("<IIIII", 0, 0, 0, 99, 99)), "a frame says it is 99 octets"),
    ("an option beyond", packet("<", 0, 0, b"", struct.pack("<HH", 1, 900)), "an option says it is 900 octets"),
    ("version 2", block("<", 0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)), "pcapng version 2"),
    ("no byte order", struct.pack("<II", 0x0A0D0D0A, 28) + bytes(20), "without a byte order mark"),
    ("a stub of a packet", block("<", 6, b"shrt"), "requires a buffer"),
]


@pytest.mark.parametrize(("name", "octets", "words"), DAMAGED, ids=[name for name, _, _ in DAMAGED])
def test_a_file_that_contradicts_itself_names_the_place(name: str, octets: bytes, words: str) -> None:
    good = packet("<", 0, 1, b"good")
    with pytest.raises(CaptureFileError, match=words) as caught:
        parse_capture([HEAD, good, octets])
    assert f"at octet {len(HEAD) + len(good)}" in str(caught.value)
    assert "1 frame before" in str(caught.value)
    assert len(parse_capture([HEAD, good]).packets) == 1


def test_a_huge_promise_takes_no_memory() -> None:
    """A block may be up to 16 MiB; more is refused from its head alone, before anything of it is kept."""
    over = struct.pack("<II", 6, 16 * 1024 * 1024 + 4)
    with pytest.raises(CaptureFileError, match="16777220"):
        parse_capture([HEAD + over + bytes(4)])
    under = struct.pack("<II", 6, 16 * 1024 * 1024)
    assert parse_capture([HEAD + under + bytes(4)]).left_over_bytes == 12


def test_names_given_twice_are_kept_once_and_strange_records_are_passed_over() -> None:
    records = option("<", 1, b"\xc0\0\2\1one\0two\0one\0") + option("<", 7, b"what") + option("<", 1, b"\1")
    octets = section("<") + block("<", 4, records + option("<", 0, b""))
    assert parse_capture([octets, octets]).names == {"192.0.2.1": ["one", "two"]}


def test_an_interface_without_a_time_unit_counts_microseconds() -> None:
    plain = parse_capture([section("<") + interface("<") + packet("<", 0, 1, b"")])
    assert plain.frames[0].time_ns == 1000
    ours = parse_capture([section("<") + interface_description(InterfaceFacts("x")) + packet("<", 0, 1, b"")])
    assert ours.frames[0].time_ns == 1

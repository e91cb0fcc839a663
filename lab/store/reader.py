"""The reader: any pcapng or classic pcap file, octet by octet if need be, into frames and comments.

It reads what others wrote too: Wireshark, tcpdump, dumpcap, an editor, a student. So it takes both byte orders, several
sections, several interfaces with time units of their own, and steps over blocks it does not know (that is what their
lengths are for). It is fed pieces of any size and keeps no more than one block in memory.

Two kinds of wrong are kept apart. A file that stops in the middle of a block is a capture that somebody was still
writing, or whose writer was killed: ``left_over_bytes`` says how much is left over, and every frame before it is there.
A file that is no capture, or contradicts itself, raises CaptureFileError with one sentence.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from lab.store.blocks import BLOCK_LIMIT_BYTES, SECTION_HEADER
from lab.store.errors import CaptureFileError
from lab.store.links import ETHERNET, as_ethernet, can_read, link_name
from lab.store.sections import Interface, Section, SectionParser
from lab.wire.frame import Frame

_CHUNK_BYTES = 256 * 1024

# The first four octets of a classic pcap file (draft-ietf-opsawg-pcap §4): byte order and nanoseconds per tick.
_PCAP_MAGIC: dict[bytes, tuple[Literal["<", ">"], int]] = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
_PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"

# What people hand over by mistake, by its first octets.
_OTHER_FILES = (
    (b"\x1f\x8b", "it is compressed with gzip: unpack it first ('gunzip')"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd: unpack it first ('unzstd')"),
    (b"\x04\x22\x4d\x18", "it is compressed with lz4: unpack it first ('unlz4')"),
    (b"PK\x03\x04", "it is a zip archive: unpack it first"),
    (b"snoop\0\0\0", "it is a snoop file: open it in Wireshark and save it as pcapng"),
    (b"\x34\xcd\xb2\xa1", "it is Kuznetzov's modified pcap: open it in Wireshark and save it as pcapng"),
    (b"\xa1\xb2\xcd\x34", "it is Kuznetzov's modified pcap: open it in Wireshark and save it as pcapng"),
    (b"{", "it looks like JSON: the capture lies beside it and ends in .pcapng"),
)


class Packet(NamedTuple):
    """A frame and what was said of it in the file: all its comments, one a line; empty without any."""

    frame: Frame
    comment: str


@dataclass(slots=True)
class CaptureParser:
    """Octets in, frames out: feed() pieces of any size, then end().

    kind: ``pcapng``, ``pcap``, or empty until enough has been read. left_over_bytes: after end(), the octets of the
    last, cut block; 0 for a whole file. whole_bytes: how far the file is sound, counted from its start.
    """

    where: str = "the capture"
    kind: str = ""
    whole_bytes: int = 0
    left_over_bytes: int = 0
    frames: int = 0
    _buffer: bytearray = field(default_factory=bytearray)
    _sections: SectionParser = field(default_factory=SectionParser)
    _order: Literal["<", ">"] = "<"
    _tick_ns: int = 0

    @property
    def truncated(self) -> bool:
        """Whether the file stops in the middle of a block."""
        return self.left_over_bytes > 0

    @property
    def sections(self) -> list[Section]:
        """The section headers read so far (a classic pcap file has one, empty)."""
        return self._sections.sections

    @property
    def interfaces(self) -> list[Interface]:
        """The interfaces of all sections so far: Frame.interface counts in this list."""
        return self._sections.interfaces

    @property
    def names(self) -> dict[str, list[str]]:
        """Address to names, from all name resolution blocks so far."""
        return self._sections.names

    def feed(self, octets: bytes) -> Iterator[Packet]:
        """Takes the next piece and yields the frames that it completes (run it to its end). Raises CaptureFileError."""
        self._buffer += octets
        if not self.kind and not self._recognise(final=False):
            return
        yield from self._pcapng() if self.kind == "pcapng" else self._pcap()

    def end(self) -> None:
        """Says that no more will come. Raises CaptureFileError if what came is no capture at all."""
        if not self.kind:
            self._recognise(final=True)
        self.left_over_bytes = len(self._buffer)

    def _recognise(self, *, final: bool) -> bool:
        head = bytes(self._buffer[:12])
        if final and not head:
            raise CaptureFileError(f"{self.where} is empty: no capture has been written to it")
        for magic, advice in _OTHER_FILES:
            if head.startswith(magic):
                raise CaptureFileError(f"{self.where} is not a capture: {advice}")
        if len(head) < 4:
            if final:
                raise CaptureFileError(
                    f"{self.where} has only {len(head)} of a header's octets: too short to be a capture"
                )
            return False
        if head[:4] in _PCAP_MAGIC:
            if len(self._buffer) < 24:
                return False
            self.kind = "pcap"
            self._order, self._tick_ns = _PCAP_MAGIC[head[:4]]
            snaplen_bytes, link = struct.unpack(f"{self._order}16xII", self._buffer[:24])
            # The upper bits of the last word say whether a frame check sequence follows each frame.
            self._sections.begin_classic(self._order, snaplen_bytes, link & 0xFFFF, 9 if self._tick_ns == 1 else 6)
            self._take(24)
            return True
        if head[:4] == _PCAPNG_MAGIC:
            if len(head) < 12:
                return False
            if head[8:12] not in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"):
                raise CaptureFileError(
                    f"{self.where} is not a capture: it begins like pcapng, but has no byte order mark"
                )
            self.kind = "pcapng"
            return True
        raise CaptureFileError(
            f"{self.where} is not a capture: it begins with {head[:4].hex(' ')}, not like pcapng (0a 0d 0d 0a) or pcap"
        )

    def _take(self, count: int) -> None:
        del self._buffer[:count]
        self.whole_bytes += count

    def _damaged(self, offset: int, words: str) -> CaptureFileError:
        self._take(offset)
        return CaptureFileError(
            f"{self.where} is damaged at octet {self.whole_bytes}: {words} "
            f"({self.frames} {'frame' if self.frames == 1 else 'frames'} before it can be read)"
        )

    def _pcapng(self) -> Iterator[Packet]:
        buffer = self._buffer
        offset, size = 0, len(buffer)
        while (found := self._block_at(buffer, offset, size)) is not None:
            length, packet = found
            offset += length
            if packet is not None:
                self.frames += 1
                yield Packet(*packet)
        self._take(offset)

    def _block_at(
        self, buffer: bytes | bytearray, offset: int, size: int
    ) -> tuple[int, tuple[Frame, str] | None] | None:
        """The length of the block that begins here, and the packet if it is one; None if not all of it is here yet."""
        if size - offset < 12:
            return None
        sections = self._sections
        byte_order: Literal["big", "little"] = "big" if sections.order == ">" else "little"
        block_type = int.from_bytes(buffer[offset : offset + 4], byte_order)
        if block_type == SECTION_HEADER:  # reads the same both ways round; its magic says how to go on
            order = sections.byte_order(buffer[offset + 8 : offset + 12])
            if order is None:
                raise self._damaged(offset, "a section header without a byte order mark")
            byte_order = "big" if order == ">" else "little"
        length = int.from_bytes(buffer[offset + 4 : offset + 8], byte_order)
        if length < 12 or length & 3 or length > BLOCK_LIMIT_BYTES:
            raise self._damaged(offset, f"a block says it is {length} octets long")
        if size - offset < length:
            return None
        if int.from_bytes(buffer[offset + length - 4 : offset + length], byte_order) != length:
            raise self._damaged(offset, "the two lengths of a block differ")
        body = bytes(buffer[offset + 8 : offset + length - 4])
        try:
            return length, sections.block(block_type, body)
        except (ValueError, struct.error) as cause:
            raise self._damaged(offset, str(cause)) from cause

    def _pcap(self) -> Iterator[Packet]:
        buffer = self._buffer
        offset, size = 0, len(buffer)
        head = struct.Struct(f"{self._order}IIII")
        while size - offset >= 16:
            seconds, ticks, captured, length_bytes = head.unpack_from(buffer, offset)
            if captured > BLOCK_LIMIT_BYTES:
                raise self._damaged(offset, f"a frame says it is {captured} octets long")
            if size - offset - 16 < captured:
                break
            data = bytes(buffer[offset + 16 : offset + 16 + captured])
            offset += 16 + captured
            self.frames += 1
            yield Packet(Frame(seconds * 1_000_000_000 + ticks * self._tick_ns, data, length_bytes), "")
        self._take(offset)


class CaptureReader:
    """A capture file on disk (or an open binary stream), read once from front to back.

        reader = CaptureReader(path)
        for frame, comment in reader:
            ...
        reader.interfaces, reader.names, reader.truncated, reader.left_over_bytes

    Frames of other link types (cooked, loopback, raw IP) come with an Ethernet header, see lab.store.links.
    Raises CaptureFileError for what is no capture, for a file that cannot be opened and for a link type unknown here.
    """

    def __init__(self, source: Path | BinaryIO, *, chunk_bytes: int = _CHUNK_BYTES) -> None:
        self._source = source
        self._chunk_bytes = chunk_bytes
        where = source.name if isinstance(source, Path) else str(getattr(source, "name", "the stream"))
        self.parser = CaptureParser(where=where)

    def __iter__(self) -> Iterator[Packet]:
        if isinstance(self._source, Path):
            try:
                with self._source.open("rb") as stream:
                    yield from self._read(stream)
            except OSError as cause:
                raise CaptureFileError(cannot_open(self._source, cause)) from cause
        else:
            yield from self._read(self._source)

    def _read(self, stream: BinaryIO) -> Iterator[Packet]:
        parser = self.parser
        while octets := stream.read(self._chunk_bytes):
            for packet in parser.feed(octets):
                link_type = parser.interfaces[packet.frame.interface].link_type
                yield packet if link_type == ETHERNET else self._translated(packet, link_type)
        parser.end()

    def _translated(self, packet: Packet, link_type: int) -> Packet:
        refuse_link(self.parser.where, link_type)
        return Packet(as_ethernet(packet.frame, link_type), packet.comment)

    @property
    def sections(self) -> list[Section]:
        return self.parser.sections

    @property
    def interfaces(self) -> list[Interface]:
        return self.parser.interfaces

    @property
    def names(self) -> dict[str, list[str]]:
        return self.parser.names

    @property
    def truncated(self) -> bool:
        return self.parser.truncated

    @property
    def left_over_bytes(self) -> int:
        return self.parser.left_over_bytes


@dataclass(frozen=True, slots=True)
class Capture:
    """A whole capture file in memory: for one session, not for a day's traffic."""

    packets: tuple[Packet, ...]
    sections: tuple[Section, ...]
    interfaces: tuple[Interface, ...]
    names: dict[str, list[str]]
    left_over_bytes: int

    @property
    def frames(self) -> list[Frame]:
        return [frame for frame, _comment in self.packets]

    @property
    def comments(self) -> list[str]:
        return [comment for _frame, comment in self.packets]

    @property
    def truncated(self) -> bool:
        return self.left_over_bytes > 0


def read_capture(source: Path | BinaryIO) -> Capture:
    """Reads a capture file as a whole. Raises CaptureFileError."""
    reader = CaptureReader(source)
    packets = tuple(reader)
    return Capture(packets, tuple(reader.sections), tuple(reader.interfaces), reader.names, reader.left_over_bytes)


def parse_capture(pieces: Iterable[bytes], where: str = "the capture") -> Capture:
    """The same for octets that come in pieces. Raises CaptureFileError."""
    parser = CaptureParser(where=where)
    packets = tuple(packet for piece in pieces for packet in parser.feed(piece))
    parser.end()
    return Capture(packets, tuple(parser.sections), tuple(parser.interfaces), parser.names, parser.left_over_bytes)


def refuse_link(where: str, link_type: int) -> None:
    """Raises CaptureFileError for frames that are neither Ethernet nor can be made so."""
    if not can_read(link_type):
        raise CaptureFileError(
            f"{where} was captured on {link_name(link_type)}: capture on Ethernet, or with 'tcpdump -i any'"
        )


def cannot_open(path: Path, cause: OSError) -> str:
    """Why a file could not be read, as a sentence."""
    if path.is_dir():
        return f"{path.name} is a folder, not a capture: name one of the .pcapng files in it"
    if isinstance(cause, FileNotFoundError):
        return f"{path} does not exist: 'echolab sessions' lists the captures there are"
    return f"{path} cannot be read: {cause.strerror or cause}"

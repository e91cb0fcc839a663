"""What the blocks of a pcapng file mean: sections, interfaces, names, statistics, packets.

The reader cuts a file into blocks; here each is understood in the context of its section: byte order, the interfaces
described so far and their time units. Interface numbers start anew in each section (draft-ietf-opsawg-pcapng §4.2);
outside they are counted through the whole file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal

from lab.store.blocks import (
    ENHANCED_PACKET,
    INTERFACE_DESCRIPTION,
    INTERFACE_STATISTICS,
    NAME_RESOLUTION,
    OBSOLETE_PACKET,
    OPT_COMMENT,
    OPT_END,
    SECTION_HEADER,
    SIMPLE_PACKET,
)
from lab.wire.frame import Direction, Frame

ByteOrder = Literal["<", ">"]
_DIRECTIONS = (Direction.UNKNOWN, Direction.INBOUND, Direction.OUTBOUND, Direction.UNKNOWN)
# A file of nothing but tiny interface or section blocks must not fill the memory.
_DESCRIPTION_LIMIT = 65536
_NAME_LIMIT = 65536


@dataclass(slots=True)
class Section:
    """A section header block. comment: all its comments, one a line."""

    order: ByteOrder
    hardware: str = ""
    os: str = ""
    application: str = ""
    comment: str = ""


@dataclass(slots=True)
class Statistics:
    """An interface statistics block. None where the file does not say."""

    start_ns: int | None = None
    end_ns: int | None = None
    received: int | None = None
    dropped: int | None = None
    delivered: int | None = None
    comment: str = ""


@dataclass(slots=True)
class Interface:
    """An interface description block, and the statistics that belong to it (None until its block comes).

    ticks_per_s: how many time stamp units make a second. offset_s: seconds to add to every time stamp.
    drops_told: the sum of what frames said was lost just before them (epb_dropcount).
    """

    link_type: int
    snaplen_bytes: int
    ticks_per_s: int = 1_000_000
    offset_s: int = 0
    name: str = ""
    description: str = ""
    filter: str = ""
    mac: bytes = b""
    ipv4: list[str] = field(default_factory=list)
    ipv6: list[str] = field(default_factory=list)
    speed_bits_per_s: int | None = None
    os: str = ""
    comment: str = ""
    statistics: Statistics | None = None
    drops_told: int = 0

    @property
    def in_nanoseconds(self) -> bool:
        """Whether its time stamps are nanoseconds since 1970 as they stand."""
        return self.ticks_per_s == 1_000_000_000 and not self.offset_s

    def time_ns(self, ticks: int) -> int:
        """A time stamp of this interface in nanoseconds since 1970."""
        if self.in_nanoseconds:
            return ticks
        return self.offset_s * 1_000_000_000 + ticks * 1_000_000_000 // self.ticks_per_s


def _text(value: bytes) -> str:
    # §3.5: a zero octet ends a string for its reader, whatever the length says.
    return value.split(b"\0", 1)[0].decode("utf-8", "replace")


def _joined(before: str, value: bytes) -> str:
    return f"{before}\n{_text(value)}" if before else _text(value)


class SectionParser:
    """Feeds on whole blocks, in the order of the file."""

    def __init__(self) -> None:
        self.order: ByteOrder = "<"
        self.sections: list[Section] = []
        self.interfaces: list[Interface] = []
        self.names: dict[str, list[str]] = {}
        self.first_interface = 0
        self._name_count = 0
        self._handlers: dict[int, Callable[[bytes], tuple[Frame, str] | None]] = {
            SECTION_HEADER: self._section_header,
            INTERFACE_DESCRIPTION: self._interface_description,
            OBSOLETE_PACKET: self._obsolete_packet,
            SIMPLE_PACKET: self._simple_packet,
            NAME_RESOLUTION: self._name_resolution,
            INTERFACE_STATISTICS: self._interface_statistics,
            ENHANCED_PACKET: self._enhanced_packet,
        }

    def begin_classic(self, order: ByteOrder, snaplen_bytes: int, link_type: int, decimals: int) -> None:
        """A classic pcap file: one section, one interface, nothing said about either."""
        self.order = order
        self.sections.append(Section(order))
        self.interfaces.append(Interface(link_type, snaplen_bytes, ticks_per_s=10**decimals))

    def byte_order(self, magic: bytes | bytearray) -> ByteOrder | None:
        """What the byte order mark of a section header says; from here on it holds."""
        if magic == b"\x4d\x3c\x2b\x1a":
            self.order = "<"
        elif magic == b"\x1a\x2b\x3c\x4d":
            self.order = ">"
        else:
            return None
        return self.order

    def block(self, block_type: int, body: bytes) -> tuple[Frame, str] | None:
        """Takes a block's body; returns a packet if it was one. Raises ValueError or struct.error for nonsense."""
        handler = self._handlers.get(block_type)
        return handler(body) if handler is not None else None

    def _options(self, body: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
        head = struct.Struct(f"{self.order}HH")
        while offset + 4 <= len(body):
            code, length = head.unpack_from(body, offset)
            if code == OPT_END:
                return
            offset += 4
            if offset + length > len(body):
                raise ValueError(f"an option says it is {length} octets long, beyond its block")
            yield code, body[offset : offset + length]
            offset += length + (-length & 3)

    def _number(self, value: bytes) -> int:
        return int.from_bytes(value, "big" if self.order == ">" else "little")

    def _section_header(self, body: bytes) -> None:
        if len(body) < 16:
            raise ValueError("a section header too short for its fields")
        (major,) = struct.unpack_from(f"{self.order}H", body, 4)
        if major != 1:
            raise ValueError(f"pcapng version {major}, of which nothing is known")
        if len(self.sections) >= _DESCRIPTION_LIMIT:
            raise ValueError(f"more than {_DESCRIPTION_LIMIT} sections")
        section = Section(self.order)
        for code, value in self._options(body, 16):
            if code == OPT_COMMENT:
                section.comment = _joined(section.comment, value)
            elif code == 2:
                section.hardware = _text(value)
            elif code == 3:
                section.os = _text(value)
            elif code == 4:
                section.application = _text(value)
        self.sections.append(section)
        self.first_interface = len(self.interfaces)

    def _interface_description(self, body: bytes) -> None:
        link_type, snaplen_bytes = struct.unpack_from(f"{self.order}H2xI", body, 0)
        if len(self.interfaces) >= _DESCRIPTION_LIMIT:
            raise ValueError(f"more than {_DESCRIPTION_LIMIT} interfaces")
        described = Interface(link_type, snaplen_bytes)
        for code, value in self._options(body, 8):
            if code == OPT_COMMENT:
                described.comment = _joined(described.comment, value)
            elif code == 2:
                described.name = _text(value)
            elif code == 3:
                described.description = _text(value)
            elif code == 4 and len(value) == 8:
                prefix = bin(int.from_bytes(value[4:], "big")).count("1")
                described.ipv4.append(f"{ip_address(value[:4])}/{prefix}")
            elif code == 5 and len(value) == 17:
                described.ipv6.append(f"{ip_address(value[:16])}/{value[16]}")
            elif code == 6:
                described.mac = value
            elif code == 8:
                described.speed_bits_per_s = self._number(value)
            elif code == 9 and value:
                # The high bit chooses between powers of 2 and of 10; the rest is the exponent (§4.2, if_tsresol).
                described.ticks_per_s = 1 << (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
            elif code == 11 and value[:1] == b"\0":
                described.filter = _text(value[1:])
            elif code == 12:
                described.os = _text(value)
            elif code == 14 and len(value) == 8:
                (described.offset_s,) = struct.unpack(f"{self.order}q", value)
        self.interfaces.append(described)

    def _interface(self, number: int) -> tuple[int, Interface]:
        index = self.first_interface + number
        if index >= len(self.interfaces):
            raise ValueError(f"a block speaks of interface {number}, which its section has not described")
        return index, self.interfaces[index]

    def _enhanced_packet(self, body: bytes) -> tuple[Frame, str]:
        number, high, low, captured, length_bytes = struct.unpack_from(f"{self.order}IIIII", body, 0)
        return self._packet(body, number, high << 32 | low, captured, length_bytes, drop_option=4, flags_option=2)

    def _obsolete_packet(self, body: bytes) -> tuple[Frame, str]:
        # Appendix A: the same with two 16-bit fields, still met in files of the first years.
        number, drops, high, low, captured, length_bytes = struct.unpack_from(f"{self.order}HHIIII", body, 0)
        packet = self._packet(body, number, high << 32 | low, captured, length_bytes, drop_option=-1, flags_option=2)
        if drops != 0xFFFF:
            self._interface(number)[1].drops_told += drops
        return packet

    def _packet(
        self,
        body: bytes,
        number: int,
        ticks: int,
        captured: int,
        length_bytes: int,
        *,
        drop_option: int,
        flags_option: int,
    ) -> tuple[Frame, str]:
        index, interface = self._interface(number)
        if 20 + captured > len(body):
            raise ValueError(f"a frame says it is {captured} octets long, beyond its block")
        data = body[20 : 20 + captured]
        comment = ""
        direction = Direction.UNKNOWN
        for code, value in self._options(body, 20 + captured + (-captured & 3)):
            if code == OPT_COMMENT:
                comment = _joined(comment, value)
            elif code == flags_option and len(value) == 4:
                direction = _DIRECTIONS[self._number(value) & 3]
            elif code == drop_option:
                interface.drops_told += self._number(value)
        return Frame(interface.time_ns(ticks), data, length_bytes, index, direction), comment

    def _simple_packet(self, body: bytes) -> tuple[Frame, str]:
        # §4.4: no time stamp, no interface number: it is interface 0, and the moment is not known.
        (length_bytes,) = struct.unpack_from(f"{self.order}I", body, 0)
        index, interface = self._interface(0)
        captured = min(length_bytes, interface.snaplen_bytes or length_bytes, len(body) - 4)
        return Frame(0, body[4 : 4 + captured], length_bytes, index), ""

    def _name_resolution(self, body: bytes) -> None:
        for code, value in self._options(body, 0):
            size = {1: 4, 2: 16}.get(code)
            if size is None or len(value) <= size:
                continue
            address = str(ip_address(value[:size]))
            known = self.names.setdefault(address, [])
            for host in value[size:].split(b"\0"):
                words = host.decode("utf-8", "replace")
                if words and words not in known and self._name_count < _NAME_LIMIT:
                    known.append(words)
                    self._name_count += 1

    def _interface_statistics(self, body: bytes) -> None:
        (number,) = struct.unpack_from(f"{self.order}I", body, 0)
        _index, interface = self._interface(number)
        statistics = Statistics()
        for code, value in self._options(body, 12):
            if code == OPT_COMMENT:
                statistics.comment = _joined(statistics.comment, value)
            elif code in (2, 3) and len(value) == 8:
                high, low = struct.unpack(f"{self.order}II", value)
                moment_ns = interface.time_ns(high << 32 | low)
                if code == 2:
                    statistics.start_ns = moment_ns
                else:
                    statistics.end_ns = moment_ns
            elif code == 4:
                statistics.received = self._number(value)
            elif code == 5:
                statistics.dropped = self._number(value)
            elif code == 8:
                statistics.delivered = self._number(value)
        interface.statistics = statistics

"""The blocks of a pcapng file, as octets: pure functions, no file.

Every block has the same frame, so that a reader can skip what it does not know (draft-ietf-opsawg-pcapng §3.1):

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------------------------------------------------------+
    |                          Block Type                           |
    +---------------------------------------------------------------+
    |                      Block Total Length                       |
    +---------------------------------------------------------------+
    /          Block Body, variable, padded to 32 bits              /
    +---------------------------------------------------------------+
    |                      Block Total Length                       |
    +---------------------------------------------------------------+

The length stands at both ends: that is how the store finds the last block of a finished file without reading it
through. We write little-endian, as nearly every machine that will read it is; the reader takes both orders.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address

from lab.wire.frame import Frame

SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 1
OBSOLETE_PACKET = 2
SIMPLE_PACKET = 3
NAME_RESOLUTION = 4
INTERFACE_STATISTICS = 5
ENHANCED_PACKET = 6

BYTE_ORDER_MAGIC = 0x1A2B3C4D
LINKTYPE_ETHERNET = 1

# Readers refuse larger ones (Wireshark at 16 MiB as well): a damaged length must not make anybody allocate gigabytes.
BLOCK_LIMIT_BYTES = 16 * 1024 * 1024

OPT_END = 0
OPT_COMMENT = 1
# A custom option that is not text and that an editor must not copy (§3.5.1): filler, see section_header.
OPT_CUSTOM_NOT_COPIED = 2989
# RFC 5612: the enterprise number set aside for documentation. Nobody gives its content a meaning, and that is the
# point.
FILLER_ENTERPRISE_NUMBER = 32473

# The longest comment on one frame, and on the section. An option could hold 65,535 octets; nobody reads that in a
# column.
FRAME_COMMENT_LIMIT_BYTES = 4096
SECTION_COMMENT_LIMIT_BYTES = 1024

_U32 = struct.Struct("<I")
_OPTION = struct.Struct("<HH")
_FILLER = struct.Struct("<HHI")
_EPB_HEAD = struct.Struct("<IIIIIII")
_COMMENT_HEAD = struct.Struct("<HH")
# epb_flags (option 2, 4 octets), opt_endofopt, then the block's closing length.
_EPB_TAIL = struct.Struct("<HHIHHI")
# The same with epb_dropcount (option 4, 8 octets) between.
_EPB_TAIL_WITH_DROPS = struct.Struct("<HHIHHQHHI")
_PAD = (b"", b"\0\0\0", b"\0\0", b"\0")

Option = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class SectionFacts:
    """What the section header says. Each is one line of text; an empty one is left out."""

    hardware: str = ""
    os: str = ""
    application: str = "Echo Lab"


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """What is known about the interface the tap listens on.

    name: as the kernel calls it, ``eth0``. description: in words. filter: the kernel filter in libpcap's language.
    mac: six octets, or empty. ipv4, ipv6: addresses with their prefix length. snaplen_bytes: 0 is no limit.
    speed_bits_per_s: None where unknown (a veth pair has none of its own). os: the kernel that captured.
    """

    name: str
    description: str = ""
    filter: str = ""
    mac: bytes = b""
    ipv4: tuple[IPv4Interface, ...] = ()
    ipv6: tuple[IPv6Interface, ...] = ()
    snaplen_bytes: int = 262144
    speed_bits_per_s: int | None = None
    os: str = ""


@dataclass(frozen=True, slots=True)
class FileStatistics:
    """What the interface statistics block says at the end of a file.

    start_ns, end_ns: UTC, when this session's capture began and ended. received: frames in this file.
    dropped: frames that the kernel dropped meanwhile, whosever they were. not_written: frames that reached the tap and
    did not fit on the disk. comment: the same in words.
    """

    start_ns: int
    end_ns: int
    received: int
    dropped: int = 0
    not_written: int = 0
    comment: str = ""


def bounded_text(text: str, limit_bytes: int) -> bytes:
    """UTF-8 of at most limit_bytes, cut between characters; a cut text ends in an ellipsis.

    A zero octet ends a string for readers (§3.5), so one inside becomes a visible sign; half a surrogate pair, which
    UTF-8 has no octets for, a question mark.
    """
    octets = text.encode("utf-8", "replace")
    if b"\0" in octets:
        octets = octets.replace(b"\0", "␀".encode())
    if len(octets) <= limit_bytes:
        return octets
    ellipsis = "…".encode()
    if limit_bytes < len(ellipsis):
        return b""
    return octets[: limit_bytes - len(ellipsis)].decode("utf-8", "ignore").encode() + ellipsis


def options(pairs: Iterable[Option]) -> bytes:
    """The option list of a block: code, length, value padded to 32 bits, and the end mark. Nothing at all for no
    option.
    """
    parts = [_OPTION.pack(code, len(value)) + value + _PAD[len(value) & 3] for code, value in pairs]
    if not parts:
        return b""
    parts.append(_OPTION.pack(OPT_END, 0))
    return b"".join(parts)


def block(block_type: int, body: bytes) -> bytes:
    """Type, length, body (already a multiple of four octets) and length again."""
    length = _U32.pack(len(body) + 12)
    return _U32.pack(block_type) + length + body + length


def section_header(facts: SectionFacts, comment: str = "", comment_room_bytes: int = 0) -> bytes:
    """The section header block (§4.1), always of the same length for the same facts and room.

    The comment carries the verdict and the certificate, which are known only when the session has ended. So room is
    kept: a custom option fills what the comment does not use, and the finished header takes the place of the first one
    in a single write, while the file stays valid throughout. Spaces would do as well, and would show in every window.
    """
    pairs: list[Option] = []
    if comment_room_bytes:
        limit = min(comment_room_bytes, SECTION_COMMENT_LIMIT_BYTES)
        text = bounded_text(comment, limit) if comment else b""
        if text:
            pairs.append((OPT_COMMENT, text))
        used = 4 + len(text) + len(_PAD[len(text) & 3]) if text else 0
        # Room for the longest comment, its option header, and the filler's own eight octets.
        rest = 4 + ((limit + 3) & ~3) - used
        filler = struct.pack("<I", FILLER_ENTERPRISE_NUMBER) + bytes(rest)
    elif comment:
        pairs.append((OPT_COMMENT, bounded_text(comment, SECTION_COMMENT_LIMIT_BYTES)))
    for code, words in ((2, facts.hardware), (3, facts.os), (4, facts.application)):
        if words:
            pairs.append((code, bounded_text(words, 1024)))
    if comment_room_bytes:
        pairs.append((OPT_CUSTOM_NOT_COPIED, filler))
    # Section length -1: not stated, as the file grows while it is read.
    return block(SECTION_HEADER, struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1) + options(pairs))


def interface_description(facts: InterfaceFacts) -> bytes:
    """The interface description block (§4.2) for Ethernet with nanosecond time stamps."""
    pairs: list[Option] = []
    if facts.name:
        pairs.append((2, bounded_text(facts.name, 1024)))
    if facts.description:
        pairs.append((3, bounded_text(facts.description, 1024)))
    pairs += [(4, four.ip.packed + four.netmask.packed) for four in facts.ipv4]
    pairs += [(5, six.ip.packed + bytes([six.network.prefixlen])) for six in facts.ipv6]
    if facts.mac:
        pairs.append((6, facts.mac))
    if facts.speed_bits_per_s is not None:
        pairs.append((8, struct.pack("<Q", facts.speed_bits_per_s)))
    pairs.append((9, bytes([9])))  # if_tsresol: 10**-9 s
    if facts.filter:
        # if_filter: its first octet says how to read the rest; 0 is a libpcap filter string.
        pairs.append((11, b"\0" + bounded_text(facts.filter, 4096)))
    if facts.os:
        pairs.append((12, bounded_text(facts.os, 1024)))
    return block(INTERFACE_DESCRIPTION, struct.pack("<HHI", LINKTYPE_ETHERNET, 0, facts.snaplen_bytes) + options(pairs))


def name_resolution(names: Mapping[str, Sequence[str]]) -> bytes:
    """The name resolution block (§4.5): address in text form to its names. Empty where there is none.

    It must stand before the packets: a reader in one pass, tshark for one, names only the frames that follow.
    """
    records = []
    for address, hosts in names.items():
        packed = ip_address(address).packed
        words = b"".join(bounded_text(host, 255) + b"\0" for host in hosts if host)
        if not words:
            continue
        value = packed + words
        records.append(_OPTION.pack(1 if len(packed) == 4 else 2, len(value)) + value + _PAD[len(value) & 3])
    return block(NAME_RESOLUTION, b"".join(records) + _OPTION.pack(0, 0)) if records else b""


def enhanced_packet(frame: Frame, comment: str = "", drops_before: int = 0) -> bytes:
    """The enhanced packet block (§4.3) of one frame. The tap's hot path: one pack, one concatenation.

    drops_before: frames lost between the one before and this one (epb_dropcount); left out when 0.
    """
    time_ns, data, length_bytes, interface, direction = frame
    captured = len(data)
    padding = _PAD[captured & 3]
    if comment:
        text = comment.encode("utf-8", "replace")
        size = len(text)
        if size > FRAME_COMMENT_LIMIT_BYTES or b"\0" in text:
            text = bounded_text(comment, FRAME_COMMENT_LIMIT_BYTES)
            size = len(text)
        note = _COMMENT_HEAD.pack(OPT_COMMENT, size) + text + _PAD[size & 3]
    else:
        note = b""
    # 28 octets of head, then 16 (28 with the drop count) of flags, end mark and closing length.
    total = captured + len(padding) + len(note) + (56 if drops_before else 44)
    if drops_before:
        tail = _EPB_TAIL_WITH_DROPS.pack(2, 4, direction, 4, 8, drops_before, 0, 0, total)
    else:
        tail = _EPB_TAIL.pack(2, 4, direction, 0, 0, total)
    head = _EPB_HEAD.pack(
        ENHANCED_PACKET, total, interface, time_ns >> 32 & 0xFFFFFFFF, time_ns & 0xFFFFFFFF, captured, length_bytes
    )
    return b"".join((head, data, padding, note, tail))


def with_drops(packet_block: bytes, drops_before: int) -> bytes:
    """A packet block as enhanced_packet makes it, with the count of frames lost before it added (epb_dropcount)."""
    total = len(packet_block) + 12
    option = struct.pack("<HHQ", 4, 8, drops_before)
    head = packet_block[:4] + struct.pack("<I", total) + packet_block[8:-8]
    return head + option + struct.pack("<HHI", 0, 0, total)


def interface_statistics(statistics: FileStatistics, interface: int = 0) -> bytes:
    """The interface statistics block (§4.6), in the time unit of the interface: nanoseconds."""

    def halves(time_ns: int) -> bytes:
        return struct.pack("<II", time_ns >> 32 & 0xFFFFFFFF, time_ns & 0xFFFFFFFF)

    pairs: list[Option] = []
    if statistics.comment:
        pairs.append((OPT_COMMENT, bounded_text(statistics.comment, SECTION_COMMENT_LIMIT_BYTES)))
    pairs += [
        (2, halves(statistics.start_ns)),
        (3, halves(statistics.end_ns)),
        (4, struct.pack("<Q", statistics.received)),
        (5, struct.pack("<Q", statistics.dropped)),
        # isb_usrdeliv: what the application was given and kept.
        (8, struct.pack("<Q", max(statistics.received - statistics.not_written, 0))),
    ]
    body = struct.pack("<I", interface) + halves(statistics.end_ns) + options(pairs)
    return block(INTERFACE_STATISTICS, body)


class FileHeader:
    """All that stands before the first frame. Made once for a run: only the section's comment differs between
    sessions.
    """

    def __init__(
        self, section: SectionFacts, interface: InterfaceFacts, names: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._section = section
        self.interface_blocks = interface_description(interface) + name_resolution(names or {})

    def section_block(self, comment: str) -> bytes:
        """The section header with this comment: the same length whatever the comment."""
        return section_header(self._section, comment, SECTION_COMMENT_LIMIT_BYTES)

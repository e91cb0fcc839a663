"""IPv4 (RFC 791): the header, and what it carries."""

from __future__ import annotations

from struct import Struct

from lab.wire import icmp, tcp
from lab.wire.checksum import word_sum
from lab.wire.frame import Frame
from lab.wire.packet import Endpoint, Fragment, Icmp, Other, Segment

#  0                   1                   2                   3
#  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |Version|  IHL  |Type of Service|          Total Length         |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |         Identification        |Flags|     Fragment Offset     |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |  Time to Live |    Protocol   |        Header Checksum        |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |                        Source Address                         |
# |                      Destination Address                      |
# |                    Options, if IHL is over 5                  |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
HEADER = Struct("!BxHHHBBH4s4s")

DONT_FRAGMENT = 0x4000
MORE_FRAGMENTS = 0x2000
OFFSET_MASK = 0x1FFF

ICMP, TCP = 1, 6
_START = 14


def parse(frame: Frame) -> Segment | Icmp | Fragment | Other:
    """Read the IPv4 packet of a frame. Never raises."""
    data = frame.data
    if len(data) < _START + HEADER.size:
        return Other(frame, f"the IPv4 header is cut: {len(data) - _START} of {HEADER.size} octets")
    first, total, identification, fragment, ttl, protocol, checksum, source, destination = HEADER.unpack_from(
        data, _START
    )
    header_bytes = (first & 15) * 4
    if first >> 4 != 4 or header_bytes < HEADER.size:
        return Other(frame, f"the IPv4 header begins with 0x{first:02x}: not version 4 with at least 5 words")
    if total == 0:
        # A segment that the network card is still to split (TSO) can be over 65,535 octets; the kernel then writes 0.
        total = frame.length_bytes - _START
    if total < header_bytes:
        return Other(frame, f"the IPv4 total length is {total}, its header alone has {header_bytes} octets")
    start = _START + header_bytes
    end = _START + total  # what follows is Ethernet padding, no part of the packet
    if len(data) < start:
        return Other(
            frame,
            f"the IPv4 options are cut: {len(data) - _START} of {header_bytes} octets",
            Endpoint(source, 0),
            Endpoint(destination, 0),
        )
    header_ok = word_sum(data[_START:start]) == 0 or checksum == 0
    if fragment & (MORE_FRAGMENTS | OFFSET_MASK):
        return _fragment(frame, start, end, source, destination, protocol, identification, fragment)
    if protocol == TCP:
        return tcp.parse(
            frame, start, end, source, destination, 4, ttl, identification, fragment & DONT_FRAGMENT != 0, header_ok
        )
    if protocol == ICMP:
        return icmp.parse4(frame, start, end, source, destination, ttl)
    return Other(
        frame, f"IPv4 protocol {protocol} is neither TCP nor ICMP", Endpoint(source, 0), Endpoint(destination, 0)
    )


def _fragment(
    frame: Frame,
    start: int,
    end: int,
    source: bytes,
    destination: bytes,
    protocol: int,
    identification: int,
    field: int,
) -> Fragment:
    """A fragment: fragments count in units of 8 octets (RFC 791 §3.2)."""
    offset_bytes = (field & OFFSET_MASK) * 8
    payload = frame.data[start:end]
    ports = tcp.ports(payload) if protocol == TCP and offset_bytes == 0 else (None, None)
    return Fragment(
        frame,
        4,
        source,
        destination,
        protocol,
        identification,
        offset_bytes,
        field & MORE_FRAGMENTS != 0,
        payload,
        end - start,
        *ports,
    )

"""IPv6 (RFC 8200): the header, the extension headers walked, and what they carry."""

from __future__ import annotations

from struct import Struct

from lab.wire import icmp, tcp
from lab.wire.frame import Frame
from lab.wire.packet import Endpoint, Fragment, Icmp, Other, Segment

#  0                   1                   2                   3
#  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |Version| Traffic Class |           Flow Label                  |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |         Payload Length        |  Next Header  |   Hop Limit   |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |                    Source Address (16 octets)                 |
# |                  Destination Address (16 octets)              |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
HEADER = Struct("!B3xHBB16s16s")

#  0                   1                   2                   3
#  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |  Next Header  |   Reserved    |      Fragment Offset    |Res|M|
# |                         Identification                        |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
FRAGMENT_HEADER = Struct("!BxHI")

TCP, ICMP6, NO_NEXT = 6, 58, 59
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS, MOBILITY = 0, 43, 44, 51, 60, 135
EXTENSIONS = frozenset((HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS, MOBILITY))
_START = 14


def parse(frame: Frame) -> Segment | Icmp | Fragment | Other:
    """Read the IPv6 packet of a frame. Never raises."""
    data = frame.data
    start = _START + HEADER.size
    if len(data) < start:
        return Other(frame, f"the IPv6 header is cut: {len(data) - _START} of {HEADER.size} octets")
    first, length, protocol, ttl, source, destination = HEADER.unpack_from(data, _START)
    if first >> 4 != 6:
        return Other(frame, f"the IPv6 header begins with 0x{first:02x}: not version 6")
    # A length of 0 with a next header stands for a jumbogram or for a segment that the network card is still to split.
    end = start + length if length or protocol == NO_NEXT else frame.length_bytes
    final = destination
    while protocol in EXTENSIONS:
        if len(data) < start + 8 or end < start + 8:
            return _unreadable(frame, "an IPv6 extension header is cut", source, destination)
        if protocol == FRAGMENT:
            following, field, identification = FRAGMENT_HEADER.unpack_from(data, start)
            if field & 0xFFF9:
                return _fragment(frame, start + 8, end, source, destination, following, identification, field)
            protocol, start = following, start + 8  # an atomic fragment is a whole packet (RFC 6946)
            continue
        step = (data[start + 1] + 2) * 4 if protocol == AUTHENTICATION else (data[start + 1] + 1) * 8
        if protocol == ROUTING and data[start + 3]:
            # Segments left: the address in the header is a stop on the way. The checksum is over the last one (RFC
            # 8200 §8.1).
            final = _last_stop(data, start, step) or final
        protocol, start = data[start], start + step
    if protocol == TCP:
        return tcp.parse(frame, start, end, source, final, 6, ttl, 0, True, True)
    if protocol == ICMP6:
        return icmp.parse6(frame, start, end, source, final, ttl)
    if protocol == NO_NEXT:
        return _unreadable(frame, "an IPv6 packet without content (next header 59)", source, destination)
    return _unreadable(frame, f"IPv6 next header {protocol} is neither TCP nor ICMPv6", source, destination)


def _last_stop(data: bytes, start: int, step: int) -> bytes | None:
    """The last address of a type 0 or type 2 routing header; None for another kind or a cut one."""
    if data[start + 2] not in (0, 2) or step < 24 or len(data) < start + step:
        return None
    return data[start + step - 16 : start + step]


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
    """A fragment: the offset is in units of 8 octets in the upper 13 bits, so the field without its low bits is
    octets.
    """
    offset_bytes = field & 0xFFF8
    payload = frame.data[start:end]
    ports = tcp.ports(payload) if protocol == TCP and offset_bytes == 0 else (None, None)
    return Fragment(
        frame,
        6,
        source,
        destination,
        protocol,
        identification,
        offset_bytes,
        field & 1 != 0,
        payload,
        max(0, end - start),
        *ports,
    )


def _unreadable(frame: Frame, reason: str, source: bytes, destination: bytes) -> Other:
    return Other(frame, reason, Endpoint(source, 0), Endpoint(destination, 0))

"""ICMP (RFC 792) and ICMPv6 (RFC 4443): errors with the packet they quote, and neighbour discovery (RFC 4861),
IPv6's ARP.
"""

from __future__ import annotations

from struct import Struct

from lab.wire.checksum import UNKNOWN, pseudo_sum, status
from lab.wire.frame import Frame
from lab.wire.packet import Endpoint, Icmp, Neighbour, Other, Quoted

#  0                   1                   2                   3
#  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |     Type      |     Code      |          Checksum             |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |        unused, pointer, MTU or NDP flags, by the type         |
# |  an error: the start of the packet it is about                |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
HEADER = Struct("!BBHI")

UNREACHABLE4, QUENCH4, REDIRECT4, TIME_EXCEEDED4, PARAMETER4 = 3, 4, 5, 11, 12
ERRORS4 = frozenset((UNREACHABLE4, QUENCH4, REDIRECT4, TIME_EXCEEDED4, PARAMETER4))
UNREACHABLE6, TOO_BIG6, TIME_EXCEEDED6, PARAMETER6 = 1, 2, 3, 4
SOLICITATION, ADVERTISEMENT = 135, 136
_SOURCE_LINK, _TARGET_LINK = 1, 2
_PROTOCOL6 = 58
_IP6_EXTENSIONS = frozenset((0, 43, 60))


def parse4(frame: Frame, start: int, end: int, source: bytes, destination: bytes, ttl: int) -> Icmp | Other:
    """Read the ICMP message in ``frame.data[start:end]``. Never raises."""
    body = frame.data[start:end]
    if len(body) < HEADER.size:
        return Other(frame, "the ICMP header is cut", Endpoint(source, 0), Endpoint(destination, 0))
    kind, code, field, rest = HEADER.unpack_from(body)
    checked = UNKNOWN if len(body) < end - start else status(body, field, 0)
    quoted = mtu = None
    if kind in ERRORS4:
        quoted = quote4(body[8:])
        mtu = rest & 0xFFFF if (kind, code) == (UNREACHABLE4, 4) else None
    return Icmp(frame, source, destination, 4, ttl, kind, code, checked, quoted, None, mtu)


def parse6(frame: Frame, start: int, end: int, source: bytes, destination: bytes, ttl: int) -> Icmp | Other:
    """Read the ICMPv6 message in ``frame.data[start:end]``. Never raises."""
    body = frame.data[start:end] if end > start else b""
    if len(body) < HEADER.size:
        return Other(frame, "the ICMPv6 header is cut", Endpoint(source, 0), Endpoint(destination, 0))
    kind, code, field, rest = HEADER.unpack_from(body)
    whole = len(body) == end - start
    checked = status(body, field, pseudo_sum(source, destination, _PROTOCOL6, end - start)) if whole else UNKNOWN
    quoted = quote6(body[8:]) if kind < 128 else None
    neighbour = _neighbour(kind, rest, body) if kind in (SOLICITATION, ADVERTISEMENT) else None
    mtu = rest if kind == TOO_BIG6 else None
    return Icmp(frame, source, destination, 6, ttl, kind, code, checked, quoted, neighbour, mtu)


def quote4(octets: bytes) -> Quoted | None:
    """The packet quoted by an ICMP error: its IP header and at least 8 octets more (RFC 792), if they are there."""
    if len(octets) < 20 or octets[0] >> 4 != 4:
        return None
    header_bytes = (octets[0] & 15) * 4
    first = int.from_bytes(octets[6:8], "big") & 0x1FFF == 0
    inner = octets[header_bytes:] if first and header_bytes >= 20 else b""
    return _quoted(octets[12:16], octets[16:20], octets[9], inner)


def quote6(octets: bytes) -> Quoted | None:
    """The packet quoted by an ICMPv6 error: as much of it as fits (RFC 4443 §2.4 (c))."""
    if len(octets) < 40 or octets[0] >> 4 != 6:
        return None
    protocol, at = octets[6], 40
    while protocol in _IP6_EXTENSIONS and len(octets) >= at + 2:
        protocol, at = octets[at], at + (octets[at + 1] + 1) * 8
    return _quoted(octets[8:24], octets[24:40], protocol, octets[at:])


def _quoted(source: bytes, destination: bytes, protocol: int, inner: bytes) -> Quoted:
    has_ports = len(inner) >= 4
    source_port = int.from_bytes(inner[0:2], "big") if has_ports else 0
    destination_port = int.from_bytes(inner[2:4], "big") if has_ports else 0
    seq = int.from_bytes(inner[4:8], "big") if len(inner) >= 8 and protocol == 6 else None
    return Quoted(Endpoint(source, source_port), Endpoint(destination, destination_port), protocol, seq)


def _neighbour(kind: int, flags: int, body: bytes) -> Neighbour | None:
    """Target and link-layer address (RFC 4861 §4.3, §4.4); options are type, length in units of 8 octets, value."""
    if len(body) < 24:
        return None
    wanted = _SOURCE_LINK if kind == SOLICITATION else _TARGET_LINK
    link, at = None, 24
    while at + 2 <= len(body) and body[at + 1]:
        if body[at] == wanted and body[at + 1] == 1 and at + 8 <= len(body):
            link = body[at + 2 : at + 8]
        at += body[at + 1] * 8
    advertised = flags if kind == ADVERTISEMENT else 0
    return Neighbour(
        body[8:24], link, bool(advertised & 1 << 30), bool(advertised & 1 << 29), bool(advertised & 1 << 31)
    )

"""Captures that were not taken on Ethernet: the same packets behind another kind of header.

``tcpdump -i any`` writes "cooked" headers, a loopback of BSD or Windows four octets of address family, a tunnel none at
all (https://www.tcpdump.org/linktypes.html). What follows is an IP packet all the same. So the foreign header is
replaced by an Ethernet header that says as much: the EtherType, and the sender's hardware address where one is known.
The analysis then has one kind of frame to understand. Addresses that nobody told are zero.
"""

from __future__ import annotations

from lab.wire.frame import Direction, Frame

ETHERNET = 1
_NULL, _LOOP, _COOKED, _COOKED2 = 0, 108, 113, 276
_RAW = frozenset((12, 14, 101, 228, 229))
_IP4, _IP6 = b"\x08\x00", b"\x86\xdd"
_NOBODY = bytes(6)
_AF_INET = 2
_AF_INET6 = frozenset((10, 23, 24, 28, 30))  # Linux, Windows, BSDs, macOS: no two agree
_OUTGOING = 4
_NAMES = {105: "Wi-Fi", 127: "Wi-Fi", 147: "a private link type", 189: "USB", 220: "USB", 195: "802.15.4", 9: "PPP"}


def can_read(link_type: int) -> bool:
    """Whether frames of this link type can be made Ethernet."""
    return link_type in (ETHERNET, _NULL, _LOOP, _COOKED, _COOKED2) or link_type in _RAW


def link_name(link_type: int) -> str:
    """How to call a link type that cannot be read."""
    return _NAMES.get(link_type, f"link type {link_type}")


def as_ethernet(frame: Frame, link_type: int) -> Frame:
    """The frame with an Ethernet header instead of its own; as it is where that is one, or where it is too short."""
    data = frame.data
    if link_type in _RAW:
        return _with(frame, 0, _NOBODY, _by_version(data))
    if link_type == _COOKED and len(data) >= 16:
        way = _way(int.from_bytes(data[0:2], "big"))
        return _with(frame, 16, data[6:12], data[14:16], way)
    if link_type == _COOKED2 and len(data) >= 20:
        return _with(frame, 20, data[12:18], data[0:2], _way(data[10]))
    if link_type in (_NULL, _LOOP) and len(data) >= 4:
        # The family is in the order of the machine that captured (NULL) or of the network (LOOP); the rest is 0.
        family = max(data[0], data[3])
        ethertype = _IP4 if family == _AF_INET else _IP6 if family in _AF_INET6 else b"\0\0"
        return _with(frame, 4, _NOBODY, ethertype)
    return frame


def _with(frame: Frame, header_bytes: int, source: bytes, ethertype: bytes, way: Direction | None = None) -> Frame:
    data = _NOBODY + source + ethertype + frame.data[header_bytes:]
    length_bytes = max(frame.length_bytes - header_bytes, 0) + 14
    return frame._replace(data=data, length_bytes=length_bytes, direction=frame.direction if way is None else way)


def _by_version(data: bytes) -> bytes:
    version = data[0] >> 4 if data else 0
    return _IP4 if version == 4 else _IP6 if version == 6 else b"\0\0"


def _way(packet_type: int) -> Direction:
    """Cooked headers say which way a packet went; 0 to 2 came in, 3 was between others."""
    if packet_type == _OUTGOING:
        return Direction.OUTBOUND
    return Direction.INBOUND if packet_type <= 2 else Direction.UNKNOWN

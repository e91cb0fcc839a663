"""Cutting an IPv4 packet that is larger than the next link's MTU into fragments (RFC 791 §3.2).

Only IPv4, only where DF is clear: TCP on Linux sets it, so a student sees fragments only when a script clears DF. The
copies of the options and the arithmetic in units of eight octets are what an exam asks for.
"""

from __future__ import annotations

from lab.router.octets import IP, ip_end, with_ip_checksum
from lab.wire.ip4 import DONT_FRAGMENT, MORE_FRAGMENTS, OFFSET_MASK

_COPIED = 0x80


def may_fragment(data: bytes) -> bool:
    """Whether the DF flag of this IPv4 frame is clear."""
    return not int.from_bytes(data[20:22], "big") & DONT_FRAGMENT


def fragments(data: bytes, mtu_bytes: int) -> list[bytes]:
    """The fragments of an IPv4 packet, in order.

    data: the frame. mtu_bytes: at least 68, the least MTU of IPv4, so that a header with options and eight octets fit.
    """
    header_bytes = (data[14] & 15) * 4
    start, end = IP + header_bytes, min(ip_end(data), len(data))
    field = int.from_bytes(data[20:22], "big")
    offset, last_more = field & OFFSET_MASK, field & MORE_FRAGMENTS
    later_options = _copied_options(data[IP + 20 : start])
    pieces = []
    options, at = data[IP + 20 : start], start
    while at < end:
        room = (mtu_bytes - 20 - len(options)) & ~7
        stop = end if at + (mtu_bytes - 20 - len(options)) >= end else at + room
        more = MORE_FRAGMENTS if stop < end else last_more
        body = data[at:stop]
        flags = (offset + (at - start) // 8 | more).to_bytes(2, "big")
        first = bytes((0x45 + len(options) // 4,)) + data[15:16]
        total = (20 + len(options) + len(body)).to_bytes(2, "big")
        head = first + total + data[18:20] + flags + data[22:34] + options
        pieces.append(with_ip_checksum(data[:14] + head + body))
        options, at = later_options, stop
    return pieces


def _copied_options(octets: bytes) -> bytes:
    """The options that go into every fragment: those with the copied flag (RFC 791 §3.1), padded to whole words."""
    kept = b""
    at = 0
    while at < len(octets) and octets[at]:
        length = 1 if octets[at] == 1 else max(2, octets[at + 1]) if at + 1 < len(octets) else len(octets) - at
        if octets[at] & _COPIED:
            kept += octets[at : at + length]
        at += length
    return kept + bytes(-len(kept) % 4)

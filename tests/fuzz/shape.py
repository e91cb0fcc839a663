"""Where things are in a frame, and how its lengths and checksums are made right again after a mutation.

A mutated frame with a wrong checksum is set aside early: most of the code never sees it. So half of the mutated frames
are repaired, and go as deep as a good frame would. This module reads headers in the simplest way that does, and on its
own: it must not share the mistakes of the code that is tested.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

ETHERNET = 14
TCP, ICMP, ICMP6 = 6, 1, 58
_CHECKSUM_AT = {TCP: 16, ICMP: 2, ICMP6: 2}


class Shape(NamedTuple):
    """version: 4, 6, or 0 for anything else. protocol: what IP carries. inner_at: where that begins in the frame."""

    version: int
    protocol: int
    inner_at: int


def shape_of(data: bytes | bytearray) -> Shape:
    """What a frame is, as far as it can be told."""
    kind = bytes(data[12:14])
    if kind == b"\x08\x00" and len(data) >= ETHERNET + 20:
        return Shape(4, data[23], ETHERNET + max(20, (data[14] & 15) * 4))
    if kind == b"\x86\xdd" and len(data) >= ETHERNET + 40:
        return Shape(6, data[20], ETHERNET + 40)
    return Shape(0, 0, ETHERNET)


def is_tcp(data: bytes | bytearray, shape: Shape) -> bool:
    """Whether a whole TCP header stands there."""
    return shape.version != 0 and shape.protocol == TCP and len(data) >= shape.inner_at + 20


def addresses(data: bytes | bytearray, version: int) -> tuple[bytes, bytes]:
    """Source and destination of an IP packet."""
    at, size = (26, 4) if version == 4 else (22, 16)
    return bytes(data[at : at + size]), bytes(data[at + size : at + 2 * size])


def payload_at(data: bytes | bytearray, shape: Shape) -> int:
    """Where a TCP segment's payload begins."""
    return min(len(data), shape.inner_at + max(20, (data[shape.inner_at + 12] >> 4) * 4))


def ones_sum(octets: bytes | bytearray) -> int:
    """The checksum of RFC 1071 over octets in which its field is 0."""
    if len(octets) & 1:
        octets = octets + b"\0"
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def fit_lengths(data: bytearray) -> None:
    """Make the IP length what is there."""
    version = shape_of(data).version
    if version == 4:
        data[16:18] = min(0xFFFF, len(data) - ETHERNET).to_bytes(2, "big")
    elif version == 6:
        data[18:20] = min(0xFFFF, len(data) - ETHERNET - 40).to_bytes(2, "big")


def fit_checksums(data: bytearray) -> None:
    """Make the checksums of IPv4 and of TCP, ICMP or ICMPv6 right, as far as all that they cover is there."""
    version, protocol, at = shape_of(data)
    if version == 0:
        return
    if version == 4:
        data[24:26] = b"\0\0"
        data[24:26] = ones_sum(data[ETHERNET:at]).to_bytes(2, "big")
        end = ETHERNET + int.from_bytes(data[16:18], "big")
    else:
        end = ETHERNET + 40 + int.from_bytes(data[18:20], "big")
    field = at + _CHECKSUM_AT.get(protocol, 0)
    if protocol not in _CHECKSUM_AT or not field + 2 <= end <= len(data):
        return
    pseudo = b""
    if protocol != ICMP:
        pseudo = b"".join(addresses(data, version)) + struct.pack("!II", end - at, protocol)
    data[field : field + 2] = b"\0\0"
    data[field : field + 2] = ones_sum(pseudo + data[at:end]).to_bytes(2, "big")


def with_payload(head: bytes | bytearray, protocol: int, content: bytes) -> bytes:
    """A packet from the host that sent ``head`` to the same other host, with another content."""
    version = shape_of(head).version
    data = bytearray(head[: ETHERNET + (20 if version == 4 else 40)])
    if version == 4:
        data[14], data[20:22], data[23] = 0x45, b"\0\0", protocol
    else:
        data[20] = protocol
    data += content
    fit_lengths(data)
    fit_checksums(data)
    return bytes(data)


def turned(data: bytes | bytearray) -> bytearray:
    """The same frame as if the other host had sent it: hardware addresses, IP addresses and ports swapped."""
    result = bytearray(data)
    result[0:6], result[6:12] = data[6:12], data[0:6]
    shape = shape_of(data)
    if shape.version:
        at, size = (26, 4) if shape.version == 4 else (22, 16)
        result[at : at + size], result[at + size : at + 2 * size] = reversed(addresses(data, shape.version))
    if is_tcp(data, shape):
        at = shape.inner_at
        result[at : at + 2], result[at + 2 : at + 4] = data[at + 2 : at + 4], data[at : at + 2]
    return result

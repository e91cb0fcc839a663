"""Changing a frame: where its headers begin, how a field is set, how the checksums are made right again.

``lab.wire`` reads frames and never changes one. A router must: the TTL goes down by one at every hop, and a fault
script sets, cuts and flips what it is told to. All functions take the octets of an Ethernet frame and return new
ones; none fails on a frame that ``lab.wire.parse`` took for a TCP segment.
"""

from __future__ import annotations

from typing import NamedTuple

from lab.wire.checksum import checksum, pseudo_sum
from lab.wire.ip6 import AUTHENTICATION, EXTENSIONS, FRAGMENT
from lab.wire.parse import HEADER_BYTES, IP4

IP = HEADER_BYTES
TCP_PROTOCOL = 6
ECN = {"not-ECT": 0, "ECT1": 1, "ECT0": 2, "CE": 3}
"""The two bits of explicit congestion notification by their names (RFC 3168 §5)."""

_MSS_OPTION, _NOP, _END = 2, 1, 0


class Places(NamedTuple):
    """Where the parts of a TCP segment begin in its frame; end is by the IP length. protocol_sum: the pseudo-header's
    sum, which the TCP checksum covers."""

    tcp: int
    payload: int
    end: int
    pseudo: int


def version_of(data: bytes) -> int:
    """4 or 6, by the EtherType."""
    return 4 if data[12:14] == IP4 else 6


def ip_end(data: bytes) -> int:
    """Where the IP packet ends in its frame; what follows is Ethernet padding."""
    if data[12:14] == IP4:
        return IP + int.from_bytes(data[16:18], "big")
    return IP + 40 + int.from_bytes(data[18:20], "big")


def addresses(data: bytes) -> tuple[bytes, bytes]:
    """The packed source and destination address of the packet in a frame."""
    if data[12:14] == IP4:
        return data[26:30], data[30:34]
    return data[22:38], data[38:54]


def places(data: bytes) -> Places | None:
    """Where the parts of the TCP segment in a frame begin; None if there is no whole TCP header."""
    end = min(ip_end(data), len(data))
    if data[12:14] == IP4:
        protocol, start = data[23], IP + (data[14] & 15) * 4
        if int.from_bytes(data[20:22], "big") & 0x1FFF:
            return None
    else:
        protocol, start = data[20], IP + 40
        while protocol in EXTENSIONS and start + 8 <= end:
            words = 0 if protocol == FRAGMENT else data[start + 1]
            step = (words + 2) * 4 if protocol == AUTHENTICATION else (words + 1) * 8
            protocol, start = data[start], start + step
    if protocol != TCP_PROTOCOL or start + 20 > end:
        return None
    payload = min(start + (data[start + 12] >> 4) * 4, end)
    return Places(start, payload, end, pseudo_sum(*addresses(data), TCP_PROTOCOL, end - start))


def with_ip_checksum(data: bytes) -> bytes:
    """The frame with its IPv4 header's checksum made anew; IPv6 has none (RFC 8200)."""
    if data[12:14] != IP4:
        return data
    end = IP + (data[14] & 15) * 4
    header = data[IP:24] + b"\0\0" + data[26:end]
    return data[:24] + checksum(header).to_bytes(2, "big") + data[26:]


def with_tcp_checksum(data: bytes) -> bytes:
    """The frame with its TCP checksum made anew (RFC 9293 §3.1)."""
    found = places(data)
    if found is None:
        return data
    at = found.tcp + 16
    segment = data[found.tcp : at] + b"\0\0" + data[at + 2 : found.end]
    return data[:at] + checksum(segment, found.pseudo).to_bytes(2, "big") + data[at + 2 :]


def with_wrong_ip_checksum(data: bytes) -> bytes:
    """The frame with an IPv4 header's checksum that does not fit; IPv6 has none, so nothing is wrong there."""
    return data if data[12:14] != IP4 else with_flipped_bit(with_ip_checksum(data), 25, 0)


def with_wrong_tcp_checksum(data: bytes) -> bytes:
    """The frame with a TCP checksum that does not fit."""
    found = places(data)
    return data if found is None else with_flipped_bit(with_tcp_checksum(data), found.tcp + 17, 0)


def ttl_of(data: bytes) -> int:
    """TTL or hop limit."""
    return data[22] if data[12:14] == IP4 else data[21]


def with_ttl(data: bytes, ttl: int) -> bytes:
    """The frame with another TTL or hop limit, the IPv4 checksum made right."""
    if data[12:14] == IP4:
        return with_ip_checksum(data[:22] + bytes((ttl,)) + data[23:])
    return data[:21] + bytes((ttl,)) + data[22:]


def hopped(data: bytes) -> bytes:
    """The frame one hop on. The IPv4 checksum is not made anew but changed by what the TTL changed: so a header that
    was damaged stays damaged."""
    if data[12:14] != IP4:
        return data[:21] + bytes((data[21] - 1,)) + data[22:]
    total = hopped_checksum(int.from_bytes(data[24:26], "big"))
    return data[:22] + bytes((data[22] - 1, data[23])) + total.to_bytes(2, "big") + data[26:]


def hopped_checksum(before: int) -> int:
    """A header's checksum when its TTL has gone down by one (RFC 1624 eqn. 3). The TTL is its word's upper octet, so
    the complement goes up by 0x0100, a carry around; 0xFFFF, the other zero, is never the right checksum."""
    total = before + 0x0100
    return total + (total >= 0xFFFF) & 0xFFFF


def with_ecn(data: bytes, bits: int) -> bytes:
    """The frame with other ECN bits: the two low bits of the traffic class."""
    if data[12:14] == IP4:
        return with_ip_checksum(data[:15] + bytes((data[15] & 0xFC | bits,)) + data[16:])
    return data[:15] + bytes((data[15] & 0xCF | bits << 4,)) + data[16:]


def with_dont_fragment(data: bytes, on: int) -> bytes:
    """The frame with IPv4's DF flag set or clear; IPv6 packets are never fragmented by a router."""
    if data[12:14] != IP4:
        return data
    flags = data[20] | 0x40 if on else data[20] & 0xBF
    return with_ip_checksum(data[:20] + bytes((flags,)) + data[21:])


def with_window(data: bytes, window: int) -> bytes:
    """The frame with another window field, before scaling; the TCP checksum is left as it was."""
    found = places(data)
    if found is None:
        return data
    at = found.tcp + 14
    return data[:at] + window.to_bytes(2, "big") + data[at + 2 :]


def with_mss(data: bytes, mss_bytes: int) -> bytes:
    """The frame with another value in its MSS option, if it has one; the TCP checksum is left as it was."""
    found = places(data)
    if found is None:
        return data
    at, end = found.tcp + 20, found.payload
    while at + 1 < end and data[at] != _END:
        if data[at] == _NOP:
            at += 1
            continue
        if data[at] == _MSS_OPTION and data[at + 1] == 4 and at + 4 <= end:
            return data[: at + 2] + mss_bytes.to_bytes(2, "big") + data[at + 4 :]
        at += max(2, data[at + 1])
    return data


def with_flipped_bit(data: bytes, at: int, bit: int) -> bytes:
    """The frame with one bit turned over. at: which octet of the frame, from 0. bit: 0 is the lowest."""
    return data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]


def truncated(data: bytes, payload_bytes: int) -> bytes:
    """The frame with at most so many octets of TCP payload; the IP length tells so, the TCP checksum is left as it
    was (and is wrong now)."""
    found = places(data)
    if found is None or found.payload + payload_bytes >= found.end:
        return data
    cut = data[: found.payload + payload_bytes]
    return with_ip_length(cut)


def with_ip_length(data: bytes) -> bytes:
    """The frame with an IP length that fits its octets."""
    if data[12:14] == IP4:
        return with_ip_checksum(data[:16] + (len(data) - IP).to_bytes(2, "big") + data[18:])
    return data[:18] + (len(data) - IP - 40).to_bytes(2, "big") + data[20:]


def ip_packet(
    source: bytes, destination: bytes, protocol: int, body: bytes, *, ttl: int = 64, traffic: int = 0
) -> bytes:
    """A frame with a packet of our own: no hardware addresses yet, DF set, identification 0 (RFC 6864 §4.1 lets an
    atomic datagram have any)."""
    if len(source) == 4:
        head = bytes((0x45, traffic)) + (20 + len(body)).to_bytes(2, "big") + b"\0\0\x40\0" + bytes((ttl, protocol))
        return with_ip_checksum(bytes(12) + IP4 + head + b"\0\0" + source + destination + body)
    head = bytes((0x60 | traffic >> 4, (traffic & 15) << 4, 0, 0)) + len(body).to_bytes(2, "big")
    return bytes(12) + b"\x86\xdd" + head + bytes((protocol, ttl)) + source + destination + body

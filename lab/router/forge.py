"""Frames that nobody sent: RSTs, SYNs and data that a script injects, floods of SYNs, false claims of an address.

A forged segment has what the session needs to take it for real: the right addresses and ports, a sequence number where
the script puts it, the last acknowledgment and timestamps of the end that it pretends to be.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random

from lab.router.octets import ip_packet, with_tcp_checksum
from lab.router.script import OTHER, Inject
from lab.router.sessions import WireSession
from lab.wire.checksum import checksum, pseudo_sum
from lab.wire.packet import Endpoint, Flags
from lab.wire.parse import ARP, IP6
from lab.wire.tcp import HEADER

NOBODYS_MAC = b"\x02\x00\x5e\x00\x53\xff"
"""A locally administered hardware address that no container has (Docker's begin with 02:42)."""

_BROADCAST = b"\xff" * 6
_ALL_NODES_MAC, _ALL_NODES = b"\x33\x33\0\0\0\1", bytes.fromhex("ff020000000000000000000000000001")
_MSS_1460 = b"\x02\x04\x05\xb4"
_ARP_REPLY = 2
_ADVERTISEMENT, _OVERRIDE = 136, 0x20000000


def segment(
    source: Endpoint,
    destination: Endpoint,
    seq: int,
    ack: int,
    flags: Flags,
    *,
    window: int = 64240,
    options: bytes = b"",
    payload: bytes = b"",
) -> bytes:
    """A frame with this TCP segment: checksums right, no hardware addresses yet."""
    words = (20 + len(options)) // 4 << 12 | int(flags)
    header = HEADER.pack(source.port, destination.port, seq & 0xFFFFFFFF, ack, words, window, 0, 0)
    return with_tcp_checksum(ip_packet(source.address, destination.address, 6, header + options + payload))


def injected(session: WireSession, wanted: Inject) -> bytes:
    """The segment that a script injects into this session."""
    end, peer = session.ends[wanted.sender], session.ends[OTHER[wanted.sender]]
    seq = end.next_seq + wanted.ahead
    ends = end.endpoint, peer.endpoint
    ack = end.ack or peer.next_seq
    if wanted.kind == "RST":
        return segment(*ends, seq, ack, Flags.RST | Flags.ACK, window=0)
    if wanted.kind == "SYN":
        return segment(*ends, seq, 0, Flags.SYN, options=_MSS_1460)
    options = b""
    if end.timestamps is not None:  # RFC 7323 §3.2: once agreed, every segment has them
        options = b"\x01\x01\x08\x0a" + struct.pack("!II", *end.timestamps)
    flags = Flags.PSH | Flags.ACK
    return segment(*ends, seq, ack, flags, window=end.window, options=options, payload=wanted.text)


def flood(target: Endpoint, spare: tuple[bytes, ...], count: int, random: Random) -> Iterator[bytes]:
    """SYNs to this end, each from another address or port, none of which anybody has."""
    for number in range(count):
        source = Endpoint(spare[number % len(spare)], 1024 + number // len(spare) % 64000)
        yield segment(source, target, random.getrandbits(32), 0, Flags.SYN, options=_MSS_1460)


def claim(address: bytes) -> bytes:
    """A frame that tells everybody on the link that this address is at a hardware address that nobody has: gratuitous
    ARP (RFC 826, RFC 5227 §1.1), or an unsolicited neighbour advertisement (RFC 4861 §7.2.6)."""
    if len(address) == 4:
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, _ARP_REPLY) + (NOBODYS_MAC + address) * 2
        return (_BROADCAST + NOBODYS_MAC + ARP + body).ljust(60, b"\0")
    return advertisement(address, address, _ALL_NODES, NOBODYS_MAC, _ALL_NODES_MAC)


def advertisement(target: bytes, source: bytes, destination: bytes, mac: bytes, to_mac: bytes) -> bytes:
    """An unsolicited neighbour advertisement: ``target`` is at ``mac`` (RFC 4861 §4.4)."""
    body = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, _OVERRIDE) + target + b"\x02\x01" + mac
    return to_mac + mac + IP6 + with_icmp6(source, destination, body)


def with_icmp6(source: bytes, destination: bytes, body: bytes) -> bytes:
    """An IPv6 packet (no Ethernet header) with this ICMPv6 message, whose checksum is made here. Hop limit 255, by
    which neighbour discovery knows that it came from this link (RFC 4861 §7.1)."""
    made = body[:2] + checksum(body[:2] + b"\0\0" + body[4:], pseudo_sum(source, destination, 58, len(body))).to_bytes(
        2, "big"
    )
    return ip_packet(source, destination, 58, made + body[4:], ttl=255)[14:]

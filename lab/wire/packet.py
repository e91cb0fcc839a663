"""What a frame can turn out to be: the types that ``parse`` returns.

All are frozen: a packet is what was on the wire. Which one it is says how far the frame could be understood;
whatever is malformed, cut or not of interest is an ``Other`` with a reason, so no octets of any kind make the
parser fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NamedTuple

from lab.wire.frame import Frame


@lru_cache(maxsize=8192)
def address_text(address: bytes) -> str:
    """A packed address (4 or 16 octets) as people write it (RFC 5952 for IPv6)."""
    if len(address) == 4:
        return ".".join(map(str, address))
    return str(IPv6Address(address)) if len(address) == 16 else address.hex()


def mac_text(mac: bytes) -> str:
    """A hardware address as people write it: ``02:42:c0:00:02:0a``."""
    return mac.hex(":")


class Endpoint(NamedTuple):
    """One end of a TCP connection: a packed IP address (4 or 16 octets) and a port."""

    address: bytes
    port: int

    def __str__(self) -> str:
        text = address_text(self.address)
        return f"[{text}]:{self.port}" if len(self.address) == 16 else f"{text}:{self.port}"


class Flags(IntFlag):
    """The control bits of a TCP header (RFC 9293 §3.1; AE is RFC 9768's, the former NS bit)."""

    FIN = 0x001
    SYN = 0x002
    RST = 0x004
    PSH = 0x008
    ACK = 0x010
    URG = 0x020
    ECE = 0x040
    CWR = 0x080
    AE = 0x100

    @property
    def words(self) -> str:
        """The names of the bits as the field says them, SYN and FIN first: ``SYN, ACK``; ``none`` without any."""
        return ", ".join(flag.name or "" for flag in _SPOKEN_ORDER if flag in self) or "none"


_SPOKEN_ORDER = (Flags.SYN, Flags.FIN, Flags.RST, Flags.PSH, Flags.ACK, Flags.URG, Flags.ECE, Flags.CWR, Flags.AE)


class Timestamps(NamedTuple):
    """The timestamps option (RFC 7323 §3): the sender's clock and the peer's last one, echoed."""

    value: int
    echo: int


@dataclass(frozen=True, slots=True)
class TcpOptions:
    """The options of a TCP header.

    mss_bytes: maximum segment size (kind 2); window_scale: the shift count (kind 3); sack_permitted: kind 4.
    sack_blocks: raw (left, right) edges (kind 5, RFC 2018); timestamps: kind 8.
    unknown: (kind, octets) of the others, in their order.
    problem: why the list could not be read to its end; empty if it could.
    """

    mss_bytes: int | None = None
    window_scale: int | None = None
    sack_permitted: bool = False
    sack_blocks: tuple[tuple[int, int], ...] = ()
    timestamps: Timestamps | None = None
    unknown: tuple[tuple[int, bytes], ...] = ()
    problem: str = ""


NO_OPTIONS = TcpOptions()


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment in its frame.

    ip_checksum_ok: whether the IPv4 header adds up; True for IPv6 (it has no checksum) and for a field of 0 left to
        the network card.
    seq, ack: raw 32-bit numbers (``ack`` means nothing without the ACK flag).
    window: the 16 bits of the header, before scaling.
    checksum_status: ``good``, ``bad``, ``partial`` (left to the network card) or ``unknown`` (the capture cut the
        segment).
    payload: the captured octets; payload_length: how many the IP length says there are, so perhaps more.
    problem: what is odd about the headers; empty if nothing.
    """

    frame: Frame
    source: Endpoint
    destination: Endpoint
    ip_version: int
    ttl: int
    identification: int
    dont_fragment: bool
    ip_checksum_ok: bool
    seq: int
    ack: int
    flags: Flags
    window: int
    checksum_status: str
    urgent: int
    options: TcpOptions
    payload: bytes
    payload_length: int
    problem: str = ""

    @property
    def cut(self) -> bool:
        """Whether octets of this segment are missing from the capture (snaplen)."""
        return len(self.payload) < self.payload_length or len(self.frame.data) < self.frame.length_bytes


@dataclass(frozen=True, slots=True)
class Arp:
    """An ARP packet for IPv4 over Ethernet (RFC 826). operation: 1 asks (who-has), 2 answers (is-at)."""

    frame: Frame
    operation: int
    sender_mac: bytes
    sender_address: bytes
    target_mac: bytes
    target_address: bytes


class Quoted(NamedTuple):
    """The start of the packet that an ICMP error is about (RFC 792; RFC 4443 §2.4 (c)).

    source, destination: its ends as *it* had them; port 0 where the quote is too short to say.
    seq: the raw sequence number, None where the quote is too short.
    """

    source: Endpoint
    destination: Endpoint
    protocol: int
    seq: int | None


class Neighbour(NamedTuple):
    """What a neighbour discovery message says (RFC 4861 §4). link_address: from its option, None without one."""

    target: bytes
    link_address: bytes | None
    solicited: bool = False
    override: bool = False
    router: bool = False


@dataclass(frozen=True, slots=True)
class Icmp:
    """An ICMP (RFC 792) or ICMPv6 (RFC 4443) message.

    quoted: the packet it is about, if it is an error; neighbour: its content, if it is neighbour solicitation or
        advertisement.
    mtu_bytes: the next hop's MTU in a "fragmentation needed" or "packet too big".
    """

    frame: Frame
    source: bytes
    destination: bytes
    ip_version: int
    ttl: int
    type: int
    code: int
    checksum_status: str
    quoted: Quoted | None = None
    neighbour: Neighbour | None = None
    mtu_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of an IP packet (RFC 791 §3.2, RFC 8200 §4.5).

    offset_bytes: where its octets belong in the packet; more: whether others follow after it.
    payload: its captured octets, without IP headers; payload_length: how many there are.
    source_port, destination_port: of a first fragment that carries a TCP header, else None.
    """

    frame: Frame
    ip_version: int
    source: bytes
    destination: bytes
    protocol: int
    identification: int
    offset_bytes: int
    more: bool
    payload: bytes
    payload_length: int
    source_port: int | None = None
    destination_port: int | None = None


@dataclass(frozen=True, slots=True)
class Other:
    """A frame that is none of the above, or too broken to be one. reason: a short sentence; the ends, as far as
    they can be read.
    """

    frame: Frame
    reason: str
    source: Endpoint | None = None
    destination: Endpoint | None = None


Packet = Segment | Arp | Icmp | Fragment | Other


def ends_of(packet: Packet) -> tuple[Endpoint, Endpoint] | None:
    """Between which two ends the session is that a packet belongs to, if the packet itself says so."""
    if isinstance(packet, Segment):
        return packet.source, packet.destination
    if isinstance(packet, Icmp) and packet.quoted is not None:
        return packet.quoted.source, packet.quoted.destination
    if isinstance(packet, Other) and packet.source is not None and packet.destination is not None:
        return packet.source, packet.destination
    return None

"""A frame taken apart for the eye: which octets are which field, what they say, and what that field is for.

The report shows a frame's octets with every field named. So this module says, for each layer of a frame, where each
field lies (a field of some bits lies in its octets together with its neighbours), its value in words, and in one
sentence what the protocol uses it for, with the RFC's section. It takes any octets: a layer that is cut or strange ends
early, and what cannot be named is called what it is, octets.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from lab.report.layers_ip import icmp_fields, ip4_fields, ip6_fields, ip6_transport
from lab.report.layers_tcp import tcp_fields
from lab.report.pieces import Field, Pieces, mac
from lab.report.text import quote

__all__ = ["Field", "Layer", "layers"]

_ETHERTYPES = {0x0800: "IPv4", 0x0806: "ARP", 0x86DD: "IPv6", 0x8100: "a VLAN tag", 0x88A8: "a VLAN tag"}
_ICMP, _TCP, _ICMP6 = 1, 6, 58


@dataclass(frozen=True, slots=True)
class Layer:
    """One protocol's part of a frame: its name, [start, end) in the frame's octets, and its fields in order."""

    name: str
    start: int
    end: int
    fields: tuple[Field, ...]


def layers(data: bytes, checksum: str = "", text_of: str = "") -> tuple[Layer, ...]:
    """Take a frame apart.

    data: the captured octets of an Ethernet frame. checksum: what is known of the TCP checksum (``good``, ``bad``,
    ``partial``, ``unknown``). text_of: whose text the payload is, for its explanation: ``client`` or ``server``.
    Returns its layers from the outermost; together their fields cover every octet once (fields of bits share theirs).
    """
    found = [_ethernet(data)]
    ethertype = int.from_bytes(data[12:14], "big") if len(data) >= 14 else 0
    if ethertype == 0x0806:
        found.append(_layer("ARP", data, 14, _arp(data)))
    elif ethertype in (0x0800, 0x86DD):
        found += _network(data, ethertype, checksum, text_of)
    at = found[-1].end
    if at < len(data):
        name = "Padding" if not any(data[at:]) else "Octets"
        meaning = "Ethernet frames have at least 60 octets (IEEE 802.3); short packets are filled up."
        pieces = Pieces(data, at, len(data))
        pieces.take(name, len(data) - at, f"{len(data) - at} octets", meaning if name == "Padding" else "")
        found.append(_layer(name, data, at, pieces))
    return tuple(layer for layer in found if layer.end > layer.start)


def _layer(name: str, data: bytes, start: int, pieces: Pieces) -> Layer:
    return Layer(name, start, min(pieces.at, len(data)), tuple(pieces.fields))


def _ethernet(data: bytes) -> Layer:
    pieces = Pieces(data, 0, len(data))
    pieces.take("Destination", 6, mac(data[0:6]), "The hardware address of the interface that shall take the frame.")
    pieces.take("Source", 6, mac(data[6:12]), "The hardware address of the interface that sent it.")
    number = int.from_bytes(data[12:14], "big")
    pieces.take("EtherType", 2, f"0x{number:04x} ({_ETHERTYPES.get(number, 'unknown')})", "What is inside the frame.")
    return _layer("Ethernet II", data, 0, pieces)


def _arp(data: bytes) -> Pieces:
    pieces = Pieces(data, 14, min(len(data), 42))
    pieces.number("Hardware type", 2, "1 is Ethernet (RFC 826).")
    pieces.take(
        "Protocol type", 2, f"0x{data[16:18].hex()}", "Of which protocol's addresses it speaks: 0x0800 is IPv4."
    )
    pieces.number("Hardware address length", 1, "In octets.")
    pieces.number("Protocol address length", 1, "In octets.")
    operation = int.from_bytes(data[20:22], "big")
    word = {1: "who has?", 2: "is at"}.get(operation, "unknown")
    pieces.take("Operation", 2, f"{operation} ({word})", "1 asks, 2 answers (RFC 826).")
    for who, at in (("Sender", 22), ("Target", 32)):
        what = "Of the interface that speaks." if who == "Sender" else "All zeros in a question: it is asked for."
        pieces.take(f"{who}'s hardware address", 6, mac(data[at : at + 6]), what)
        address = data[at + 6 : at + 10]
        pieces.take(
            f"{who}'s protocol address", 4, str(IPv4Address(address)) if len(address) == 4 else "", "The IPv4 address."
        )
    return pieces


def _network(data: bytes, ethertype: int, checksum: str, text_of: str) -> list[Layer]:
    if ethertype == 0x0800:
        pieces, protocol, first, end = ip4_fields(data, 14)
        found = [_layer("IPv4", data, 14, pieces)]
    else:
        pieces, protocol, end = ip6_fields(data, 14)
        found = [_layer("IPv6", data, 14, pieces)]
        extra, protocol, first = ip6_transport(data, pieces.at, protocol)
        if extra.fields:
            found.append(_layer("IPv6 extension headers", data, pieces.at, extra))
    at, end = found[-1].end, min(end, len(data))
    if first and protocol == _TCP and end - at >= 20:
        pieces = tcp_fields(data, at, end, checksum)
        found.append(_layer("TCP", data, at, pieces))
        if pieces.at < end:
            found.append(_payload(data, pieces.at, end, text_of))
    elif first and protocol in (_ICMP, _ICMP6) and end - at >= 8:
        name = "ICMP" if protocol == _ICMP else "ICMPv6"
        found.append(_layer(name, data, at, icmp_fields(data, at, end, protocol == _ICMP6)))
    elif at < end:
        pieces = Pieces(data, at, end)
        what = "" if first else "A later part of a packet that was fragmented; the first one has the header."
        pieces.take("Content", end - at, f"{end - at} octets", what)
        found.append(_layer("Fragment" if not first else f"Protocol {protocol}", data, at, pieces))
    return found


def _payload(data: bytes, at: int, end: int, text_of: str) -> Layer:
    pieces = Pieces(data, at, end)
    whose = f"What the {text_of}'s program wrote." if text_of else "What the program wrote."
    meaning = f"{whose} TCP carries a stream of octets: where a segment begins and ends means nothing to the programs."
    pieces.take("Text", end - at, quote(data[at:end], 70), meaning)
    return _layer("Payload", data, at, pieces)

"""The fields of IPv4 (RFC 791), IPv6 (RFC 8200) and ICMP (RFC 792, RFC 4443, RFC 4861), each with what it is for."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from lab.report.pieces import Pieces

_PROTOCOLS = {0: "Hop-by-Hop options", 1: "ICMP", 6: "TCP", 17: "UDP", 43: "Routing", 44: "Fragment", 58: "ICMPv6",
              59: "nothing", 60: "Destination options"}  # fmt: skip
_ECN = {0: "not used", 1: "ECT(1)", 2: "ECT(0)", 3: "congestion experienced"}
_EXTENSIONS = frozenset((0, 43, 44, 60))
_FRAGMENT = 44
_ICMP4 = {(0, 0): "echo reply", (8, 0): "echo request", (3, 0): "network unreachable", (3, 1): "host unreachable",
          (3, 3): "port unreachable", (3, 4): "fragmentation needed and DF set",
          (3, 13): "administratively prohibited", (11, 0): "TTL exceeded in transit"}  # fmt: skip
_ICMP6 = {(1, 0): "no route", (1, 1): "prohibited", (1, 3): "address unreachable", (1, 4): "port unreachable",
          (2, 0): "packet too big", (3, 0): "hop limit exceeded in transit", (128, 0): "echo request",
          (129, 0): "echo reply", (133, 0): "router solicitation", (135, 0): "neighbour solicitation",
          (136, 0): "neighbour advertisement"}  # fmt: skip


def ip4_fields(data: bytes, at: int) -> tuple[Pieces, int, bool, int]:
    """The IPv4 header at ``at``. Returns its fields, the protocol inside, whether this is the first (or only) fragment,
    and where the packet ends by its own length."""
    head = data[at : at + 20].ljust(20, b"\0")
    words = head[0] & 15
    total = int.from_bytes(head[2:4], "big")
    fragment = int.from_bytes(head[6:8], "big")
    pieces = Pieces(data, at, at + max(20, words * 4))
    pieces.split(
        1,
        [
            ("Version", 4, str(head[0] >> 4), "4: this is IPv4."),
            ("Header length", 4, f"{words} words ({words * 4} octets)", "In words of 32 bits; 5 without options."),
        ],
    )
    ecn = head[1] & 3
    pieces.split(
        1,
        [
            ("DSCP", 6, str(head[1] >> 2), "The class of service that is asked for (RFC 2474)."),
            ("ECN", 2, f"{ecn} ({_ECN[ecn]})", "Routers may mark congestion here instead of dropping (RFC 3168)."),
        ],
    )
    pieces.number("Total length", 2, "Of the packet with this header, in octets: what follows it is padding.")
    pieces.hexadecimal("Identification", 2, "Tells which fragments belong together (RFC 791 §3.2, RFC 6864).")
    dont, more, offset = fragment >> 14 & 1, fragment >> 13 & 1, (fragment & 0x1FFF) * 8
    pieces.split(
        2,
        [
            ("Reserved", 1, str(fragment >> 15), "Must be 0."),
            ("DF", 1, str(dont), "1: routers must not fragment it, but report its size (RFC 1191)."),
            ("MF", 1, str(more), "1: more fragments follow."),
            ("Fragment offset", 13, str(offset), "Where this fragment belongs, in octets (the field counts eights)."),
        ],
    )
    pieces.number("Time to live", 1, "Each router takes one off; at 0 the packet is dropped and its sender told.")
    protocol = head[9]
    pieces.take("Protocol", 1, f"{protocol} ({_PROTOCOLS.get(protocol, 'unknown')})", "What is inside.")
    pieces.hexadecimal("Header checksum", 2, "Over this header only; every router makes it anew, for the TTL changes.")
    for name, start in (("Source address", 12), ("Destination address", 16)):
        meaning = "From which host." if start == 12 else "To which host."
        pieces.take(name, 4, str(IPv4Address(head[start : start + 4])), meaning)
    if words > 5:
        pieces.take("Options", (words - 5) * 4, f"{(words - 5) * 4} octets", "Rare today (RFC 791 §3.1).")
    return pieces, protocol, offset == 0, at + max(total, 20) if total else len(data)


def ip6_fields(data: bytes, at: int) -> tuple[Pieces, int, int]:
    """The IPv6 header at ``at``. Returns its fields, the number of what follows, and where the packet ends."""
    head = data[at : at + 40].ljust(40, b"\0")
    first = int.from_bytes(head[:4], "big")
    pieces = Pieces(data, at, at + 40)
    ecn = first >> 20 & 3
    pieces.split(
        4,
        [
            ("Version", 4, str(first >> 28), "6: this is IPv6."),
            ("DSCP", 6, str(first >> 22 & 63), "The class of service that is asked for (RFC 2474)."),
            ("ECN", 2, f"{ecn} ({_ECN[ecn]})", "Routers may mark congestion here instead of dropping (RFC 3168)."),
            ("Flow label", 20, f"0x{first & 0xFFFFF:05x}", "The same for all packets of one flow (RFC 6437)."),
        ],
    )
    length = pieces.number("Payload length", 2, "Of what follows this header, in octets.")
    number = head[6]
    pieces.take("Next header", 1, f"{number} ({_PROTOCOLS.get(number, 'unknown')})", "What is inside.")
    pieces.number("Hop limit", 1, "Each router takes one off; at 0 the packet is dropped and its sender told.")
    pieces.take("Source address", 16, str(IPv6Address(head[8:24])), "From which host.")
    pieces.take("Destination address", 16, str(IPv6Address(head[24:40])), "To which host.")
    return pieces, number, at + 40 + length if length else len(data)


def ip6_transport(data: bytes, at: int, number: int) -> tuple[Pieces, int, bool]:
    """The extension headers at ``at``, if there are any. Returns their fields, the number of what comes after them, and
    whether that is the beginning of it (not a later fragment)."""
    pieces = Pieces(data, at, len(data))
    first = True
    while number in _EXTENSIONS and pieces.at + 8 <= len(data):
        here = pieces.at
        octets = 8 if number == _FRAGMENT else 8 + data[here + 1] * 8
        value = f"next is {data[here]} ({_PROTOCOLS.get(data[here], 'unknown')})"
        if number == _FRAGMENT:
            offset = int.from_bytes(data[here + 2 : here + 4], "big") & 0xFFF8
            value += f", offset {offset}"
            first = first and offset == 0
        pieces.take(f"{_PROTOCOLS[number]} header", octets, value, "An extension header (RFC 8200 §4).")
        number = data[here]
    return pieces, number, first


def icmp_fields(data: bytes, at: int, end: int, six: bool) -> Pieces:
    """An ICMP or ICMPv6 message in [at, end)."""
    pieces = Pieces(data, at, end)
    kind, code = data[at], data[at + 1]
    word = (_ICMP6 if six else _ICMP4).get((kind, code), "other")
    pieces.take("Type", 1, f"{kind} ({word})", "What it is about (RFC 4443)." if six else "What it is about (RFC 792).")
    pieces.number("Code", 1, "The same more closely.")
    pieces.hexadecimal("Checksum", 2, "Over the message" + (" and a pseudo-header." if six else "."))
    if (kind == 3 and code == 4 and not six) or (kind == 2 and six):
        if six:
            pieces.number("MTU", 4, "The most that the next link carries, in octets (RFC 4443 §3.2).")
        else:
            pieces.number("Unused", 2, "")
            pieces.number("MTU of the next hop", 2, "The most that the next link carries, in octets (RFC 1191 §4).")
    else:
        pieces.hexadecimal("Rest of the header", 4, "Its meaning depends on the type.")
    error = kind < 128 if six else kind in (3, 4, 5, 11, 12)
    if six and kind in (135, 136) and end - pieces.at >= 16:
        target = str(IPv6Address(data[pieces.at : pieces.at + 16]))
        pieces.take("Target address", 16, target, "Whose hardware address is asked for or told (RFC 4861 §4.3).")
        pieces.take("Options", end - pieces.at, f"{end - pieces.at} octets", "The hardware address, above all.")
    elif error:
        left = end - pieces.at
        pieces.take("Quoted packet", left, f"{left} octets", "The beginning of the packet that the error is about.")
    else:
        pieces.take("Content", end - pieces.at, f"{end - pieces.at} octets", "")
    return pieces

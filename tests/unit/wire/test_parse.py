"""The parser against Scapy's dissection, against hand-made frames, and against anything at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet as ScapyPacket
from scapy.packet import Raw

from lab.wire.checksum import checksum, fits
from lab.wire.frame import Frame
from lab.wire.packet import Arp, Endpoint, Flags, Fragment, Icmp, Other, Segment, address_text
from lab.wire.parse import macs, parse
from lab.wire.tcp import parse_options

ETHER = Ether(src="02:00:00:00:00:14", dst="02:00:00:00:00:0a")
IP4 = IP(src="192.0.2.20", dst="192.0.2.10", id=77, flags="DF")
IP6 = IPv6(src="2001:db8:7::20", dst="2001:db8:7::10")
PORTS: dict[str, Any] = {"sport": 40312, "dport": 7}


def frame_of(packet: ScapyPacket | bytes, keep: int | None = None) -> Frame:
    data = bytes(packet)
    return Frame(1, data[:keep], len(data))


def segment_of(packet: ScapyPacket | bytes, keep: int | None = None) -> Segment:
    parsed = parse(frame_of(packet, keep))
    assert isinstance(parsed, Segment), parsed
    return parsed


@settings(max_examples=150, deadline=None)
@given(
    st.booleans(),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 511),
    st.integers(0, 65535),
    st.binary(max_size=1500),
    st.lists(
        st.sampled_from(
            [
                ("NOP", None),
                ("MSS", 1460),
                ("WScale", 7),
                ("SAckOK", b""),
                ("Timestamp", (1, 2)),
                ("SAck", (5, 9)),
                (253, b"abc"),
            ]
        ),
        max_size=3,
        unique=True,
    ),
)
def test_a_segment_reads_as_scapy_reads_it(
    six: bool, sport: int, dport: int, seq: int, ack: int, flags: int, window: int, data: bytes, options: list[object]
) -> None:
    layer = TCP(sport=sport, dport=dport, seq=seq, ack=ack, flags=flags, window=window, options=options)
    raw = bytes(ETHER / (IP6 if six else IP4) / layer / Raw(data))
    theirs, ours = Ether(raw)[TCP], segment_of(raw.ljust(60, b"\0"))
    assert ours.source.port == theirs.sport
    assert ours.destination.port == theirs.dport
    assert (ours.seq, ours.ack, int(ours.flags), ours.window) == (
        theirs.seq,
        theirs.ack,
        int(theirs.flags),
        theirs.window,
    )
    assert ours.payload == data
    assert ours.payload_length == len(data)
    assert (ours.checksum_status, ours.ip_checksum_ok, ours.cut, ours.problem) == ("good", True, False, "")
    found = dict(theirs.options)
    assert ours.options.mss_bytes == found.get("MSS")
    assert ours.options.window_scale == found.get("WScale")
    assert ours.options.sack_permitted == ("SAckOK" in found)
    assert ours.options.timestamps == found.get("Timestamp")
    assert ours.options.sack_blocks == ((found["SAck"],) if "SAck" in found else ())
    assert ours.options.problem == ""


def test_addresses_read_as_people_write_them() -> None:
    assert str(segment_of(ETHER / IP4 / TCP(**PORTS)).source) == "192.0.2.20:40312"
    assert str(segment_of(ETHER / IP6 / TCP(**PORTS)).destination) == "[2001:db8:7::10]:7"
    assert address_text(b"abc") == "616263"


def test_ip_fields() -> None:
    segment = segment_of(ETHER / IP4 / TCP(**PORTS))
    assert (segment.ip_version, segment.ttl, segment.identification, segment.dont_fragment) == (4, 64, 77, True)
    other = segment_of(ETHER / IP(src="192.0.2.20", dst="192.0.2.10", ttl=3) / TCP(**PORTS))
    assert (other.ttl, other.dont_fragment) == (3, False)
    assert macs(segment.frame) == (bytes.fromhex("020000000014"), bytes.fromhex("02000000000a"))


def test_flags_in_words() -> None:
    assert Flags(0x12).words == "SYN, ACK"
    assert Flags(0x11).words == "FIN, ACK"
    assert Flags(0x1C2).words == "SYN, ECE, CWR, AE"
    assert Flags(0).words == "none"


def test_the_padding_of_a_short_frame_is_no_payload() -> None:
    raw = bytes(ETHER / IP4 / TCP(**PORTS) / Raw(b"hi")).ljust(60, b"\xee")
    segment = segment_of(raw)
    assert (segment.payload, segment.payload_length, segment.checksum_status) == (b"hi", 2, "good")


@pytest.mark.parametrize("network", [IP4, IP6])
def test_a_flipped_bit_makes_the_checksum_bad(network: ScapyPacket) -> None:
    raw = bytearray(bytes(ETHER / network / TCP(**PORTS) / Raw(b"hello, this is long enough")))
    assert segment_of(bytes(raw)).checksum_status == "good"
    raw[-1] ^= 1
    assert segment_of(bytes(raw)).checksum_status == "bad"


@pytest.mark.parametrize("network", [IP4, IP6])
def test_a_checksum_left_to_the_network_card_is_partial(network: ScapyPacket) -> None:
    good = ETHER / network / TCP(**PORTS) / Raw(b"hello")
    length = 25
    source, destination = segment_of(good).source.address, segment_of(good).destination.address
    words = source + destination + bytes((0, 6)) + length.to_bytes(2, "big")
    total = sum(int.from_bytes(words[i : i + 2], "big") for i in range(0, len(words), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert segment_of(ETHER / network / TCP(**PORTS, chksum=total) / Raw(b"hello")).checksum_status == "partial"
    assert segment_of(ETHER / network / TCP(**PORTS, chksum=total ^ 1) / Raw(b"hello")).checksum_status == "bad"


def test_the_ip_checksum() -> None:
    assert segment_of(ETHER / IP4 / TCP(**PORTS)).ip_checksum_ok
    assert not segment_of(ETHER / IP(src="192.0.2.20", dst="192.0.2.10", chksum=1) / TCP(**PORTS)).ip_checksum_ok
    assert segment_of(ETHER / IP(src="192.0.2.20", dst="192.0.2.10", chksum=0) / TCP(**PORTS)).ip_checksum_ok


@given(st.binary(max_size=3000))
def test_the_checksum_is_that_of_rfc_1071(octets: bytes) -> None:
    padded = octets + b"\0" * (len(octets) % 2)
    total = sum(int.from_bytes(padded[i : i + 2], "big") for i in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert checksum(octets) % 0xFFFF == (~total & 0xFFFF) % 0xFFFF
    assert fits(padded + checksum(octets).to_bytes(2, "big"))
    assert not fits(padded + (checksum(octets) ^ 1).to_bytes(2, "big"))


def test_a_segment_cut_by_snaplen_knows_its_length() -> None:
    segment = segment_of(ETHER / IP4 / TCP(**PORTS) / Raw(b"x" * 1000), keep=100)
    assert (len(segment.payload), segment.payload_length, segment.cut, segment.checksum_status) == (
        46,
        1000,
        True,
        "unknown",
    )


def test_options_cut_by_snaplen_are_told() -> None:
    segment = segment_of(ETHER / IP4 / TCP(**PORTS, options=[("MSS", 1460), ("WScale", 7)]), keep=58)
    assert segment.options.mss_bytes == 1460
    assert segment.options.window_scale is None
    assert "cut" in segment.problem


def test_a_header_cut_by_snaplen_still_names_its_ends() -> None:
    packet = parse(frame_of(ETHER / IP4 / TCP(**PORTS), keep=40))
    assert isinstance(packet, Other)
    assert packet.source == Endpoint(bytes((192, 0, 2, 20)), 40312)
    assert packet.destination == Endpoint(bytes((192, 0, 2, 10)), 7)


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (b"\x02\x04\x05\xb4\x03", "TCP option 3 has no length"),
        (b"\x02\x04\x05\xb4\x03\x00", "TCP option 3 says it has 0 octets, which does not fit"),
        (b"\x02\x04\x05\xb4\x08\x0a\x00", "TCP option 8 says it has 10 octets, which does not fit"),
        (b"\x02\x04\x05\xb4\x00\x03\x00", ""),
        (b"\x02\x04\x05\xb4\x01\x01", ""),
    ],
)
def test_malformed_options_give_what_stood_before_them(octets: bytes, problem: str) -> None:
    options = parse_options(octets)
    assert (options.mss_bytes, options.problem) == (1460, problem)


def test_options_of_a_wrong_length_and_unknown_ones_are_kept_as_they_are() -> None:
    options = parse_options(b"\x03\x04\x01\x02" + b"\x05\x05abc" + b"\xfd\x04xy")
    assert options.unknown == ((3, b"\x01\x02"), (5, b"abc"), (253, b"xy"))
    assert (options.window_scale, options.sack_blocks) == (None, ())


def test_data_offsets_that_cannot_be() -> None:
    low = parse(frame_of(ETHER / IP4 / TCP(**PORTS, dataofs=4)))
    assert isinstance(low, Other)
    assert "data offset is 4" in low.reason
    assert low.source is not None
    high = segment_of(ETHER / IP4 / TCP(**PORTS, dataofs=15))
    assert (high.payload_length, high.problem) == (0, "the TCP data offset points past the end of the packet")


def test_arp() -> None:
    asked = parse(frame_of(ETHER / ARP(op=1, hwsrc="02:00:00:00:00:14", psrc="192.0.2.20", pdst="192.0.2.10")))
    assert isinstance(asked, Arp)
    assert (asked.operation, asked.sender_address, asked.target_address) == (1, b"\xc0\0\x02\x14", b"\xc0\0\x02\x0a")
    assert isinstance(parse(frame_of(ETHER / ARP(hwtype=6))), Other)
    assert isinstance(parse(frame_of(ETHER / ARP(), keep=30)), Other)


def test_an_icmp_error_quotes_the_packet_it_is_about() -> None:
    inner = bytes(IP4 / TCP(**PORTS, seq=305419896))
    icmp = parse(frame_of(ETHER / IP(src="192.0.2.1", dst="192.0.2.20") / ICMP(type=3, code=3) / Raw(inner[:28])))
    assert isinstance(icmp, Icmp)
    assert icmp.quoted is not None
    assert (str(icmp.quoted.source), str(icmp.quoted.destination)) == ("192.0.2.20:40312", "192.0.2.10:7")
    assert (icmp.quoted.seq, icmp.quoted.protocol, icmp.checksum_status) == (305419896, 6, "good")


def test_a_quote_that_is_too_short_says_what_it_can() -> None:
    inner = bytes(IP4 / TCP(**PORTS, seq=305419896))
    for keep, port, has_seq in ((28, 40312, True), (24, 40312, False), (22, 0, False)):
        icmp = parse(frame_of(ETHER / IP(src="192.0.2.1", dst="192.0.2.20") / ICMP(type=3, code=3) / Raw(inner[:keep])))
        assert isinstance(icmp, Icmp)
        assert icmp.quoted is not None
        assert (icmp.quoted.source.port, icmp.quoted.seq is not None) == (port, has_seq)
    icmp = parse(frame_of(ETHER / IP(src="192.0.2.1", dst="192.0.2.20") / ICMP(type=3, code=3) / Raw(inner[:12])))
    assert isinstance(icmp, Icmp)
    assert icmp.quoted is None


def test_an_echo_request_quotes_nothing() -> None:
    icmp = parse(frame_of(ETHER / IP4 / ICMP(type=8) / Raw(bytes(IP4 / TCP(**PORTS)))))
    assert isinstance(icmp, Icmp)
    assert icmp.quoted is None


def test_the_mtu_of_the_next_hop() -> None:
    inner = bytes(IP4 / TCP(**PORTS))
    four = parse(frame_of(ETHER / IP4 / ICMP(type=3, code=4, nexthopmtu=1400) / Raw(inner)))
    assert isinstance(four, Icmp)
    assert four.mtu_bytes == 1400
    six = parse(frame_of(ETHER / IP6 / ICMPv6PacketTooBig(mtu=1280) / Raw(bytes(IP6 / TCP(**PORTS, seq=9)))))
    assert isinstance(six, Icmp)
    assert six.mtu_bytes == 1280
    assert six.quoted is not None
    assert six.quoted.seq == 9


def test_icmpv6_unreachable_quotes_through_extension_headers() -> None:
    inner = bytes(IP6 / IPv6ExtHdrDestOpt() / TCP(**PORTS, seq=42))
    icmp = parse(frame_of(ETHER / IP6 / ICMPv6DestUnreach(code=4) / Raw(inner)))
    assert isinstance(icmp, Icmp)
    assert icmp.quoted is not None
    assert (icmp.quoted.source.port, icmp.quoted.seq, icmp.checksum_status) == (40312, 42, "good")


def test_neighbour_discovery() -> None:
    ask: ScapyPacket = ICMPv6ND_NS(tgt="2001:db8:7::10") / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:14")
    solicitation = parse(frame_of(ETHER / IPv6(src="2001:db8:7::20", dst="ff02::1:ff00:10") / ask))
    assert isinstance(solicitation, Icmp)
    assert solicitation.neighbour is not None
    assert address_text(solicitation.neighbour.target) == "2001:db8:7::10"
    assert solicitation.neighbour.link_address == bytes.fromhex("020000000014")
    said: ScapyPacket = ICMPv6ND_NA(tgt="2001:db8:7::10", R=0, S=1, O=1)
    answer: ScapyPacket = said / ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:0a")
    advertisement = parse(frame_of(ETHER / IP6 / answer))
    assert isinstance(advertisement, Icmp)
    assert advertisement.neighbour is not None
    assert advertisement.neighbour[1:] == (bytes.fromhex("02000000000a"), True, True, False)


def test_ipv6_extension_headers_are_walked() -> None:
    chain = IP6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / TCP(**PORTS, seq=9) / Raw(b"hi")
    segment = segment_of(ETHER / chain)
    assert (segment.seq, segment.payload, segment.checksum_status) == (9, b"hi", "good")


def test_a_routing_header_with_stops_left_names_the_last_one() -> None:
    stops = IPv6ExtHdrRouting(type=0, segleft=1, addresses=["2001:db8:7::99"])
    segment = segment_of(ETHER / IP6 / stops / TCP(**PORTS))
    assert address_text(segment.destination.address) == "2001:db8:7::99"


def test_an_atomic_fragment_is_a_whole_packet() -> None:
    assert segment_of(ETHER / IP6 / IPv6ExtHdrFragment(nh=6) / TCP(**PORTS, seq=9)).seq == 9


def test_a_first_fragment_says_its_ports_and_a_later_one_does_not() -> None:
    whole = bytes(TCP(**PORTS)) + b"x" * 28
    first = parse(frame_of(ETHER / IP(src="192.0.2.20", dst="192.0.2.10", flags="MF", proto=6) / Raw(whole[:24])))
    assert isinstance(first, Fragment)
    assert (first.source_port, first.destination_port, first.offset_bytes, first.more) == (40312, 7, 0, True)
    later = parse(frame_of(ETHER / IP(src="192.0.2.20", dst="192.0.2.10", frag=3, proto=6) / Raw(whole[24:])))
    assert isinstance(later, Fragment)
    assert (later.source_port, later.offset_bytes, later.more, later.payload_length) == (None, 24, False, 24)
    six = parse(frame_of(ETHER / IP6 / IPv6ExtHdrFragment(nh=6, m=1, id=5) / Raw(whole[:24])))
    assert isinstance(six, Fragment)
    assert (six.source_port, six.identification, six.more) == (40312, 5, True)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "the frame has 0 octets"),
        (bytes(13), "the frame has 13 octets"),
        (bytes(60), "EtherType 0x0000"),
        (bytes(ETHER / Dot1Q(vlan=5) / IP4 / TCP(**PORTS)), "VLAN"),
        (bytes(ETHER / IP4 / TCP(**PORTS))[:30], "the IPv4 header is cut: 16 of 20 octets"),
        (bytes(ETHER / IP6 / TCP(**PORTS))[:30], "the IPv6 header is cut: 16 of 40 octets"),
        (bytes(ETHER / IP(src="192.0.2.20", dst="192.0.2.10", proto=17) / Raw(b"x" * 20)), "protocol 17"),
        (bytes(ETHER / IP(version=5)), "not version 4"),
        (bytes(ETHER / IP(ihl=4)), "not version 4 with at least 5 words"),
        (bytes(ETHER / IP(len=10) / TCP(**PORTS)), "the IPv4 total length is 10"),
        (bytes(ETHER / IPv6(version=5)), "not version 6"),
        (bytes(ETHER / IPv6(nh=59)), "without content"),
        (bytes(ETHER / IPv6(nh=17) / Raw(b"x" * 8)), "next header 17"),
        (bytes(ETHER / IPv6(nh=0) / Raw(b"x")), "extension header is cut"),
        (bytes(ETHER / IP4 / ICMP())[:38], "the ICMP header is cut"),
    ],
)
def test_what_cannot_be_read_says_why(octets: bytes, reason: str) -> None:
    packet = parse(Frame(0, octets, len(octets)))
    assert isinstance(packet, Other)
    assert reason in packet.reason


def test_a_total_length_of_0_is_a_segment_still_to_be_split() -> None:
    segment = segment_of(ETHER / IP(src="192.0.2.20", dst="192.0.2.10", len=0) / TCP(**PORTS) / Raw(b"x" * 100))
    assert segment.payload_length == 100


SEEDS = [
    bytes(
        ETHER
        / IP4
        / TCP(**PORTS, options=[("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("WScale", 7)])
        / Raw(b"hello")
    ),
    bytes(ETHER / IP6 / IPv6ExtHdrHopByHop() / TCP(**PORTS) / Raw(b"hello")),
    bytes(ETHER / IP6 / IPv6ExtHdrRouting(addresses=["2001:db8::1"]) / IPv6ExtHdrFragment(m=1) / TCP(**PORTS)),
    bytes(ETHER / ARP()),
    bytes(ETHER / IP4 / ICMP(type=3, code=3) / Raw(bytes(IP4 / TCP(**PORTS)))),
    bytes(ETHER / IP6 / ICMPv6ND_NS() / ICMPv6NDOptSrcLLAddr()),
    bytes(ETHER / IP6 / ICMPv6DestUnreach() / Raw(bytes(IP6 / IPv6ExtHdrDestOpt() / TCP(**PORTS)))),
    bytes(ETHER / IP(flags="MF") / TCP(**PORTS)),
]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_prefix_and_trailing_junk_is_read_without_an_exception(seed: bytes) -> None:
    for keep in range(len(seed) + 1):
        for length in (keep, len(seed), 2 * len(seed)):
            parse(Frame(0, seed[:keep], length))
    assert type(parse(frame_of(seed + b"\xff" * 40))) is type(parse(frame_of(seed)))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([b"", *SEEDS]),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=12),
    st.binary(max_size=80),
    st.integers(0, 200),
    st.integers(0, 70_000),
)
@example(b"", [], b"", 0, 0)
def test_no_octets_whatever_make_the_parser_raise(
    seed: bytes, changes: list[tuple[int, int]], junk: bytes, keep: int, length: int
) -> None:
    data = bytearray(seed or bytes(12))
    for at, value in changes:
        if at < len(data):
            data[at] = value
    octets = bytes(data) + junk
    packet = parse(Frame(0, octets[:keep] if keep else octets, length))
    if isinstance(packet, Segment):
        assert len(packet.payload) <= max(0, packet.payload_length)
        assert str(packet.source)
    elif isinstance(packet, Fragment):
        assert len(packet.payload) <= packet.payload_length
    elif isinstance(packet, Other):
        assert packet.reason

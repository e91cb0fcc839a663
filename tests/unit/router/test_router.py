"""One hop: TTL, MTU, fragments, unreachable, damaged headers, neighbours. What comes out is judged by Scapy."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, defragment
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6ND_NA, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from lab.router import icmp
from lab.router.grammar import read
from lab.router.octets import with_ttl
from lab.wire.packet import Flags
from tests.unit.router.made import ADDRESSES, MACS, MS, START_NS, Talk, addressed, right, router, sent

BOTH = pytest.mark.parametrize("version", [4, 6])
TEXT = {4: ("192.0.2.20", "192.0.2.10", "192.0.2.40"), 6: ("2001:db8:7::20", "2001:db8:7::10", "2001:db8:7::40")}


def frame_of(packet: Any) -> bytes:
    return bytes(Ether(src=MACS["client"].hex(":"), dst=MACS["wire"].hex(":")) / packet)


@BOTH
def test_a_frame_goes_one_hop_on_to_its_receiver(version: int) -> None:
    made, _ = router()
    data = addressed(Talk(version).syn(), "client")
    (out,) = sent(made, data)
    assert (out.src, out.dst) == (MACS["wire"].hex(":"), MACS["server"].hex(":"))
    assert (out[IP].ttl if version == 4 else out[IPv6].hlim) == 63
    assert bytes(out[TCP]) == bytes(Ether(data)[TCP])
    assert right(bytes(out))


def test_the_padding_of_a_short_frame_does_not_go_on() -> None:
    made, _ = router()
    data = addressed(Talk().segment("client", Flags.ACK, at=1), "client")
    made.receive(data + bytes(6), START_NS)
    assert [len(out) for out in made.outgoing(START_NS)] == [54]


@BOTH
def test_a_ttl_of_1_ends_here_and_its_sender_is_told(version: int) -> None:
    made, log = router()
    (answer,) = sent(made, addressed(with_ttl(Talk(version).syn(), 1), "client"))
    client, server, wire = TEXT[version]
    assert answer.dst == MACS["client"].hex(":")
    if version == 4:
        assert (answer[IP].src, answer[IP].dst, answer[ICMP].type, answer[ICMP].code) == (wire, client, 11, 0)
        assert answer["IP in ICMP"].dst == server
        assert answer["TCP in ICMP"].dport == 7
    else:
        assert (answer[IPv6].src, answer[IPv6].dst, answer[ICMPv6TimeExceeded].code) == (wire, client, 0)
        assert answer["IPv6 in ICMPv6"].dst == server
    assert right(bytes(answer))
    assert [line["event"] for line in log] == ["expired", "out"]


@BOTH
def test_a_ttl_of_2_goes_on(version: int) -> None:
    made, _ = router()
    (out,) = sent(made, addressed(with_ttl(Talk(version).syn(), 2), "client"))
    assert (out[IP].ttl if version == 4 else out[IPv6].hlim) == 1


@pytest.mark.parametrize(("ttl", "arrives"), [(30, False), (31, True)])
def test_a_wire_of_30_hops_takes_30_from_the_ttl(ttl: int, arrives: bool) -> None:
    made, _ = router("hops 30")
    (out,) = sent(made, addressed(with_ttl(Talk().syn(), ttl), "client"))
    assert out.haslayer(ICMP) is not arrives
    assert right(bytes(out))


def header_right(packet: Any) -> bool:
    """Whether the IPv4 checksum is what Scapy reckons; a fragment's TCP checksum is the whole packet's."""
    anew = packet.copy()
    del anew[IP].chksum
    return bool(Ether(bytes(anew))[IP].chksum == packet[IP].chksum)


def large(version: int) -> bytes:
    """A segment of 1,400 octets of payload."""
    talk = Talk(version)
    talk.handshake()
    return addressed(talk.data("client", bytes(range(200)) * 7), "client")


def test_too_big_with_df_is_answered_with_the_mtu() -> None:
    made, log = router("mtu 1400")
    (answer,) = sent(made, large(4))
    assert (answer[ICMP].type, answer[ICMP].code, answer[ICMP].nexthopmtu) == (3, 4, 1400)
    assert len(answer[IP]) == 576
    assert answer[IP].src == "192.0.2.40"
    assert right(bytes(answer))
    assert [line["event"] for line in log] == ["in", "too-big", "out"]


def test_too_big_for_ipv6_is_answered_with_packet_too_big() -> None:
    made, _ = router("mtu 1400")
    (answer,) = sent(made, large(6))
    assert answer[ICMPv6PacketTooBig].mtu == 1400
    assert len(answer[IPv6]) == 1280
    assert right(bytes(answer))


def test_a_packet_too_big_says_no_less_than_1280() -> None:
    made, _ = router("mtu 600")
    (answer,) = sent(made, large(6))
    assert answer[ICMPv6PacketTooBig].mtu == 1280


@BOTH
def test_what_just_fits_goes_on(version: int) -> None:
    fits = 1440 if version == 4 else 1460
    for mtu, answered in ((fits, False), (fits - 1, True)):
        made, _ = router(f"mtu {mtu}")
        (out,) = sent(made, large(version))
        assert out.haslayer(ICMP) or out.haslayer(ICMPv6PacketTooBig) if answered else out.haslayer(TCP)


@BOTH
def test_a_silent_mtu_is_a_black_hole(version: int) -> None:
    made, log = router("mtu 1400 silent")
    assert sent(made, large(version)) == []
    assert log[-1]["event"] == "too-big"
    assert log[-1]["silent"] is True


def test_an_mtu_of_one_side_leaves_the_other_alone() -> None:
    made, _ = router("mtu 1400 from server")
    (out,) = sent(made, large(4))
    assert out.haslayer(TCP)


@pytest.mark.parametrize("mtu", [68, 576, 1399])
def test_with_df_clear_a_packet_is_cut_and_can_be_put_together_again(mtu: int) -> None:
    made, _ = router(f"mtu {mtu}\nclient data: set DF off")
    data = large(4)
    pieces = sent(made, data)
    assert len(pieces) > 1
    assert all(len(piece[IP]) == piece[IP].len <= mtu and header_right(piece) for piece in pieces)
    assert all((len(piece[IP]) - 20) % 8 == 0 for piece in pieces[:-1])
    (whole,) = defragment(pieces)
    assert bytes(whole[TCP]) == bytes(Ether(data)[TCP])


def test_a_fragment_can_be_cut_again_and_options_that_are_not_copied_stay_in_the_first() -> None:
    record_route = b"\x07\x07\x04\0\0\0\0"
    router_alert = b"\x94\x04\0\0"
    packet = IP(
        src="192.0.2.20", dst="192.0.2.10", proto=17, flags="MF", frag=5, ttl=9, options=record_route + router_alert
    )
    made, _ = router("mtu 200")
    pieces = sent(made, frame_of(packet / Raw(bytes(range(160)) * 2)))
    assert [piece[IP].frag for piece in pieces] == [5, 5 + 20, 5 + 20 + 20 + 2][: len(pieces)] or len(pieces) == 2
    assert all("MF" in str(piece[IP].flags) for piece in pieces)
    assert [piece[IP].ihl for piece in pieces][1:] == [6] * (len(pieces) - 1)
    assert b"".join(bytes(piece[IP].payload) for piece in pieces) == bytes(range(160)) * 2
    assert all(right(bytes(piece)) for piece in pieces)


@BOTH
def test_an_address_without_a_way_is_answered(version: int) -> None:
    far = IP(src=TEXT[4][0], dst="203.0.113.9") if version == 4 else IPv6(src=TEXT[6][0], dst="2001:db8:99::9")
    made, _ = router()
    (answer,) = sent(made, frame_of(far / UDP(dport=9) / b"x"))
    if version == 4:
        assert (answer[ICMP].type, answer[ICMP].code) == (3, 0)
    else:
        assert answer[ICMPv6DestUnreach].code == 0
    assert right(bytes(answer))


def test_a_damaged_ip_header_is_dropped_in_silence_and_a_sound_one_is_not() -> None:
    data = addressed(Talk().syn(), "client")
    made, _ = router()
    assert sent(made, data[:15] + b"\x55" + data[16:]) == []
    assert len(sent(made, data)) == 1


@pytest.mark.parametrize("destination", ["224.0.0.1", "255.255.255.255", "127.0.0.1", "169.254.1.1", "192.0.2.40"])
def test_what_must_not_be_forwarded_is_not_and_nobody_is_told(destination: str) -> None:
    made, _ = router()
    assert sent(made, frame_of(IP(src="192.0.2.20", dst=destination) / UDP() / b"x")) == []


def test_a_frame_to_another_hardware_address_is_not_ours() -> None:
    made, _ = router()
    data = addressed(Talk().syn(), "client")
    assert sent(made, MACS["server"] + data[6:]) == []


def test_no_error_is_sent_about_an_error_a_later_fragment_or_what_came_from_nobody() -> None:
    silent = [
        IP(src="192.0.2.20", dst="203.0.113.9", ttl=1) / ICMP(type=3),
        IP(src="192.0.2.20", dst="203.0.113.9", ttl=1, frag=10) / Raw(b"x" * 8),
        IPv6(src="2001:db8:7::20", dst="2001:db8:99::9", hlim=1) / ICMPv6DestUnreach(),
    ]
    for packet in silent:
        made, _ = router()
        assert sent(made, frame_of(packet)) == []
    made, _ = router()
    assert len(sent(made, frame_of(IP(src="192.0.2.20", dst="203.0.113.9", ttl=1) / ICMP(type=8)))) == 1


def test_errors_are_limited_in_rate() -> None:
    allowance = icmp.Allowance(a_second=10, burst=5)
    assert [allowance.take(START_NS) for _ in range(7)] == [True] * 5 + [False] * 2
    assert allowance.take(START_NS + 99 * MS) is False
    assert allowance.take(START_NS + 100 * MS) is True


@BOTH
def test_who_is_unknown_is_asked_for_and_gets_the_frame_then(version: int) -> None:
    made, _ = router()
    made.neighbours.known.clear()
    (question,) = sent(made, addressed(Talk(version).syn(), "client"))
    _, server, wire = TEXT[version]
    if version == 4:
        assert (question[ARP].op, question[ARP].psrc, question[ARP].pdst) == (1, wire, server)
        assert question.dst == "ff:ff:ff:ff:ff:ff"
        answer = ARP(op=2, psrc=server, hwsrc=MACS["server"].hex(":"), pdst=wire, hwdst=MACS["wire"].hex(":"))
    else:
        assert question["ICMPv6 Neighbor Discovery - Neighbor Solicitation"].tgt == server
        assert question.dst == "33:33:ff:00:00:10"
        assert right(bytes(question))
        option = {"type": 2, "lladdr": MACS["server"].hex(":")}
        from scapy.layers.inet6 import ICMPv6NDOptDstLLAddr

        answer = IPv6(src=server, dst=wire, hlim=255) / ICMPv6ND_NA(tgt=server) / ICMPv6NDOptDstLLAddr(**option)
    (frame,) = sent(made, frame_of(answer))
    assert frame.dst == MACS["server"].hex(":")
    assert frame.haslayer(TCP)


def test_a_host_learns_the_wire_from_a_question_of_its_own() -> None:
    made, _ = router()
    made.neighbours.known.clear()
    made.receive(frame_of(ARP(op=1, psrc="192.0.2.20", hwsrc=MACS["client"].hex(":"), pdst="192.0.2.40")), START_NS)
    assert made.neighbours.known == {ADDRESSES[4]["client"]: MACS["client"]}


def test_a_claim_to_our_own_address_is_not_believed() -> None:
    made, _ = router()
    made.receive(frame_of(ARP(op=2, psrc="192.0.2.40", hwsrc="02:00:00:00:00:99", pdst="192.0.2.40")), START_NS)
    assert ADDRESSES[4]["wire"] not in made.neighbours.known


def test_who_does_not_answer_three_times_is_unreachable() -> None:
    made, _ = router()
    del made.neighbours.known[ADDRESSES[4]["server"]]
    made.receive(addressed(Talk().syn(), "client"), START_NS)
    asked = [len(made.outgoing(START_NS + step * 1000 * MS)) for step in range(3)]
    assert asked == [1, 1, 1]
    assert made.next_ns() == START_NS + 3000 * MS
    (answer,) = [Ether(out) for out in made.outgoing(START_NS + 3000 * MS)]
    assert (answer[ICMP].type, answer[ICMP].code) == (3, 1)
    assert made.next_ns() is None


def test_loading_a_script_mid_session_sets_free_what_the_old_one_held() -> None:
    made, log = router("client data: hold until client RST")
    talk = Talk()
    for side, data in talk.handshake():
        made.receive(addressed(data, side), START_NS)
    assert len(made.outgoing(START_NS)) == 3
    assert sent(made, addressed(talk.data("client", b"one"), "client")) == []
    made.load(read("client data 1: drop"), START_NS)
    (out,) = [Ether(frame) for frame in made.outgoing(START_NS)]
    assert bytes(out[TCP].payload) == b"one"
    assert sent(made, addressed(talk.data("client", b"two"), "client")) == []
    assert len(sent(made, addressed(talk.data("client", b"three"), "client"))) == 1
    assert "script" in [line["event"] for line in log]


def test_an_empty_script_makes_the_wire_transparent_once_nothing_waits() -> None:
    made, _ = router("client SYN: delay 5 ms")
    assert not made.transparent
    made.receive(addressed(Talk().syn(), "client"), START_NS)
    made.load(read("# nothing"), START_NS)
    assert not made.transparent
    assert len(made.outgoing(START_NS)) == 1
    assert made.transparent


@pytest.mark.parametrize(
    "octets",
    [b"", b"\0" * 13, b"\xff" * 60, MACS["wire"] + b"\0" * 6 + b"\x08\0", MACS["wire"] + b"\0" * 6 + b"\x86\xdd\x60"],
)
def test_rubbish_is_neither_forwarded_nor_a_crash(octets: bytes) -> None:
    made, _ = router()
    assert sent(made, octets) == []


@BOTH
def test_a_frame_cut_anywhere_is_never_a_crash(version: int) -> None:
    made, _ = router("client data: corrupt, truncate to 3, set window 1, duplicate")
    data = large(version)
    for length in range(len(data)):
        assert sent(made, data[:length]) == []
    assert len(sent(made, data)) == 2

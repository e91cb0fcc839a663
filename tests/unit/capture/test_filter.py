"""The capture filter, run in user space by libpcap's rules: what passes and what does not."""

from __future__ import annotations

import socket

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NS,
    ICMPv6ND_RS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from lab.capture.errors import TapError
from lab.capture.filter import EXPRESSION, NOT_OURS, SockFilter, compile_program, compiled
from lab.capture.ring import SO_ATTACH_FILTER, SockFprog


def run(program: list[SockFilter], octets: bytes, packet_type: int = 0, tagged: bool = False) -> int:
    """The classic BPF machine, as far as libpcap's programs for this filter use it: returns how many octets to keep.

    packet_type, tagged: what the kernel knows beside the octets (linux/if_packet.h; whether it took a VLAN tag off).
    """
    known = {0xFFFFF000 + 4: packet_type, 0xFFFFF000 + 48: int(tagged)}
    accumulator, at = 0, 0
    while True:
        op = program[at]
        at += 1
        if op.code == 0x06:  # ret k
            return int(op.k)
        size = {0x28: 2, 0x30: 1, 0x20: 4}.get(op.code)
        if op.k in known:
            accumulator = known[op.k]
        elif size:  # load half, byte, word at k
            if op.k + size > len(octets):
                return 0
            accumulator = int.from_bytes(octets[op.k : op.k + size], "big")
        elif op.code in (0x15, 0x25, 0x35, 0x45):  # jump if equal, greater, greater or equal, any bit
            truth = {
                0x15: accumulator == op.k,
                0x25: accumulator > op.k,
                0x35: accumulator >= op.k,
                0x45: bool(accumulator & op.k),
            }[op.code]
            at += op.jt if truth else op.jf
        else:
            raise AssertionError(f"instruction {op.code:#x} is not known here")


# With both hardware addresses given: Scapy would ask the network for missing ones.
ETHER = Ether(src="02:00:00:00:00:14", dst="02:00:00:00:00:0a")
V4 = ETHER / IP(src="192.0.2.20", dst="192.0.2.10")
V6 = ETHER / IPv6(src="2001:db8:7::20", dst="2001:db8:7::10")
KEPT = {
    "TCP": V4 / TCP(),
    "TCP on any port": V4 / TCP(sport=1, dport=65535),
    "ICMP": V4 / ICMP(),
    "ARP": ETHER / ARP(),
    "a later fragment": ETHER / IP(frag=10, proto=6) / Raw(b"x" * 30),
    "TCP over IPv6": V6 / TCP(),
    "neighbour solicitation": V6 / ICMPv6ND_NS(),
    "ICMPv6 echo": V6 / ICMPv6EchoRequest(),
    "TCP behind destination options": V6 / IPv6ExtHdrDestOpt() / TCP(),
    "TCP behind hop-by-hop options": V6 / IPv6ExtHdrHopByHop() / TCP(),
    "an IPv6 fragment": V6 / IPv6ExtHdrFragment(offset=10) / Raw(b"x" * 30),
}
LEFT_OUT = {
    "UDP": V4 / UDP(),
    "UDP over IPv6": V6 / UDP(),
    "router solicitation": V6 / ICMPv6ND_RS(),
    "multicast listener report": V6 / IPv6ExtHdrHopByHop() / ICMPv6MLReport2(),
    "another EtherType": Ether(src=ETHER.src, dst=ETHER.dst, type=0x88CC) / Raw(b"x" * 50),
}


@pytest.fixture(scope="module")
def program() -> list[SockFilter]:
    """The program as the tap loads it."""
    return compile_program(EXPRESSION, 65535)


@pytest.fixture(scope="module")
def fresh() -> list[SockFilter]:
    """The same expression, compiled now by this machine's libpcap."""
    try:
        return [SockFilter(*instruction) for instruction in compiled(EXPRESSION)]
    except TapError as error:
        pytest.skip(f"this machine has no libpcap to compare with ({error})")


@pytest.mark.parametrize("name", [*KEPT, *LEFT_OUT])
def test_the_program_in_the_repository_decides_as_a_freshly_compiled_one(
    program: list[SockFilter], fresh: list[SockFilter], name: str
) -> None:
    octets = bytes({**KEPT, **LEFT_OUT}[name])
    assert bool(run(program, octets)) == bool(run(fresh, octets))


@pytest.mark.parametrize("name", KEPT)
def test_what_belongs_to_a_session_passes(program: list[SockFilter], name: str) -> None:
    packet: Packet = KEPT[name]
    assert run(program, bytes(packet)) == 65535


@pytest.mark.parametrize("name", LEFT_OUT)
def test_noise_is_left_out(program: list[SockFilter], name: str) -> None:
    packet: Packet = LEFT_OUT[name]
    assert run(program, bytes(packet)) == 0


@pytest.mark.parametrize("name", [*KEPT, *LEFT_OUT])
@pytest.mark.parametrize(("packet_type", "tagged", "ours"), [(0, False, True), (1, False, True), (2, False, True),
                         (4, False, True), (3, False, False), (0, True, False), (4, True, False)])  # fmt: skip
def test_frames_for_another_station_and_tagged_ones_are_left_out_whatever_they_are(
    program: list[SockFilter], name: str, packet_type: int, tagged: bool, ours: bool
) -> None:
    whole = [*(SockFilter(*words) for words in NOT_OURS), *program]
    octets = bytes({**KEPT, **LEFT_OUT}[name])
    assert run(whole, octets, packet_type, tagged) == (run(program, octets) if ours else 0)


def test_the_kernel_takes_the_whole_program_and_decides_as_the_machine_here(program: list[SockFilter]) -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there:
        whole = (SockFilter * (len(NOT_OURS) + len(program)))(*(SockFilter(*words) for words in NOT_OURS), *program)
        there.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(SockFprog(len(whole), whole)))
        there.setblocking(False)
        for name, packet in {**KEPT, **LEFT_OUT}.items():
            here.send(bytes(packet))
            try:
                passed = bool(there.recv(2048))
            except BlockingIOError:
                passed = False
            assert passed == (name in KEPT), name


def test_the_snaplen_stands_in_the_return_instruction(program: list[SockFilter]) -> None:
    assert run(compile_program(EXPRESSION, 96), bytes(KEPT["TCP"])) == 96


def test_a_filter_that_libpcap_does_not_understand_is_one_sentence(fresh: list[SockFilter]) -> None:
    with pytest.raises(TapError, match="not one libpcap understands"):
        compile_program("tcp and and", 96)

"""A wire without a network: a conversation made of segments, put through an engine or a router, with Scapy's word on
what came out.

``Talk`` plays both ends of one TCP session, as far as numbers go: it never looks at what the wire does, so the same
traffic can be put through any script.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether

from lab.router import forge
from lab.router.engine import Engine
from lab.router.grammar import read
from lab.router.router import Router
from lab.router.script import Side
from lab.router.surroundings import Surroundings
from lab.wire.packet import Endpoint, Flags

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
MACS: dict[str, bytes] = {
    "client": b"\x02\x42\0\0\0\x14",
    "server": b"\x02\x42\0\0\0\x0a",
    "wire": b"\x02\x42\0\0\0\x28",
}
ADDRESSES: dict[int, dict[str, bytes]] = {
    4: {"client": bytes((192, 0, 2, 20)), "server": bytes((192, 0, 2, 10)), "wire": bytes((192, 0, 2, 40))},
    6: {
        name: bytes.fromhex("20010db80007") + bytes(9) + bytes((last,))
        for name, last in (("client", 0x20), ("server", 0x10), ("wire", 0x40))
    },
}
SPARE = {4: (bytes((192, 0, 2, 126)), bytes((192, 0, 2, 125))), 6: (ADDRESSES[6]["wire"][:15] + b"\xff",)}
ISN: dict[Side, int] = {"client": 0xFFFFFFF0, "server": 5000}  # the client's numbers wrap early
SIDES: tuple[Side, Side] = ("client", "server")


def around(mtu_bytes: int = 1500) -> Surroundings:
    """The wire between the two hosts."""
    hosts: dict[bytes, Side] = {ADDRESSES[version][side]: side for version in (4, 6) for side in SIDES}
    own = {version: ADDRESSES[version]["wire"] for version in (4, 6)}
    return Surroundings(mac=MACS["wire"], own=own, hosts=hosts, spare=SPARE, mtu_bytes=mtu_bytes)


@dataclass
class Talk:
    """The segments of one session, made one after the other. version: of IP. port: the client's. timestamps: whether
    segments carry the option."""

    version: int = 4
    port: int = 40000
    timestamps: bool = False
    next: dict[Side, int] = field(default_factory=lambda: {"client": 0, "server": 0})

    def end(self, side: Side) -> Endpoint:
        """A side's address and port."""
        return Endpoint(ADDRESSES[self.version][side], self.port if side == "client" else 7)

    def segment(
        self,
        side: Side,
        flags: Flags,
        payload: bytes = b"",
        at: int | None = None,
        options: bytes = b"",
        window: int = 500,
    ) -> bytes:
        """A segment of a side; at: its offset, by default where the side's numbers end."""
        other: Side = "server" if side == "client" else "client"
        offset = self.next[side] if at is None else at
        seq = ISN[side] + offset & 0xFFFFFFFF
        ack = ISN[other] + self.next[other] & 0xFFFFFFFF if flags & Flags.ACK else 0
        if self.timestamps:
            options += b"\x01\x01\x08\x0a\0\0\0\x07\0\0\0\x09"
        made = forge.segment(
            self.end(side), self.end(other), seq, ack, flags, window=window, options=options, payload=payload
        )
        taken = len(payload) + bool(flags & Flags.SYN) + bool(flags & Flags.FIN)
        self.next[side] = max(self.next[side], offset + taken)
        return made

    def syn(self) -> bytes:
        """The client's SYN, with an MSS."""
        return self.segment("client", Flags.SYN, at=0, options=b"\x02\x04\x05\xb4")

    def syn_ack(self) -> bytes:
        """The server's SYN-ACK."""
        return self.segment("server", Flags.SYN | Flags.ACK, at=0, options=b"\x01\x01\x02\x04\x05\xb4\0\0")

    def ack(self, side: Side) -> bytes:
        """A bare ACK."""
        return self.segment(side, Flags.ACK)

    def data(self, side: Side, text: bytes, at: int | None = None) -> bytes:
        """Text; at: the offset of an earlier one, to send it again."""
        return self.segment(side, Flags.PSH | Flags.ACK, text, at)

    def fin(self, side: Side) -> bytes:
        """A FIN."""
        return self.segment(side, Flags.FIN | Flags.ACK)

    def handshake(self) -> list[tuple[Side, bytes]]:
        """SYN, SYN-ACK, ACK."""
        return [("client", self.syn()), ("server", self.syn_ack()), ("client", self.ack("client"))]


class Bench:
    """An engine with its script, its log, and a clock that only moves when told to."""

    def __init__(self, script: str, mtu_bytes: int = 1500) -> None:
        self.log: list[dict[str, Any]] = []
        self.engine = Engine(read(script), around(mtu_bytes), self.log.append)
        self.now_ns = START_NS
        self.taken = 0

    def put(self, side: Side, data: bytes, after_ms: float = 1) -> list[bytes]:
        """A frame comes; what has left the wire by then."""
        self.now_ns += round(after_ms * MS)
        self.taken += 1
        self.engine.take(self.taken, data, side, self.now_ns)
        return self.left()

    def play(self, frames: list[tuple[Side, bytes]]) -> list[bytes]:
        """Frames come one after the other; all that has left."""
        return [out for side, data in frames for out in self.put(side, data)]

    def wait(self, ms: float) -> list[bytes]:
        """Time goes by; what has left the wire by then."""
        self.now_ns += round(ms * MS)
        return self.left()

    def left(self) -> list[bytes]:
        """What has left by now."""
        return [taken.data for taken in self.engine.ready(self.now_ns)]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's lines of one kind."""
        return [line for line in self.log if line["event"] == name]


def opened(script: str, talk: Talk | None = None) -> tuple[Bench, Talk]:
    """A bench on which a session has just been opened."""
    bench, made = Bench(script), talk or Talk()
    bench.play(made.handshake())
    return bench, made


def router(script: str = "", mtu_bytes: int = 1500) -> tuple[Router, list[dict[str, Any]]]:
    """A router that knows its neighbours, and its log."""
    log: list[dict[str, Any]] = []
    made = Router(around(mtu_bytes), log.append, read(script))
    for version in (4, 6):
        for side in SIDES:
            made.neighbours.known[ADDRESSES[version][side]] = MACS[side]
    return made, log


def addressed(data: bytes, side: Side) -> bytes:
    """The frame as the side's host sends it to the wire."""
    return MACS["wire"] + MACS[side] + data[12:]


def sent(made: Router, data: bytes, now_ns: int = START_NS) -> list[Any]:
    """Put a frame through a router; what it sends, dissected by Scapy."""
    made.receive(data, now_ns)
    return [Ether(out) for out in made.outgoing(now_ns)]


def right(data: bytes) -> bool:
    """Whether every checksum and length of a frame is what Scapy reckons."""
    packet = Ether(data)
    anew = packet.copy()
    for layer in (IP, TCP, ICMP):
        if anew.haslayer(layer):
            del anew[layer].chksum
    if anew.haslayer(IP):
        del anew[IP].len
    if anew.haslayer(IPv6):
        del anew[IPv6].plen
    return bytes(anew) == bytes(packet)


def text_of(data: bytes) -> bytes:
    """The TCP payload, as Scapy sees it."""
    return bytes(Ether(data)[TCP].payload)


__all__ = ["ADDRESSES", "ARP", "ICMP", "IP", "MACS", "MS", "START_NS", "TCP", "Bench", "Ether", "IPv6", "Talk"]

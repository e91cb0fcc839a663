"""Traffic for tests of the tap: whole TCP sessions as frames, with whatever trouble a seed brings."""

from __future__ import annotations

import ipaddress
import random
import struct
from dataclasses import dataclass, field

import numpy as np

from lab.capture.spool import Pile
from lab.wire.columns import columns
from lab.wire.frame import Direction, Frame

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
START_NS = 1_800_000_000_000_000_000


def checksum(octets: bytes) -> int:
    """RFC 1071."""
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(
    source: tuple[str, int],
    destination: tuple[str, int],
    seq: int,
    ack: int,
    flags: int,
    payload: bytes = b"",
    window: int = 64000,
    options: bytes = b"",
    bad: bool = False,
) -> bytes:
    """One Ethernet frame with a TCP segment, over IPv4 or IPv6 as the addresses are. bad: with a wrong checksum."""
    here, there = ipaddress.ip_address(source[0]), ipaddress.ip_address(destination[0])
    offset = 5 + len(options) // 4
    tcp = struct.pack(
        "!HHIIBBHHH", source[1], destination[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset << 4, flags, window, 0, 0
    )
    tcp += options + payload
    pseudo = here.packed + there.packed
    pseudo += struct.pack("!BBH", 0, 6, len(tcp)) if here.version == 4 else struct.pack("!II", len(tcp), 6)
    value = checksum(pseudo + tcp) ^ (0x5555 if bad else 0)
    tcp = tcp[:16] + struct.pack("!H", value) + tcp[18:]
    if here.version == 4:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 7, 0x4000, 64, 6, 0) + here.packed + there.packed
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        kind = b"\x08\x00"
    else:
        ip = struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + here.packed + there.packed
        kind = b"\x86\xdd"
    return b"\x02\0\0\0\0\x0a\x02\0\0\0\0\x14" + kind + ip + tcp


@dataclass
class Talk:
    """One session's frames, made one after the other; ``trouble`` is how often something odd happens (0 to 1)."""

    chance: random.Random
    port: int
    version: int = 4
    trouble: float = 0.0
    frames: list[tuple[int, bytes, Direction]] = field(default_factory=list)

    def __post_init__(self) -> None:
        prefix = "192.0.2." if self.version == 4 else "2001:db8:7::"
        self.ends = {"client": (prefix + "20", self.port), "server": (prefix + "10", 7)}
        self.next = {"client": self.chance.getrandbits(32), "server": self.chance.getrandbits(32)}
        self.time_ns = START_NS + self.chance.randrange(1_000_000)

    def send(self, who: str, flags: int, payload: bytes = b"", **more: object) -> None:
        peer = "server" if who == "client" else "client"
        options = b"\x02\x04\x05\xb4\x01\x03\x03\x07" if flags & SYN else b""
        if not flags & SYN and self.port % 2:
            options = b"\x01\x01\x08\x0a" + struct.pack("!II", len(self.frames), 5)
        arguments = {"window": self.chance.choice((500, 501, 64000)), "options": options, **more}
        seq = self.next[who] + int(arguments.pop("shift", 0))  # type: ignore[call-overload]
        ack = self.next[peer] if flags & ACK else 0
        octets = segment(self.ends[who], self.ends[peer], seq, ack, flags, payload, **arguments)  # type: ignore[arg-type]
        self.time_ns += self.chance.randrange(1_000, 300_000)
        self.frames.append((self.time_ns, octets, Direction.OUTBOUND if who == "server" else Direction.INBOUND))
        if "shift" not in more:
            self.next[who] += len(payload) + bool(flags & SYN) + bool(flags & FIN)

    def play(self, turns: int, ending: str) -> list[tuple[int, bytes, Direction]]:
        """Handshake, ``turns`` lines with their answers, and an end: ``fin``, ``rst`` or ``open``."""
        self.send("client", SYN)
        self.send("server", SYN | ACK)
        self.send("client", ACK)
        for turn in range(turns):
            text = f"line {turn} ".encode() * self.chance.randrange(1, 9) + b"\n"
            self.send("client", PSH | ACK, text)
            if self.chance.random() < 0.3:
                self.send("server", ACK)
            self.send("server", PSH | ACK, text.upper())
            if self.chance.random() < 0.3:
                self.send("client", ACK)
            if self.chance.random() < self.trouble:
                self._oddity()
        if ending == "fin":
            self.send("server", FIN | ACK)
            self.send("client", FIN | ACK)
            self.send("server", ACK)
        elif ending == "rst":
            self.send(self.chance.choice(("client", "server")), RST | ACK)
        return self.frames

    def _oddity(self) -> None:
        kind = self.chance.randrange(8)
        who = self.chance.choice(("client", "server"))
        if kind == 0:  # a retransmission
            self.frames.append((self.time_ns + 5, self.chance.choice(self.frames)[1], Direction.INBOUND))
        elif kind == 1:  # a frame that the capture does not have
            del self.frames[-1]
        elif kind == 2:  # two in the wrong order
            one, two = self.frames[-2:]
            self.frames[-2:] = [(one[0], two[1], two[2]), (two[0], one[1], one[2])]
        elif kind == 3:
            self.send(who, ACK, window=0)
        elif kind == 4:  # a keep-alive
            self.send(who, ACK, shift=-1)
        elif kind == 5:
            self.send(who, PSH | ACK, b"damaged\n", bad=True)
            self.next[who] -= len(b"damaged\n")
        elif kind == 6:
            self.send(who, ACK)  # an acknowledgment that says nothing new
        else:
            self.send(who, ACK | PSH, b"x" * 3000, window=1)


def mixed(seed: int, sessions: int, trouble: float) -> list[Frame]:
    """Frames of many sessions at once, in the order of their times."""
    chance = random.Random(seed)
    frames: list[tuple[int, bytes, Direction]] = []
    for number in range(sessions):
        talk = Talk(chance, 40000 + number, chance.choice((4, 4, 6)), trouble)
        frames += talk.play(chance.randrange(0, 60), chance.choice(("fin", "fin", "rst", "open")))
    frames.sort(key=lambda frame: frame[0])
    return [Frame(time_ns, octets, len(octets), 0, direction) for time_ns, octets, direction in frames]


def pile_of(frames: list[Frame]) -> Pile:
    """The frames as they would lie in the spool: each at an even place."""
    memory = bytearray()
    starts = []
    for frame in frames:
        memory += b"\xee" * (82 + len(memory) % 2)
        starts.append(len(memory))
        memory += frame.data
    memory += b"\xee" * 200
    octets = np.frombuffer(bytes(memory), np.uint8)
    start = np.array(starts, np.int64)
    captured = np.array([len(f.data) for f in frames], np.int64)
    length = np.array([f.length_bytes for f in frames], np.int64)
    return Pile(
        octets,
        start,
        captured,
        length,
        np.array([f.time_ns for f in frames], np.int64),
        np.array([f.direction is Direction.OUTBOUND for f in frames], np.bool_),
        columns(octets, start, captured, length),
    )

"""A student's own captures of a simple exercise, made without Docker from that student's own numbers: what the player's
program says is spoken between a made-up client and a made-up echo server, segment by segment, as Linux would.

Only what the simple scenarios use is spoken: one connection after the other, no wire, nothing lost. The rest has
recorded runs (``made``).
"""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.grade.manifest import Exercise
from lab.grade.scenario import program
from lab.wire.frame import Frame
from tests.unit.capture.traffic import ACK, FIN, PSH, START_NS, SYN, segment

SPOKEN = frozenset({"connect", "send", "wait_acknowledged", "read", "read_end", "pause", "half_close", "close"})
NAMES = {"198.51.100.20": ["client"], "198.51.100.10": ["server"]}
_ENDS = {"client": "198.51.100.20", "server": "198.51.100.10"}
_PEER = {"client": "server", "server": "client"}
_ROOM = 1448  # an MSS of 1460 less the time stamps that every segment carries
_SHIFT = 7


def can_speak(exercise: Exercise) -> bool:
    """Whether all of an exercise can be spoken."""
    scenario = exercise.scenario
    plain = not scenario.through_wire and not scenario.fresh_host and not scenario.fresh_quirks
    return plain and all(
        plan.verdict == "complete"
        and plan.to == "server"
        and not plan.by_hand
        and not plan.server
        and plan.options.keys() <= {"nodelay", "source_port"}
        and {step["do"] for step in plan.steps} <= SPOKEN
        for plan in scenario.plans
    )


def speak(exercise: Exercise, values: Mapping[str, str | int], chance: random.Random) -> dict[str, list[Frame]]:
    """Every part of an exercise with its frames."""
    found: dict[str, list[Frame]] = {}
    start_ns = START_NS + chance.randrange(10**15)
    for connection in program(exercise.scenario.plans, values)["connections"]:
        for number, name in enumerate(connection["names"]):
            port = int(connection.get("source_port", chance.randrange(32_768, 60_999)))
            talk = _Talk(chance, start_ns, (port, connection["port"]))
            for step in connection["steps"]:
                talk.do(step[number])
            start_ns = talk.now_ns + chance.randrange(200_000, 900_000)
            found[name] = talk.frames
    return found


@dataclass
class _Talk:
    """One connection. next: the raw number that each end uses next; acked: what it has acknowledged of the other."""

    chance: random.Random
    now_ns: int
    ports: tuple[int, int]
    frames: list[Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.next = {role: self.chance.getrandbits(32) for role in _ENDS}
        self.clock = {role: self.chance.getrandbits(31) for role in _ENDS}
        self.heard = dict.fromkeys(_ENDS, 0)
        self.line, self.closed = b"", False
        self.closers: list[str] = []

    def send(self, role: str, flags: int, payload: bytes = b"", options: bytes = b"") -> None:
        """One segment, and a few microseconds."""
        self.now_ns += self.chance.randrange(8_000, 60_000)
        stamp = self.clock[role] + self.now_ns // 1_000_000 % 1_000_000, self.heard[role]
        self.heard[_PEER[role]] = stamp[0]
        options += b"\1\1\x08\x0a" + struct.pack("!II", *stamp)
        ports = dict(zip(_ENDS, self.ports, strict=True))
        here, there = (_ENDS[role], ports[role]), (_ENDS[_PEER[role]], ports[_PEER[role]])
        ack = self.next[_PEER[role]] if flags & ACK else 0
        window = 64_240 if flags & SYN else 502
        data = segment(here, there, self.next[role], ack, flags, payload, window, options)
        self.frames.append(Frame(self.now_ns, data, len(data)))
        self.next[role] += len(payload) + bool(flags & SYN) + bool(flags & FIN)

    def do(self, step: Mapping[str, Any]) -> None:
        """One step of the player."""
        if step["do"] == "connect":
            self.send("client", SYN, options=b"\x02\x04\x05\xb4\1\3\3" + bytes([_SHIFT]) + b"\1\1\4\2")
            self.send("server", SYN | ACK, options=b"\x02\x04\x05\xb4\1\3\3" + bytes([_SHIFT]) + b"\1\1\4\2")
            self.send("client", ACK)
        elif step["do"] == "send":
            for piece in step["pieces"]:
                self.say("client", str(piece).encode())
                self.answer(str(piece).encode())
        elif step["do"] in ("half_close", "close") and "client" not in self.closers:
            self.fin("client")
            if step["do"] == "half_close" and self.line:
                self.say("server", self.line.upper())
                self.send("client", ACK)
            self.fin("server")

    def say(self, role: str, octets: bytes) -> None:
        """Text, cut into segments; the last one is pushed."""
        for at in range(0, len(octets), _ROOM):
            piece = octets[at : at + _ROOM]
            self.send(role, ACK | (PSH if at + _ROOM >= len(octets) else 0), piece)
        if role == "client" and len(octets) > _ROOM:
            self.send("server", ACK)

    def answer(self, octets: bytes) -> None:
        """What the echo server says to that: capital letters, line by line, and goodbye to quit."""
        *lines, self.line = (self.line + octets).split(b"\n")
        told = b"".join(line.upper() + b"\n" for line in lines if line != b"quit")
        if told:
            self.say("server", told)
        if b"quit" in lines:
            self.say("server", b"Good bye\n")
            self.fin("server")
        if told or b"quit" in lines:
            self.send("client", ACK)

    def fin(self, role: str) -> None:
        """An end closes; the other one acknowledges that, with its own FIN if it has none left to send."""
        if role in self.closers:
            return
        self.closers.append(role)
        self.send(role, FIN | ACK)
        if len(self.closers) == 2:
            self.send(_PEER[role], ACK)

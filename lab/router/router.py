"""One hop: what a router does with every frame before and after the fault script has its way. Pure, like the engine.

A frame comes in on the one arm, addressed to our hardware address. It is looked at as RFC 1812 §5.2 and RFC 8200 say: a
damaged header is dropped in silence, TTL or hop limit goes down and is honoured, an address without a way is answered.
Then the engine acts, and what it lets out gets the hardware address of its receiver and leaves on the same arm.
"""

from __future__ import annotations

from collections.abc import Callable

from lab.router.decisions import Line, identity
from lab.router.engine import Engine, Taken
from lab.router.neighbours import Neighbours
from lab.router.octets import IP, addresses, hopped, ip_end, ttl_of
from lab.router.script import EMPTY, OTHER, Script
from lab.router.surroundings import Surroundings
from lab.wire import checksum
from lab.wire.frame import Frame
from lab.wire.packet import Arp, Icmp
from lab.wire.parse import ARP, HEADER_BYTES, IP4, IP6, parse

_MULTICAST4 = 224
_LINK_LOCAL4, _LINK_LOCAL6 = b"\xa9\xfe", b"\xfe\x80"


class Router:
    """The wire between two hosts. around: its place. log: gets every decision."""

    def __init__(self, around: Surroundings, log: Callable[[Line], None], script: Script = EMPTY) -> None:
        self.around = around
        self.neighbours = Neighbours(around)
        self.log = log
        self.engine = Engine(script, around, log)
        self.frames = 0
        self._out: list[bytes] = []
        self._old: list[Engine] = []

    @property
    def transparent(self) -> bool:
        """Whether nothing is to be done but to forward: then a quicker way may do it."""
        return self.engine.script.empty and not self.engine.busy and not self._old

    def load(self, script: Script, now_ns: int) -> None:
        """From now on this script. What the old one held back goes on its way; sessions are counted anew."""
        self.engine.release(now_ns)
        if self.engine.busy:
            self._old.append(self.engine)
        self.engine = Engine(script, self.around, self.log)
        self.log({"time_ns": now_ns, "event": "script", "name": script.name, "rules": len(script.rules)})

    def greet(self, now_ns: int) -> None:
        """Ask for the hardware addresses of the hosts, before the first frame needs them."""
        for address in self.around.hosts:
            self._out += self.neighbours.ask_for(address, now_ns)

    def receive(self, data: bytes, now_ns: int) -> None:
        """A frame from the link."""
        kind = data[12:14]
        if kind == ARP:
            packet = parse(Frame(now_ns, data, len(data)))
            if isinstance(packet, Arp):
                self._out += self.neighbours.learn(packet)
            return
        if len(data) < HEADER_BYTES + (20 if kind == IP4 else 40) or kind not in (IP4, IP6):
            return
        if kind == IP6 and data[20] == 58 and data[21] == 255:  # RFC 4861 §7.1: from this link only
            packet = parse(Frame(now_ns, data, len(data)))
            if isinstance(packet, Icmp) and packet.neighbour is not None:
                self._out += self.neighbours.learn(packet)
                return
        if data[:6] == self.around.mac:
            self._route(data, now_ns)

    def outgoing(self, now_ns: int) -> list[bytes]:
        """The frames to put on the link now, in order."""
        for engine in (*self._old, self.engine):
            for taken in engine.ready(now_ns):
                self._address(taken, now_ns)
        self._old = [engine for engine in self._old if engine.busy]
        for lost in self.neighbours.given_up(now_ns):
            self._complain(self.around.unreachable(lost, now_ns), now_ns)
        self._out += self.neighbours.again(now_ns)
        out, self._out = self._out, []
        return out

    def next_ns(self) -> int | None:
        """When ``outgoing`` is worth asking again; None if nothing waits for a time."""
        times = [engine.next_ns() for engine in (*self._old, self.engine)] + [self.neighbours.next_ns]
        return min((time_ns for time_ns in times if time_ns is not None), default=None)

    def _route(self, data: bytes, now_ns: int) -> None:
        if not header_is_sound(data):
            return
        data = data[: ip_end(data)]  # the padding of short frames is the link's, not the packet's
        source, destination = addresses(data)
        if destination in self.around.own.values() or not may_be_forwarded(source, destination):
            return
        self.frames += 1
        hops = self.engine.script.hops
        if ttl_of(data) <= hops:
            self._tell("expired", data, now_ns)
            self._complain(self.around.expired(data, now_ns), now_ns)
            return
        side = self.around.hosts.get(source)
        if side is None or self.around.hosts.get(destination) != OTHER[side]:
            self._tell("no-route", data, now_ns)
            self._complain(self.around.no_route(data, now_ns), now_ns)
            return
        for _ in range(hops):
            data = hopped(data)
        self.engine.take(self.frames, data, side, now_ns)

    def _address(self, taken: Taken, now_ns: int) -> None:
        if taken.raw:
            self._out.append(taken.data)
        else:
            self._out += self.neighbours.send(taken.data, addresses(taken.data)[1], now_ns)

    def _complain(self, error: bytes | None, now_ns: int) -> None:
        if error is not None:
            self._tell("out", error, now_ns, forged="ICMP error")
            self._out += self.neighbours.send(error, addresses(error)[1], now_ns)

    def _tell(self, event: str, data: bytes, now_ns: int, **more: object) -> None:
        self.log({"time_ns": now_ns, "event": event, "frame": self.frames, **more, **identity(data)})


def header_is_sound(data: bytes) -> bool:
    """Whether the IP header adds up and fits its frame (RFC 1812 §5.2.2); what is not sound is dropped in silence."""
    if data[12:14] == IP4:
        end = IP + (data[14] & 15) * 4
        total = int.from_bytes(data[16:18], "big")
        long_enough = data[14] >> 4 == 4 and IP + 20 <= end <= len(data) and end - IP <= total <= len(data) - IP
        return long_enough and checksum.fits(data[IP:end])
    return data[14] >> 4 == 6 and ip_end(data) <= len(data)


def may_be_forwarded(source: bytes, destination: bytes) -> bool:
    """Whether these addresses may cross a router: none of one link only, none of many (RFC 1812 §5.3.7, RFC 4291)."""
    if len(destination) == 4:
        ends = source, destination
        return all(0 < a[0] < _MULTICAST4 and a[0] != 127 and a[:2] != _LINK_LOCAL4 for a in ends)
    return all(a[0] != 0xFF and a[:2] != _LINK_LOCAL6 and any(a[:15]) for a in (source, destination))

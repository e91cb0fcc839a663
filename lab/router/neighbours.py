"""Who has which address on the link: the wire's own ARP (RFC 826) and neighbour discovery (RFC 4861).

The wire's kernel answers for the wire's address. But whom to send a routed frame to, the wire must know itself: it
asks for its two hosts when it starts, learns from every ARP and neighbour discovery frame that it sees, and asks again
for an address that it does not know, keeping a few frames meanwhile.
"""

from __future__ import annotations

import struct

from lab.router.forge import with_icmp6
from lab.router.surroundings import Surroundings
from lab.wire.icmp import SOLICITATION
from lab.wire.packet import Arp, Icmp
from lab.wire.parse import ARP, IP6

MOST_PENDING = 16
MOST_KNOWN = 1024
ASK_EVERY_NS = 1_000_000_000
MOST_ASKED = 3
_REQUEST = 1
_BROADCAST = b"\xff" * 6


class Neighbours:
    """The table, and the frames that wait for an entry."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self.known: dict[bytes, bytes] = {}
        self._pending: dict[bytes, list[bytes]] = {}
        self._asked: dict[bytes, tuple[int, int]] = {}  # how often, and when last

    def learn(self, packet: Arp | Icmp) -> list[bytes]:
        """Take an entry from an ARP or neighbour discovery packet. Returns the frames that waited for it, addressed."""
        if isinstance(packet, Arp):
            address, mac = packet.sender_address, packet.sender_mac
        elif packet.neighbour is not None and packet.neighbour.link_address is not None:
            address = packet.source if packet.type == SOLICITATION else packet.neighbour.target
            mac = packet.neighbour.link_address
        else:
            return []
        if not any(address) or mac[0] & 1 or mac == self._around.mac or address in self._around.own.values():
            return []
        if len(self.known) < MOST_KNOWN or address in self.known:
            self.known[address] = mac
        self._asked.pop(address, None)
        return [self.addressed(frame, mac) for frame in self._pending.pop(address, [])]

    def addressed(self, data: bytes, mac: bytes) -> bytes:
        """The frame with its hardware addresses."""
        return mac + self._around.mac + data[12:]

    def send(self, data: bytes, to: bytes, now_ns: int) -> list[bytes]:
        """What to put on the link for a frame to this address: the frame, or a question and the frame later."""
        mac = self.known.get(to)
        if mac is not None:
            return [self.addressed(data, mac)]
        waiting = self._pending.setdefault(to, [])
        if len(waiting) < MOST_PENDING:
            waiting.append(data)
        return self._ask(to, now_ns)

    def ask_for(self, address: bytes, now_ns: int) -> list[bytes]:
        """The question who has this address, if it is unknown and was not asked just now."""
        return [] if address in self.known else self._ask(address, now_ns)

    def given_up(self, now_ns: int) -> list[bytes]:
        """The frames that waited for somebody who has not answered three times; their senders should hear of it."""
        lost = []
        for address in [a for a, (times, last_ns) in self._asked.items() if self._over(times, last_ns, now_ns)]:
            del self._asked[address]
            lost += self._pending.pop(address, [])
        return lost

    def again(self, now_ns: int) -> list[bytes]:
        """The questions that are due once more."""
        return [question for address in list(self._asked) for question in self._ask(address, now_ns)]

    @property
    def next_ns(self) -> int | None:
        """When to ask again or to give up; None if nobody waits."""
        return min((last_ns + ASK_EVERY_NS for _, last_ns in self._asked.values()), default=None)

    def _over(self, times: int, last_ns: int, now_ns: int) -> bool:
        return times >= MOST_ASKED and now_ns - last_ns >= ASK_EVERY_NS

    def _ask(self, address: bytes, now_ns: int) -> list[bytes]:
        times, last_ns = self._asked.get(address, (0, 0))
        if times >= MOST_ASKED or (times and now_ns - last_ns < ASK_EVERY_NS):
            return []
        own = self._around.own.get(4 if len(address) == 4 else 6)
        if own is None:
            return []
        self._asked[address] = (times + 1, now_ns)
        mac = self._around.mac
        if len(address) == 4:
            body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, _REQUEST) + mac + own + bytes(6) + address
            return [(_BROADCAST + mac + ARP + body).ljust(60, b"\0")]
        # RFC 4291 §2.7.1: the question goes to the group of all whose address ends so.
        group = bytes.fromhex("ff0200000000000000000001ff") + address[13:]
        body = struct.pack("!BBHI", SOLICITATION, 0, 0, 0) + address + b"\x01\x01" + mac
        return [b"\x33\x33" + group[12:] + mac + IP6 + with_icmp6(own, group, body)]

"""The ARP and NDP frames of the last seconds, kept until a session of the same two hosts begins.

Before the first packet can leave, a host asks for its neighbour's hardware address. That exchange belongs to the
story of the session, but it comes before anybody knows that there will be one. So the last few such frames of every
pair of addresses are kept for a while.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from lab.wire.icmp import ADVERTISEMENT, SOLICITATION
from lab.wire.packet import Arp, Icmp

if TYPE_CHECKING:
    from lab.session.limits import Limits

Pair = tuple[bytes, bytes]


def pair(one: bytes, other: bytes) -> Pair:
    """Two addresses as a key, whichever comes first."""
    return (one, other) if one <= other else (other, one)


def pair_of(packet: Arp | Icmp) -> Pair:
    """Between which two addresses an ARP or neighbour discovery exchange is."""
    if isinstance(packet, Arp):
        return pair(packet.sender_address, packet.target_address)
    if packet.neighbour is None:
        return pair(packet.source, packet.destination)
    # A solicitation goes to a multicast group: who is meant is its target. An advertisement names itself as target.
    other = packet.source if packet.type == SOLICITATION else packet.destination
    return pair(other, packet.neighbour.target)


def announces(packet: Arp | Icmp) -> bool:
    """Whether somebody tells everybody, unasked, which hardware address an address has: gratuitous ARP (RFC 5227
    §1.1), or a neighbour advertisement to a group (RFC 4861 §7.2.6)."""
    if isinstance(packet, Arp):
        return packet.sender_address == packet.target_address
    told = packet.neighbour
    return told is not None and packet.type == ADVERTISEMENT and not told.solicited and packet.destination[0] == 0xFF


class Neighbours:
    """The last ARP and NDP frames by pair of addresses; bounded in pairs, frames and age."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_pair: OrderedDict[Pair, deque[Arp | Icmp]] = OrderedDict()

    def remember(self, packet: Arp | Icmp) -> None:
        """Keep a frame for the session that may follow."""
        key = pair_of(packet)
        kept = self._by_pair.get(key)
        if kept is None:
            kept = self._by_pair[key] = deque(maxlen=self._limits.max_neighbours)
            if len(self._by_pair) > self._limits.max_pairs:
                self._by_pair.popitem(last=False)
        else:
            self._by_pair.move_to_end(key)
        kept.append(packet)

    def take(self, one: bytes, other: bytes, time_ns: int) -> list[Arp | Icmp]:
        """The frames that went before a session of these addresses which begins now; they are forgotten here."""
        kept = self._by_pair.pop(pair(one, other), None)
        if kept is None:
            return []
        return [p for p in kept if abs(time_ns - p.frame.time_ns) <= self._limits.neighbour_ns]

    def __len__(self) -> int:
        return sum(len(kept) for kept in self._by_pair.values())

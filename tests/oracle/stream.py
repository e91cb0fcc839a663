"""What each segment brought, worked out once more and differently: from tshark's raw numbers, with a plain set of
ranges.

The lab's tracker and Wireshark both decide as they go, each with its own shortcuts. Where they disagree about a frame,
this third reckoning says what is the case: were these sequence numbers in the capture before, had the peer acknowledged
them before. It keeps every range it has seen, which a tap that runs for days could not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.oracle.tshark import ACK, FIN, RST, SYN, Row

Ends = tuple[tuple[str, int], tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Brought:
    """What one frame brought. end: 0 for the client's, 1 for the server's, None for a frame that is no segment.

    numbers: how many sequence numbers it takes (SYN and FIN count, RFC 9293 §3.4); seen: how many of them the capture
    held already; ahead: how many numbers before it were missing; acked: how many of its numbers the peer had
    acknowledged already. before_next: how far before the next expected number it begins (0: it does not).
    closed_window: whether the peer's window was 0. probed: how many of the numbers seen before were seen only in
    segments that met a closed window. outstanding: whether the peer has sent more than this frame
    acknowledges. acks_less: whether it acknowledges less than a frame before it. overtook: whether one of the
    acknowledgments before it was followed by a smaller one. behind_ack: whether an acknowledgment without text, with a
    higher sequence number, came before it. at_fin: whether it stands where this end's FIN stood.
    """

    end: int | None
    numbers: int = 0
    seen: int = 0
    ahead: int = 0
    acked: int = 0
    before_next: int = 0
    closed_window: bool = False
    probed: int = 0
    outstanding: bool = False
    acks_less: bool = False
    overtook: bool = False
    behind_ack: bool = False
    at_fin: bool = False


@dataclass
class _Side:
    base: int | None = None
    following: int = 0  # the number after the highest one seen, counted from base without wrapping
    acked: int | None = None
    ranges: list[tuple[int, int]] = field(default_factory=list)
    welcome: list[tuple[int, int]] = field(default_factory=list)  # those that met an open window
    window: int | None = None
    ack_start: int | None = None  # the highest number of an acknowledgment without text
    fin: int | None = None
    overtaken: bool = False  # an acknowledgment of this side's numbers was smaller than one before it

    def unwrap(self, seq: int) -> int:
        if self.base is None:
            self.base, self.following = seq, 0
        distance = (seq - self.base - self.following) & 0xFFFFFFFF
        return self.following + (distance if distance < 1 << 31 else distance - (1 << 32))


def _overlap(ranges: list[tuple[int, int]], start: int, end: int) -> int:
    return sum(max(0, min(end, b) - max(start, a)) for a, b in ranges)


def _joined(ranges: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    kept = []
    for a, b in ranges:
        if b < start or a > end:
            kept.append((a, b))
        else:
            start, end = min(start, a), max(end, b)
    return [*kept, (start, end)]


def reckon(rows: Sequence[Row], ends: Ends) -> list[Brought]:
    """What every frame of a capture brought. Damaged segments bring nothing; of a RST it says only how far ahead it
    is."""
    sides = (_Side(), _Side())
    return [_reckon(row, ends, sides) for row in rows]


def _reckon(row: Row, ends: Ends, sides: tuple[_Side, _Side]) -> Brought:
    if not row.is_tcp:
        return Brought(None)
    end = ends.index((row.address, row.port or 0))
    if row.damaged:
        return Brought(end)
    own, peer = sides[end], sides[1 - end]
    if row.flags & RST:
        return Brought(end, ahead=max(0, own.unwrap(row.seq) - own.following) if own.ranges else 0)
    start = own.unwrap(row.seq)
    numbers = row.payload_octets + bool(row.flags & SYN) + bool(row.flags & FIN)
    stop = start + numbers
    ack = peer.unwrap(row.ack) if row.flags & ACK else None
    less = ack is not None and peer.acked is not None and ack < peer.acked
    seen = _overlap(own.ranges, start, stop)
    brought = Brought(
        end,
        numbers,
        seen,
        max(0, start - own.following) if own.ranges else 0,
        max(0, min(stop, own.acked) - start) if own.acked is not None else 0,
        max(0, own.following - start) if own.ranges else 0,
        peer.window == 0,
        seen - _overlap(own.welcome, start, stop),
        ack is not None and peer.following > ack,
        less,
        peer.overtaken,
        own.ack_start is not None and start < own.ack_start,
        start == own.fin,
    )
    if row.flags & FIN:
        own.fin = stop - 1
    if not numbers:
        own.ack_start = start if own.ack_start is None else max(own.ack_start, start)
    if numbers:
        own.ranges = _joined(own.ranges, start, stop)
        if peer.window != 0:
            own.welcome = _joined(own.welcome, start, stop)
        own.following = max(own.following, stop)
    if ack is not None:
        peer.acked = ack if peer.acked is None else max(peer.acked, ack)
        peer.overtaken |= less
    own.window = row.window
    return brought

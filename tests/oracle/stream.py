"""What each segment brought, worked out once more and differently: from tshark's raw numbers, with a plain set of ranges.

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
    since_last_ns: time since this end's last segment with sequence numbers. fin_acked: whether the peer had
    acknowledged this end's FIN. closed_window: whether the peer's window was 0.
    """

    end: int | None
    numbers: int = 0
    seen: int = 0
    ahead: int = 0
    acked: int = 0
    before_next: int = 0
    since_last_ns: int = 0
    closed_window: bool = False


@dataclass
class _Side:
    base: int | None = None
    following: int = 0  # the number after the highest one seen, counted from base without wrapping
    acked: int | None = None
    ranges: list[tuple[int, int]] = field(default_factory=list)
    last_ns: int = 0
    window: int | None = None

    def unwrap(self, seq: int) -> int:
        if self.base is None:
            self.base, self.following = seq, 0
        distance = (seq - self.base - self.following) & 0xFFFFFFFF
        return self.following + (distance if distance < 1 << 31 else distance - (1 << 32))

    def overlap(self, start: int, end: int) -> int:
        return sum(max(0, min(end, b) - max(start, a)) for a, b in self.ranges)

    def add(self, start: int, end: int) -> None:
        kept = []
        for a, b in self.ranges:
            if b < start or a > end:
                kept.append((a, b))
            else:
                start, end = min(start, a), max(end, b)
        self.ranges = sorted([*kept, (start, end)])


def reckon(rows: Sequence[Row], ends: Ends) -> list[Brought]:
    """What every frame of a capture brought. Damaged segments and resets bring nothing."""
    sides = (_Side(), _Side())
    return [_reckon(row, ends, sides) for row in rows]


def _reckon(row: Row, ends: Ends, sides: tuple[_Side, _Side]) -> Brought:
    if not row.is_tcp:
        return Brought(None)
    end = ends.index((row.address, row.port or 0))
    if row.damaged or row.flags & RST:
        return Brought(end)
    own, peer = sides[end], sides[1 - end]
    start = own.unwrap(row.seq)
    numbers = row.payload_octets + bool(row.flags & SYN) + bool(row.flags & FIN)
    stop = start + numbers
    brought = Brought(
        end,
        numbers,
        own.overlap(start, stop),
        max(0, start - own.following) if own.ranges else 0,
        max(0, min(stop, own.acked) - start) if own.acked is not None else 0,
        max(0, own.following - start) if own.ranges else 0,
        row.time_ns - own.last_ns if own.last_ns else 0,
        peer.window == 0,
    )
    if numbers:
        own.add(start, stop)
        own.following = max(own.following, stop)
        own.last_ns = row.time_ns
    if row.flags & ACK:
        number = peer.unwrap(row.ack)
        peer.acked = number if peer.acked is None else max(peer.acked, number)
    own.window = row.window
    return brought

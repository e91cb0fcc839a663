"""One direction of a connection: what one end has sent, and what is known of it.

All sequence numbers in here are offsets from this side's ISN (see lab.wire.seq). ``place`` decides where a
segment's octets belong: next in line, after a gap, into a gap, or seen before. It works on a start and a length, so
that a run of segments in order can be taken at once.
"""

from __future__ import annotations

from enum import Enum

from lab.session.states import State
from lab.wire.packet import Endpoint, TcpOptions
from lab.wire.seq import Offset, unwrap


class Place(Enum):
    """Where the octets of a segment stand in what this side has sent so far."""

    NEXT = "next"  # exactly the next ones
    AHEAD = "ahead"  # some before it are missing so far
    FILLS = "fills"  # into a gap: none of them seen before
    AGAIN = "again"  # all or some seen before


class Hole:
    """Octets that were not seen though later ones were: [start, end), and when the gap was noticed."""

    __slots__ = ("end", "since_ns", "start")

    def __init__(self, start: int, end: int, since_ns: int) -> None:
        self.start, self.end, self.since_ns = start, end, since_ns


class Side:
    """What one end sent, and its state. Counters count what was seen; times are in nanoseconds, sizes in octets."""

    __slots__ = (
        "ack_sent",
        "acked",
        "bad_checksums",
        "dup_acks",
        "endpoint",
        "fin_count",
        "fin_delivered",
        "fin_offset",
        "frames",
        "holes",
        "isn",
        "isn_seen",
        "keep_alives",
        "last_data_frame",
        "last_data_payload",
        "last_data_time_ns",
        "last_was_probe",
        "mac",
        "max_holes",
        "max_segment",
        "missing",
        "next_seq",
        "octets_again",
        "octets_new",
        "out_of_order",
        "partial_checksums",
        "probes",
        "pushed",
        "retransmissions",
        "right_edge",
        "role",
        "rst_count",
        "shift",
        "state",
        "syn_acked",
        "syn_count",
        "syn_options",
        "syn_time_ns",
        "unanswered",
        "window",
        "window_updates",
        "zero_windows",
    )

    def __init__(self, role: str, endpoint: Endpoint, state: State, max_holes: int) -> None:
        self.role = role
        self.endpoint = endpoint
        self.state = state
        self.max_holes = max_holes
        self.mac = b""
        self.isn: int | None = None  # raw; a guess while isn_seen is False
        self.isn_seen = False
        self.next_seq = 0  # offset after the highest octet seen, so the next one expected
        self.acked = 0  # the highest offset that the peer has acknowledged
        self.ack_sent: int | None = None  # the last acknowledgment this side sent, as an offset of the peer
        self.window: int | None = None  # the last advertised window, as it stands in the header
        self.shift: int | None = None  # how many bits to shift it by; None until both SYNs are known
        self.right_edge: int | None = None  # how far the peer may send, as an offset of the peer
        self.holes: list[Hole] = []
        self.missing = 0  # octets of gaps that are no longer in the list of holes
        self.fin_offset: int | None = None
        self.fin_delivered = False
        self.syn_acked = False
        self.syn_time_ns = 0
        self.syn_options: TcpOptions | None = None
        self.last_data_frame = 0
        self.last_data_payload = b""
        self.last_data_time_ns = 0
        self.unanswered = 0  # segments with data since the peer last sent data
        self.last_was_probe = ""
        self.frames = self.octets_new = self.octets_again = self.max_segment = self.pushed = 0
        self.syn_count = self.fin_count = self.rst_count = 0
        self.retransmissions = self.out_of_order = self.dup_acks = self.keep_alives = self.probes = 0
        self.zero_windows = self.window_updates = self.bad_checksums = self.partial_checksums = 0

    def offset_of(self, seq: int) -> Offset:
        """The offset that a raw number of this side means, near to where this side is. Without an ISN, counting begins
        at it.
        """
        if self.isn is None:
            self.learn(seq)
        return unwrap(seq, self.isn or 0, self.next_seq)

    def learn(self, seq: int) -> None:
        """Begin to count in the middle: ``seq`` becomes offset 1, as if the SYN had just gone before."""
        self.isn = (seq - 1) & 0xFFFFFFFF
        self.next_seq = self.acked = 1

    def begin(self, isn: int) -> None:
        """The SYN was seen: its number is the ISN."""
        if self.isn is not None and self.isn != isn:
            # What was counted from a guess is counted from the ISN now.
            shift = unwrap(self.isn, isn, 0)
            self.next_seq += shift
            self.acked += shift
            self.holes = [Hole(h.start + shift, h.end + shift, h.since_ns) for h in self.holes]
            if self.fin_offset is not None:
                self.fin_offset += shift
        self.isn, self.isn_seen = isn, True

    def place(self, start: int, length: int, time_ns: int) -> tuple[Place, int, int]:
        """Put octets to what was seen.

        start: offset of the first; length: how many sequence numbers (SYN and FIN count, RFC 9293 §3.4), at least 1.
        Returns where they stand, how many of them are new, and since when their gap was open (0 if they fill none).
        """
        following = self.next_seq
        end = start + length
        if start == following:
            self.next_seq = end
            return Place.NEXT, length, 0
        if start > following:
            self._add_hole(following, start, time_ns)
            self.next_seq = end
            return Place.AHEAD, length, 0
        filled, since_ns = self._fill(start, end) if self.holes else (0, 0)
        beyond = max(0, end - following)
        self.next_seq = max(following, end)
        new = filled + beyond
        return (Place.FILLS if filled == length else Place.AGAIN), new, since_ns

    def _add_hole(self, start: int, end: int, time_ns: int) -> None:
        if len(self.holes) >= self.max_holes:
            lost = self.holes.pop(0)
            self.missing += lost.end - lost.start
        self.holes.append(Hole(start, end, time_ns))

    def _fill(self, start: int, end: int) -> tuple[int, int]:
        """Take [start, end) out of the holes; return how many octets that was, and since when the first was missing."""
        filled = since_ns = 0
        kept: list[Hole] = []
        for hole in self.holes:
            left, right = max(start, hole.start), min(end, hole.end)
            if left >= right:
                kept.append(hole)
                continue
            filled += right - left
            since_ns = since_ns or hole.since_ns
            kept += [Hole(s, e, hole.since_ns) for s, e in ((hole.start, left), (right, hole.end)) if s < e]
        while len(kept) > self.max_holes:
            lost = kept.pop(0)
            self.missing += lost.end - lost.start
        self.holes = kept
        return filled, since_ns

    @property
    def missing_octets(self) -> int:
        """How many sequence numbers of this side the capture doesn't hold: gaps, and what the peer acknowledged
        beyond.
        """
        return self.missing + sum(h.end - h.start for h in self.holes) + max(0, self.acked - self.next_seq)

    @property
    def fin_acked(self) -> bool:
        """Whether the peer has acknowledged this side's FIN."""
        return self.fin_offset is not None and self.acked > self.fin_offset

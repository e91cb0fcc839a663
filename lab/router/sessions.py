"""The wire's own count: which session a segment is of, which kind it is, the how-manieth, and for the how-manieth time.

A rule says "the client's fifth data segment, the first time": so the wire must know sessions, kinds, ordinals and
transmissions. Ordinals count what is new: a data segment is new when it begins where the sender's numbers so far end,
or later; what lies before that is another transmission of the segment that began there. Sessions are numbered by their
first SYN since the script was loaded; one that was open before then is session 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field

from lab.router.script import ACK, DATA, FIN, HANDSHAKE_ACK, OTHER, RST, SEGMENT, SYN, SYN_ACK, Selector, Side
from lab.wire.packet import Endpoint, Flags, Segment, Timestamps
from lab.wire.seq import unwrap, wrap

MOST_SESSIONS = 20_000
MOST_STARTS = 8192
"""So many of the latest data segments of a side are remembered, to tell a retransmission's ordinal."""

Mark = tuple[int, int]
"""Ordinal and transmission of a segment as one of a kind."""


@dataclass(slots=True)
class End:
    """One side of a session, as the wire has seen it. Offsets count from its ISN: SYN is 0.

    next_offset: one past the highest octet it has sent. ack: its last acknowledgment, raw. counts: new segments by
    kind. starts, marks: offset of each data segment, and its ordinal with how often it has passed.
    """

    endpoint: Endpoint
    isn: int
    next_offset: int = 0
    ack: int = 0
    window: int = 0
    timestamps: Timestamps | None = None
    counts: dict[str, int] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    marks: list[list[int]] = field(default_factory=list)
    passed: dict[str, int] = field(default_factory=dict)
    fin_offset: int | None = None

    @property
    def next_seq(self) -> int:
        """The raw sequence number that this end would use next."""
        return int(wrap(self.next_offset, self.isn))

    def new(self, kind: str) -> Mark:
        """One more of this kind, for the first time."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return self.counts[kind], 1

    def only(self, kind: str) -> Mark:
        """One more transmission of what there is but one of (SYN, FIN, ...)."""
        self.counts[kind] = 1
        self.passed[kind] = self.passed.get(kind, 0) + 1
        return 1, self.passed[kind]


@dataclass(slots=True)
class WireSession:
    """A TCP session as the wire counts it. number: from 1; 0 if it was open before the script came. name: its number;
    of those that were open before, in the order in which the wire has met them, 0, 0.2, 0.3: for what is drawn."""

    number: int
    name: str
    ends: dict[Side, End]
    version: int
    opener: Side
    fired: dict[int, dict[tuple[Side, str], int]] = field(default_factory=dict)

    @property
    def server_port(self) -> int:
        """The port of the end that did not open the session."""
        return self.ends[OTHER[self.opener]].endpoint.port


@dataclass(slots=True)
class Seen:
    """What the wire knows of a segment: its session, who sent it, its marks by kind, its offset from the ISN."""

    session: WireSession
    side: Side
    segment: Segment
    marks: dict[str, Mark]
    offset: int

    @property
    def octets(self) -> int:
        """How many sequence numbers it takes."""
        flags = self.segment.flags
        return self.segment.payload_length + bool(flags & Flags.SYN) + bool(flags & Flags.FIN)


class Sessions:
    """All sessions since the script was loaded; the oldest are forgotten when there are too many."""

    def __init__(self) -> None:
        self._by_ends: OrderedDict[tuple[Endpoint, Endpoint], WireSession] = OrderedDict()
        self._numbered = 0
        self._older = 0

    def see(self, segment: Segment, side: Side) -> Seen:
        """Count a segment that this side's host has sent."""
        key = (segment.source, segment.destination) if side == "client" else (segment.destination, segment.source)
        session = self._by_ends.get(key)
        opens = segment.flags & (Flags.SYN | Flags.ACK) == Flags.SYN
        if session is None or (opens and _another_isn(session.ends[side], segment)):
            session = self._begin(segment, side, opens)
            self._by_ends[key] = session
            if len(self._by_ends) > MOST_SESSIONS:
                self._by_ends.popitem(last=False)
        end = session.ends[side]
        if segment.flags & Flags.SYN and end.isn != segment.seq and not end.counts:
            end.isn = segment.seq  # the other end's number was not known before its SYN
        return _count(session, side, end, segment)

    def _begin(self, segment: Segment, side: Side, opens: bool) -> WireSession:
        if opens:
            self._numbered += 1
            own = End(segment.source, segment.seq)
            peer = End(segment.destination, 0)
            opener = side
        else:
            # Midstream: the first octet seen is taken for the first of the stream.
            syn = bool(segment.flags & Flags.SYN)
            own = End(segment.source, segment.seq if syn else segment.seq - 1 & 0xFFFFFFFF, 0 if syn else 1)
            peer = End(segment.destination, segment.ack - 1 & 0xFFFFFFFF, 1)
            client_first = segment.source.port >= segment.destination.port
            opener = side if client_first != syn else OTHER[side]
        if opens:
            number, name = self._numbered, str(self._numbered)
        else:
            self._older += 1
            number, name = 0, "0" if self._older == 1 else f"0.{self._older}"
        return WireSession(number, name, {side: own, OTHER[side]: peer}, segment.ip_version, opener)


def _another_isn(end: End, segment: Segment) -> bool:
    """Whether this SYN begins a new session between the same ends (the end has sent before, with another ISN)."""
    return bool(end.counts) and end.isn != segment.seq


def _count(session: WireSession, side: Side, end: End, segment: Segment) -> Seen:
    flags, length = segment.flags, segment.payload_length
    offset = unwrap(segment.seq, end.isn, end.next_offset)
    marks = {SEGMENT: end.new(SEGMENT)}
    if flags & Flags.RST:
        marks[RST] = end.new(RST)
    elif flags & Flags.SYN:
        kind = SYN_ACK if flags & Flags.ACK else SYN
        marks[kind] = end.only(kind)
    else:
        if length:
            marks[DATA] = _data_mark(end, offset)
        if flags & Flags.FIN:
            marks[FIN] = end.only(FIN)
        elif not length and flags & Flags.ACK:
            kind = HANDSHAKE_ACK if _completes_handshake(session, side, segment, offset) else ACK
            marks[kind] = end.only(kind) if kind == HANDSHAKE_ACK else end.new(kind)
    if flags & Flags.ACK:
        end.ack = segment.ack
    if not flags & Flags.RST:
        end.window = segment.window
        end.timestamps = segment.options.timestamps or end.timestamps
        taken = length + bool(flags & Flags.SYN) + bool(flags & Flags.FIN)
        end.next_offset = max(end.next_offset, offset + taken)
    return Seen(session, side, segment, marks, offset)


def _completes_handshake(session: WireSession, side: Side, segment: Segment, offset: int) -> bool:
    """The opener's bare ACK of the SYN-ACK, before it has sent anything else (RFC 9293 §3.5)."""
    peer = session.ends[OTHER[side]]
    return (
        side == session.opener
        and session.number > 0
        and offset == 1
        and session.ends[side].next_offset == 1
        and SYN_ACK in peer.counts
        and segment.ack == wrap(1, peer.isn)
        and peer.next_offset == 1
    )


def _data_mark(end: End, offset: int) -> Mark:
    """A new data segment's next ordinal; or the ordinal of the one that is sent again, and for which time."""
    if offset >= end.next_offset:
        mark = end.new(DATA)
        end.starts.append(offset)
        end.marks.append(list(mark))
        if len(end.starts) > 2 * MOST_STARTS:
            del end.starts[:MOST_STARTS], end.marks[:MOST_STARTS]
        return mark
    at = bisect_right(end.starts, offset) - 1
    if at < 0:
        return 0, 2  # sent before the wire began to count
    end.marks[at][1] += 1
    return end.marks[at][0], end.marks[at][1]


def meets(selector: Selector, seen: Seen, base: int = 0) -> bool:
    """Whether a segment is one that the selector means; all but chance and ``after``, which the engine looks after.

    base: how many of this kind and side had passed when the selector's ``after`` came true; 0 without one.
    """
    mark = seen.marks.get(selector.kind)
    if mark is None or seen.side not in selector.sides:
        return False
    ordinal, transmission = mark[0] - base, mark[1]
    if base and ordinal < 1:
        return False  # a frame from before the event, sent again
    return ordinal in selector.ordinals and transmission in selector.transmissions and _clauses(selector, seen)


def _clauses(selector: Selector, seen: Seen) -> bool:
    session, segment = seen.session, seen.segment
    return (
        (selector.session is None or selector.session == session.number)
        and (selector.version is None or selector.version == session.version)
        and (selector.port is None or selector.port == session.server_port)
        and (not selector.text or selector.text in segment.payload)
        and (selector.size is None or segment.payload_length in selector.size)
        and (selector.seq is None or _covers(selector, seen))
    )


def _covers(selector: Selector, seen: Seen) -> bool:
    """Whether one of the segment's sequence numbers is in the range; a bare ACK counts as one."""
    wanted = selector.seq
    assert wanted is not None
    return seen.offset <= wanted.last and seen.offset + max(1, seen.octets) > wanted.first

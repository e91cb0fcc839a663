"""What one end has sent and has not been told of yet: the ledger that losses, round trips and ACKs are read from.

A sender keeps a queue of what is not acknowledged (RFC 9293 §3.4); an observer can keep the same one. Each segment that
takes sequence numbers is an entry; an acknowledgment takes entries off; a retransmission finds its original here. All
numbers are offsets from the sender's ISN.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from dataclasses import dataclass, field

from lab.analysis.model import FrameRecord, Role
from lab.analysis.parts import InFlight, RttSample

GRANULARITY_NS = 1_000_000
LEAST_RTO_NS = 1_000_000_000
LINUX_LEAST_RTO_NS = 200_000_000


class Sent:
    """One segment under way, and its copies. copies: how often its numbers were sent, as far as the tap saw."""

    __slots__ = ("acked_by", "copies", "end", "frame", "last_frame", "last_ns", "payload", "sacked", "start", "time_ns")

    def __init__(self, frame: int, time_ns: int, start: int, end: int, payload: int) -> None:
        self.frame = self.last_frame = frame
        self.time_ns = self.last_ns = time_ns
        self.start, self.end, self.payload = start, end, payload
        self.copies = 1
        self.acked_by = 0
        self.sacked = False


@dataclass(slots=True)
class Again:
    """A retransmission while its fate is open; becomes a ``Retransmission``. waited_ns: since anything had happened."""

    frame: int
    original: Sent | None
    previous_frame: int | None
    cause: str
    attempt: int
    gap_ns: int | None
    waited_ns: int
    rto_ns: int | None
    dup_acks: int
    outstanding: int
    already_acked: bool
    start: int
    end: int
    payload: int
    acked_before_by: int = 0
    d_sack_frame: int | None = None


class Estimator:
    """SRTT, RTTVAR and RTO (RFC 6298 §2), in nanoseconds."""

    __slots__ = ("rttvar_ns", "srtt_ns")

    def __init__(self) -> None:
        self.srtt_ns: int | None = None
        self.rttvar_ns = 0

    def take(self, rtt_ns: int) -> None:
        """A new sample. §2.2 for the first, §2.3 (alpha 1/8, beta 1/4) for the others."""
        if self.srtt_ns is None:
            self.srtt_ns, self.rttvar_ns = rtt_ns, rtt_ns // 2
            return
        self.rttvar_ns = (3 * self.rttvar_ns + abs(self.srtt_ns - rtt_ns)) // 4
        self.srtt_ns = (7 * self.srtt_ns + rtt_ns) // 8

    @property
    def rto_raw_ns(self) -> int | None:
        """SRTT + max(G, 4 RTTVAR), without a least value; None before the first sample."""
        return None if self.srtt_ns is None else self.srtt_ns + max(GRANULARITY_NS, 4 * self.rttvar_ns)

    @property
    def linux_rto_ns(self) -> int | None:
        """As Linux reckons it: the variation counts at least 200 ms."""
        return None if self.srtt_ns is None else self.srtt_ns + max(LINUX_LEAST_RTO_NS, 4 * self.rttvar_ns)


@dataclass(slots=True)
class Flow:
    """The ledger of one end.

    next: after the highest offset sent. una: the highest acknowledged (SND.UNA). limit: how far the peer lets it send.
    dup_acks: since una moved. recovery_to: until una is there, it recovers from a loss. progress_ns: when una last
    moved or anything was sent. probed: a tail loss probe was sent since una moved. sack_high: the highest offset ever
    SACKed. ahead: (frame, offset) of bare ACKs that stand after octets which have not passed yet. too_big: the last
    ICMP error that said so of a packet of its. probe: the next octet, sent into a closed window and not answered yet.
    maybe_probes: new segments sent when a tail loss probe was due, with how long had been waited.
    """

    role: Role
    unacked: deque[Sent] = field(default_factory=deque)
    by_start: dict[int, Sent] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    estimator: Estimator = field(default_factory=Estimator)
    next: int = 0
    una: int = 0
    started: bool = False
    limit: int | None = None
    fin_at: int | None = None
    dup_acks: int = 0
    recovery_to: int = -1
    recovery: str = ""
    progress_ns: int = 0
    probed: bool = False
    sack_high: int = 0
    again: list[Again] = field(default_factory=list)
    samples: list[RttSample] = field(default_factory=list)
    in_flight: list[InFlight] = field(default_factory=list)
    karn: list[int] = field(default_factory=list)
    ahead: list[tuple[int, int]] = field(default_factory=list)
    too_big: FrameRecord | None = None
    probe: Sent | None = None
    maybe_probes: list[tuple[Sent, int]] = field(default_factory=list)
    late: list[tuple[Sent, int, int]] = field(default_factory=list)

    @property
    def in_flight_bytes(self) -> int:
        """Octets of payload sent and not acknowledged: SYN and FIN are none."""
        end = self.next if self.fin_at is None else min(self.next, self.fin_at)
        return max(0, end - max(self.una, 1))

    def add(self, record: FrameRecord, start: int, end: int) -> Sent:
        """New sequence numbers pass. They may lie before others that passed already."""
        sent = Sent(record.number, record.time_ns, start, end, record.payload_bytes)
        if start not in self.by_start:
            if self.starts and start < self.starts[-1]:
                insort(self.starts, start)
            else:
                self.starts.append(start)
        self.by_start[start] = sent
        if end > self.una:
            if self.unacked and start < self.unacked[-1].start:
                self.unacked = deque(sorted((*self.unacked, sent), key=lambda entry: entry.start))
            else:
                self.unacked.append(sent)
        self.next = max(self.next, end)
        return sent

    def take_back(self) -> None:
        """A probe's octet was not taken: as if it had not been sent."""
        probe, self.probe = self.probe, None
        if probe is None or not self.starts or self.starts[-1] != probe.start or self.next != probe.end:
            return
        self.starts.pop()
        del self.by_start[probe.start]
        self.unacked.remove(probe)
        self.next = probe.start

    def originals(self, start: int, end: int) -> list[Sent]:
        """The entries that share numbers with [start, end), lowest first."""
        if start in self.by_start:
            index = bisect_right(self.starts, start) - 1
        else:
            index = max(0, bisect_right(self.starts, start) - 1)
        found = []
        while index < len(self.starts) and self.starts[index] < end:
            entry = self.by_start[self.starts[index]]
            if entry.end > start:
                found.append(entry)
            index += 1
        return found

    def take_off(self, ack: int, frame: int) -> list[Sent]:
        """An acknowledgment: take off what it covers whole. una is moved by the caller."""
        gone = []
        unacked = self.unacked
        while unacked and unacked[0].end <= ack:
            entry = unacked.popleft()
            entry.acked_by = frame
            gone.append(entry)
        return gone

    def sacked(self, left: int, right: int) -> None:
        """A SACK block: what it covers has arrived, though something before it has not."""
        self.sack_high = max(self.sack_high, right)
        for entry in self.unacked:
            if entry.start >= right:
                break
            if left <= entry.start and entry.end <= right:
                entry.sacked = True

    def sample(self, gone: list[Sent], record: FrameRecord) -> RttSample | None:
        """The round trip that this acknowledgment gives; None where Karn's rule forbids it (RFC 6298 §3).

        The last of the segments that it covers is timed. If any of them was sent twice, the ACK may have waited for the
        second copy; if one was SACKed before, it had arrived long ago.
        """
        if not gone:
            return None
        last = gone[-1]
        if any(entry.copies > 1 for entry in gone):
            self.karn.append(record.number)
            return None
        if last.sacked or record.time_ns < last.time_ns:
            return None
        rtt_ns = record.time_ns - last.time_ns
        estimator = self.estimator
        estimator.take(rtt_ns)
        raw = estimator.rto_raw_ns or 0
        sample = RttSample(
            last.frame,
            record.number,
            last.end,
            record.time_ns,
            rtt_ns,
            estimator.srtt_ns or 0,
            estimator.rttvar_ns,
            max(LEAST_RTO_NS, raw),
            raw,
        )
        self.samples.append(sample)
        return sample

    def note_flight(self, record: FrameRecord) -> None:
        """Write down what is under way after this frame."""
        entry = InFlight(record.number, record.time_ns, self.in_flight_bytes, self.next, self.una, self.limit)
        self.in_flight.append(entry)

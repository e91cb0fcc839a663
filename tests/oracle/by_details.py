"""Frame by frame, the numbers of the analysis that only tshark has too: round trips, octets in flight, duplicate ACKs,
zero windows, spurious and fast retransmissions.

Each frame must have the same value, or a reason that its own facts bear out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab.analysis.model import Analysis, FrameRecord, Retransmission, Role
from tests.oracle import known, known_details
from tests.oracle.case import Case, Finding
from tests.oracle.known import Difference
from tests.oracle.stream import Brought
from tests.oracle.tshark import RST, SYN, Row

TOOL = "the analysis"
Answer = tuple[object, object]
Reason = Callable[[FrameRecord, Row, Brought], Difference | None]


@dataclass(frozen=True)
class _End:
    """What the analysis knows of one end's frames. number: 0 for the client. samples: by the ACK's frame."""

    number: int
    role: Role
    analysis: Analysis

    @property
    def peer(self) -> Role:
        return "server" if self.role == "client" else "client"

    def samples(self) -> dict[int, int]:
        return {one.ack_frame: one.rtt_ns for one in self.analysis.stream(self.peer).rtt_samples}

    def again(self) -> dict[int, Retransmission]:
        return {one.frame: one for one in self.analysis.stream(self.role).retransmissions}

    def named(self, kind: str) -> set[int]:
        return {number for one in self.analysis.findings_of(kind) for number in one.frames}


def details(case: Case, analysis: Analysis, number: int, role: Role) -> Iterator[Finding]:
    """Everything of this kind for one end."""
    end = _End(number, role, analysis)
    yield from _round_trips(case, end)
    yield from _in_flight(case, end)
    yield from _marks(case, end)


def _frames(case: Case, end: _End) -> Iterator[tuple[FrameRecord, Row, Brought]]:
    by_file = {record.file_number: record for record in end.analysis.frames}
    for place, (row, brought) in enumerate(zip(case.rows, case.brought, strict=True), 1):
        record = by_file.get(place)
        if brought.end == end.number and record is not None and not row.damaged:
            yield record, row, brought


def _compared(
    case: Case, end: _End, quantity: str, answers: Callable[[FrameRecord, Row], Answer], reason: Reason
) -> Finding:
    """One finding: on how many frames both say something, and why they differ where they do."""
    ours_total = theirs_total = 0
    reasons: dict[Difference, int] = {}
    unknown: list[int] = []
    for record, row, brought in _frames(case, end):
        ours, theirs = answers(record, row)
        ours_total += ours not in (None, False)
        theirs_total += theirs not in (None, False)
        if ours == theirs:
            continue
        why = reason(record, row, brought)
        if why is None:
            unknown.append(row.number)
        else:
            reasons[why] = reasons.get(why, 0) + 1
    where = end.role + (f"; frames {unknown}" if unknown else "")
    explained = bool(reasons) and not unknown
    return Finding(TOOL, quantity, ours_total, theirs_total, reasons, explained, where, bool(unknown))


def _round_trips(case: Case, end: _End) -> Iterator[Finding]:
    samples, karn = end.samples(), end.named("karn")
    ends = [
        (row.number, (row.seq + brought.numbers) & 0xFFFFFFFF)
        for row, brought in zip(case.rows, case.brought, strict=True)
        if brought.end == 1 - end.number and brought.numbers
    ]

    sent = {one.ack_frame: one.data_frame for one in end.analysis.stream(end.peer).rtt_samples}
    syns = [one.number for one in end.analysis.frames if one.bits & SYN]

    def reason(record: FrameRecord, row: Row, brought: Brought) -> Difference | None:
        if row.flags & RST:
            return known_details.RTT_OF_RST
        if record.number in karn:
            return known_details.KARN
        if record.number in samples:
            if row.ack_rtt_ns is None and any(sent[record.number] < at < record.number for at in syns):
                return known_details.RTT_ACROSS_A_SYN
            ends_there = any(number < row.number and end == row.ack for number, end in ends)
            return known_details.ACK_WITHIN if row.ack_rtt_ns is None and not ends_there else None
        if not {"ack-of-data", "piggybacked-ack", "ack-of-syn", "ack-of-fin"} & set(record.roles):
            return known_details.RTT_OF_OLD_ACK
        return known_details.RTT_AFTER_SACK if any(one.sack_blocks for one in end.analysis.frames) else None

    yield _compared(
        case, end, "round trips, frame by frame", lambda r, row: (samples.get(r.number), row.ack_rtt_ns), reason
    )


def _in_flight(case: Case, end: _End) -> Iterator[Finding]:
    entries = {one.frame: one.in_flight_bytes for one in end.analysis.stream(end.role).in_flight}
    after: dict[int, int] = {}
    now = 0
    for record in end.analysis.frames:
        now = entries.get(record.number, now)
        after[record.number] = now
    sacked_from = min((r.number for r in end.analysis.frames if r.sender == end.peer and r.sack_blocks), default=None)

    trouble = {"gap", "retransmission", "out-of-order", "ack-of-unseen"}
    troubled_from = min((r.number for r in end.analysis.frames if trouble & set(r.trouble)), default=None)

    def answers(record: FrameRecord, row: Row) -> Answer:
        return (after[record.number] if row.in_flight is not None else None), row.in_flight

    def reason(record: FrameRecord, row: Row, brought: Brought) -> Difference | None:
        if brought.seen:
            return known_details.FLIGHT_OF_COPY
        if sacked_from is not None and record.number > sacked_from:
            return known_details.FLIGHT_WITHOUT_SACKED
        return known_details.FLIGHT_IN_TROUBLE if troubled_from is not None and record.number >= troubled_from else None

    yield _compared(case, end, "octets in flight, frame by frame", answers, reason)


def _marks(case: Case, end: _End) -> Iterator[Finding]:
    differs = end.named("wireshark-differs")
    again = end.again()

    def judged(name: str, role: str) -> Finding:
        def reason(record: FrameRecord, row: Row, brought: Brought) -> Difference | None:
            if record.number in differs:
                return known.ANALYSIS_SAYS
            return known.mark(name, role in record.roles, row, brought)

        quantity = f"{name.replace('_', ' ')}s, frame by frame"
        return _compared(case, end, quantity, lambda r, row: (role in r.roles, name in row.marks), reason)

    yield judged("duplicate_ack", "duplicate-ack")
    yield judged("zero_window", "zero-window")

    def spurious(record: FrameRecord, row: Row, brought: Brought) -> Difference | None:
        copy = again.get(record.number)
        if record.number in differs:
            return known.ANALYSIS_SAYS
        if copy is not None and copy.d_sack_frame is not None:
            return known_details.PROVED_BY_DSACK
        if row.flags & SYN:
            return known_details.SPURIOUS_SYN
        return known.ACKED_FIRST if brought.numbers and brought.acked == brought.numbers else None

    mark = "spurious_retransmission"
    quantity = "spurious retransmissions, frame by frame"
    yield _compared(case, end, quantity, lambda r, row: ("spurious" in r.roles, mark in row.marks), spurious)

    def fast(record: FrameRecord, row: Row, brought: Brought) -> Difference | None:
        copy = again.get(record.number)
        if copy is None:
            return known.mark("retransmission", False, row, brought)
        return (
            known_details.FAST_BY_THE_CLOCK
            if copy.cause in ("fast", "rack", "recovery", "duplicate", "unknown")
            else None
        )

    def both(record: FrameRecord, row: Row) -> Answer:
        copy = again.get(record.number)
        return copy is not None and copy.cause == "fast", "fast_retransmission" in row.marks

    yield _compared(case, end, "fast retransmissions, frame by frame", both, fast)

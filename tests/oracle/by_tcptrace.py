"""The JSON beside tcptrace: counts of either end, and its verdict on the connection."""

from __future__ import annotations

from collections.abc import Iterator

from tests.oracle import known
from tests.oracle.case import ROLES, Case, Finding, fin_acknowledged, only_resets_ahead
from tests.oracle.known import Difference
from tests.oracle.tshark import FIN, SYN


def counts(case: Case, role: int) -> Iterator[Finding]:
    """Counts of one end: the JSON's beside tcptrace's."""
    trace = case.opinion.connection
    if trace is None:
        return
    side, sound = case.side(role), case.sound(role)
    end = trace.ends.index(case.ends[role])
    damaged = sum(1 for row, b in zip(case.rows, case.brought, strict=True) if b.end == role and row.damaged)
    probes = [(row, b) for row, b in sound if row.payload_octets and b.closed_window]
    again = [(row, b) for row, b in sound if b.seen and row.payload_octets and (b.closed_window or b.probed == b.seen)]
    octets_again = sum(b.seen if b.closed_window else b.probed for row, b in sound if row.payload_octets)
    late = sum(1 for b in case.judged(role, "retransmission") if not b.seen and b.before_next)
    overtaken = sum(1 for b in case.judged(role, "out_of_order") if not b.before_next and b.behind_ack)
    flags = sum(bool(r.flags & SYN) + bool(r.flags & FIN) for r, b in sound if b.seen and r.flags & (SYN | FIN))

    def finding(quantity: str, ours: int, label: str, **reasons: int) -> Finding:
        """reasons: what each known difference (by its name in tests.oracle.known) adds to tcptrace's count."""
        theirs = trace.number(end, label)
        named = {getattr(known, name): abs(by) for name, by in reasons.items() if by}
        explained = bool(named) and ours + sum(reasons.values()) == theirs
        return Finding("tcptrace", quantity, ours, theirs, named if explained else {}, explained, ROLES[role])

    yield finding("segments", side["frames"] - damaged, "total packets")
    flagged = trace.pair(end, "SYN/FIN pkts sent")
    yield Finding("tcptrace", "SYNs and FINs", (side["syns"], side["fins"]), flagged, where=ROLES[role])
    yield finding("octets of text", side["payload_octets"], "actual data bytes")
    first = sum(row.payload_octets - b.seen for row, b in probes) - sum(
        b.probed for _, b in sound if not b.closed_window
    )
    yield finding("octets sent for the first time", side["octets_new"], "unique bytes sent", INTO_CLOSED_WINDOW=-first)
    yield finding(
        "retransmitted segments",
        side["retransmissions"],
        "rexmt data pkts",
        LATE_FILLING=-late,
        INTO_CLOSED_WINDOW=-len(again),
    )
    yield finding(
        "octets sent again",
        side["octets_again"],
        "rexmt data bytes",
        COUNTS_FLAGS=flags,
        INTO_CLOSED_WINDOW=-octets_again,
    )
    yield finding(
        "segments out of order",
        side["out_of_order"],
        "outoforder pkts",
        LATE_FILLING=late,
        ACK_OVERTOOK=-overtaken,
        INTO_CLOSED_WINDOW=sum(1 for _, b in again if not b.closed_window and b.before_next > b.numbers),
    )
    yield finding("largest segment", side["max_segment_octets"], "max segm size")
    if side["syns"]:
        yield finding("MSS", side["syn_options"]["mss_bytes"] or 0, "mss requested")


def verdict(case: Case, theirs: str) -> Finding:
    """tcptrace knows three: yes (both ends sent SYN and FIN), RESET (there was a RST), no."""
    told = case.facts["verdict"]
    ours = {"complete": "yes", "reset": "RESET", "refused": "RESET"}.get(told, "no")
    if told == "midstream" and case.facts["reset_by"]:
        ours = "RESET"
    reasons: dict[Difference, int] = {}
    if told == "complete" and theirs == "RESET" and case.side(0)["rsts"] + case.side(1)["rsts"]:
        reasons = {known.RESET_AFTER_END: 1}
    elif told == "cut" and theirs == "yes" and not (fin_acknowledged(case, 0) and fin_acknowledged(case, 1)):
        reasons = {known.NOT_OVER: 1}
    elif theirs == "RESET" and only_resets_ahead(case):
        reasons = {known.RST_AHEAD: 1}
    return Finding("tcptrace", "verdict", ours, theirs, reasons, bool(reasons))

"""One session: what its JSON says beside what each tool says, quantity by quantity.

Where tshark judges single frames, every frame has to agree or have its reason; that two errors cancel each other out in
a total is not enough. What tcptrace says is in tests.oracle.by_tcptrace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from tests.oracle import by_analysis, by_tcptrace, known
from tests.oracle.box import Opinion
from tests.oracle.case import MARKS, ROLES, Case, Finding, fin_acknowledged, judged, only_resets_ahead
from tests.oracle.known import Difference
from tests.oracle.tshark import ACK, FIN, RST, SYN, Row


def compare(opinion: Opinion) -> list[Finding]:
    """Everything that is compared for one session."""
    case = Case(opinion)
    found = [*_capinfos(case), *_whole(case), *by_analysis.findings(case)]
    for role in (0, 1):
        found += _direction(case, role)
        found += _marks(case, role)
        found += by_tcptrace.counts(case, role)
    return found


def _capinfos(case: Case) -> Iterator[Finding]:
    facts, values, interface = case.facts["file"], case.opinion.info.values, case.opinion.info.interface

    def finding(quantity: str, ours: object, theirs: object) -> Finding:
        return Finding("capinfos", quantity, ours, theirs)

    yield finding("frames in the file", facts["frames"], int(values["Number of packets"]))
    yield finding("octets of the file", facts["octets"], int(values["File size"].split()[0]))
    yield finding("SHA-256", facts["sha256"], values["SHA256"])
    yield finding("first frame's time", facts["first_frame_ns"], case.opinion.info.time_ns("Earliest packet time"))
    yield finding("last frame's time", facts["last_frame_ns"], case.opinion.info.time_ns("Latest packet time"))
    yield finding("nanoseconds", "nanoseconds (9)", values["File timestamp precision"])
    # Two processors may stamp two frames and hand them to the tap in the other order; the file keeps the tap's order.
    in_order = all(one.frame.time_ns <= next_.frame.time_ns for one, next_ in pairwise(case.recorded))
    yield finding("strict time order", str(in_order), values["Strict time order"])
    yield finding("a comment on every frame", facts["frames"], case.opinion.info.comments)
    yield finding("interface has name and filter", (True, True), ("Name" in interface, "Filter string" in interface))
    yield finding("frames in the closing statistics", facts["frames"], int(interface["Number of packets"]))
    named = values.get("Number of resolved IPv4 addresses in file", "0") != "0"
    named |= values.get("Number of resolved IPv6 addresses in file", "0") != "0"
    yield finding("names of addresses", True, named)
    comment = values["Capture comment"]
    verdict = f"Verdict: {case.facts['verdict']}."
    yield finding("verdict in the section's comment", verdict, verdict if verdict in comment else comment)


def _whole(case: Case) -> Iterator[Finding]:
    facts, rows = case.facts, case.rows
    yield Finding("tshark", "frames", facts["frames"], len(rows))
    yield Finding("tshark", "time of the first frame", facts["first_ns"], min(row.time_ns for row in rows))
    yield Finding("tshark", "time of the last frame", facts["last_ns"], max(row.time_ns for row in rows))
    yield Finding("tshark", "nothing malformed", 0, sum(row.malformed for row in rows))
    yield Finding("tshark", "direction flags", [r.frame.direction for r in case.recorded], _directions(rows))
    yield Finding("tshark", "first closer", facts["first_closer"], _first_closer(case))
    yield _completeness(case)
    yield _verdict(case)
    yield _round_trip(case)
    trace = case.opinion.connection
    yield Finding("tcptrace", "connections in the capture", 1, case.opinion.connections)
    if trace is not None:
        yield by_tcptrace.verdict(case, trace.verdict)


def _directions(rows: list[Row]) -> list[int]:
    return [2 if row.outgoing else 1 for row in rows]


def completeness(facts: Mapping[str, Any]) -> int:
    """``tcp.completeness`` as it must be by the JSON: SYN 1, SYN-ACK 2, ACK 4, data 8, FIN 16, RST 32."""
    client, server = facts["from_client"], facts["from_server"]
    handshake = any(letter in facts["history"] for letter in "ADF")
    bits = (
        client["syns"],
        server["syns"],
        handshake,
        client["payload_octets"] + server["payload_octets"],
        client["fins"] + server["fins"],
        client["rsts"] + server["rsts"],
    )
    return sum(1 << place for place, there in enumerate(bits) if there)


def _refused_by_rst(case: Case) -> bool:
    """Whether a RST with an ACK answered the SYN."""
    return not case.side(1)["syns"] and any(row.flags & RST and row.flags & ACK for row, _ in case.sound(1))


def _completeness(case: Case) -> Finding:
    ours, theirs = completeness(case.facts), max(row.completeness for row in case.rows)
    refused = theirs == ours + 4 and _refused_by_rst(case)
    reasons = {known.RST_ACKNOWLEDGES: 1} if refused else {}
    return Finding("tshark", "completeness", ours, theirs, reasons, refused)


def _round_trip(case: Case) -> Finding:
    ours = case.facts["initial_rtt_ns"]
    found = sorted({row.initial_rtt_ns for row in case.rows if row.initial_rtt_ns is not None})
    theirs = found[0] if len(found) == 1 else found or None
    reasons: dict[Difference, int] = {}
    if ours is None and theirs is not None:
        if _refused_by_rst(case):
            reasons = {known.RST_ACKNOWLEDGES: 1}
        elif case.side(0)["syns"] > 1 or case.side(1)["syns"] > 1:
            reasons = {known.SYN_AGAIN: 1}
    return Finding("tshark", "initial round trip", ours, theirs, reasons, bool(reasons))


def _first_closer(case: Case) -> str | None:
    for row, brought in zip(case.rows, case.brought, strict=True):
        if brought.end is not None and row.flags & FIN and not row.damaged:
            return ROLES[brought.end]
    return None


def _verdict(case: Case) -> Finding:
    """The verdict by tshark's rows alone."""
    ours, bits = case.facts["verdict"], max(row.completeness for row in case.rows)
    if not bits & 3:
        theirs = "midstream"
    elif fin_acknowledged(case, 0) and fin_acknowledged(case, 1):
        theirs = "complete"
    elif bits & 32:
        reset_by_server = any(row.flags & RST for row, _ in case.sound(1))
        theirs = "refused" if reset_by_server and not bits & 2 else "reset"
    else:
        theirs = "cut" if bits & 4 else "half-open"
    reasons: dict[Difference, int] = {}
    if case.facts["closed_because"] == "stop" and ours == "cut" and theirs in ("half-open", "midstream"):
        reasons = {known.STOPPED: 1}
    elif theirs == "reset" and ours != "reset" and only_resets_ahead(case):
        reasons = {known.RST_AHEAD: 1}
    return Finding("tshark", "verdict", ours, theirs, reasons, bool(reasons))


def _direction(case: Case, role: int) -> Iterator[Finding]:
    """Counts and options of one end: the JSON's beside those of tshark's rows."""
    side, sound = case.side(role), case.sound(role)
    rows = [row for row, _ in sound]
    every = [row for row, b in zip(case.rows, case.brought, strict=True) if b.end == role]

    def finding(quantity: str, ours: object, theirs: object) -> Finding:
        return Finding("tshark", quantity, ours, theirs, where=ROLES[role])

    yield finding("segments", side["frames"], len(every))
    yield finding("octets of text", side["payload_octets"], sum(row.payload_octets for row in rows))
    yield finding("SYNs", side["syns"], sum(1 for row in rows if row.flags & SYN))
    yield finding("FINs", side["fins"], sum(1 for row in rows if row.flags & FIN))
    yield finding("RSTs", side["rsts"], sum(1 for row in rows if row.flags & RST))
    yield finding("FIN acknowledged", side["fin_acknowledged"], fin_acknowledged(case, role))
    ffff = sum(row.ffff_checksum for row in every)
    bad = sum(row.bad_checksum for row in every) + ffff
    reasons = {known.FFFF: ffff} if ffff else {}
    agrees_but = side["bad_checksums"] + ffff == bad
    yield Finding("tshark", "bad checksums", side["bad_checksums"], bad, reasons, agrees_but and ffff > 0, ROLES[role])
    yield finding("partial checksums", side["partial_checksums"], sum(row.partial_checksum for row in every))
    yield finding("largest segment", side["max_segment_octets"], max((row.payload_octets for row in rows), default=0))
    syns = [row for row in rows if row.flags & SYN]
    yield finding("ISN", side["isn"], syns[0].seq if syns else None)
    offered = side["syn_options"]
    names = ("mss_bytes", "window_scale", "sack_permitted", "timestamps")
    theirs = (syns[-1].mss, syns[-1].window_scale, syns[-1].sack_permitted, syns[-1].timestamps) if syns else None
    yield finding("options of the SYN", tuple(offered[name] for name in names) if offered else None, theirs)


def _marks(case: Case, role: int) -> Iterator[Finding]:
    """Judgements of single frames: the capture, read again by our tracker, tells which; the JSON must have their
    number."""
    side = case.side(role)
    notes = [recorded.note for recorded in case.recorded]
    for name, members in MARKS.items():
        reasons: dict[Difference, int] = {}
        unknown: list[int] = []
        counted = marked = 0
        for row, brought, note in zip(case.rows, case.brought, notes, strict=True):
            if brought.end != role:
                continue
            ours, theirs = judged(name, note), name in row.marks
            counted, marked = counted + ours, marked + theirs
            if ours != theirs:
                reason = known.mark(name, ours, row, brought)
                if reason is None:
                    unknown.append(row.number)
                else:
                    reasons[reason] = reasons.get(reason, 0) + 1
        total = sum(side[member] for member in members)
        again = f"; the capture read again has {counted}" if counted != total else ""
        where = f"{ROLES[role]}{again}" + (f"; frames {unknown}" if unknown else "")
        quantity = "keep-alives and probes" if name == "keep_alive" else f"{name.replace('_', ' ')}s"
        doubtful = bool(again or unknown)
        explained = bool(reasons) and not doubtful
        yield Finding("tshark", quantity, total, marked, reasons, explained, where, doubtful)

"""What lab.analysis says of a session, beside the JSON and, frame by frame, beside tshark.

The JSON comes from the tracker while the frames come; the analysis looks at the whole capture afterwards, with other
code: IP identifications and timestamps tell it whether a segment was sent again or overtaken, where tshark and the
tracker go by the time. So the two may judge a frame differently; then the analysis must have said so itself, in a
finding that names the frame.
"""

from __future__ import annotations

from collections.abc import Iterator

from lab.analysis import analyse
from lab.analysis.model import Analysis, Role
from tests.oracle import known
from tests.oracle.by_details import details
from tests.oracle.case import Case, Finding
from tests.oracle.known import Difference

TOOL = "the analysis"
_ROLES: tuple[Role, Role] = ("client", "server")
_JUDGED = {"retransmission": ("retransmission",), "out_of_order": ("out-of-order",)}


def findings(case: Case) -> Iterator[Finding]:
    """Everything that is compared for one session."""
    analyses = analyse([recorded.frame for recorded in case.recorded])
    yield Finding(TOOL, "sessions in the capture", 1, len(analyses))
    analysis = max(analyses, key=lambda one: len(one.frames))
    yield from _whole(case, analysis)
    for number, role in enumerate(_ROLES):
        yield from _stream(case, analysis, role)
        yield from _judged(case, analysis, number, role)
        yield from details(case, analysis, number, role)


def _whole(case: Case, analysis: Analysis) -> Iterator[Finding]:
    facts = case.facts
    yield Finding(TOOL, "frames", facts["frames"], len(analysis.frames))
    yield Finding(TOOL, "IP version", facts["ip_version"], analysis.ip_version)
    yield Finding(TOOL, "initial round trip", facts["initial_rtt_ns"], analysis.handshake.initial_rtt_ns)
    yield Finding(TOOL, "first closer", facts["first_closer"], analysis.teardown.first_closer)
    yield Finding(TOOL, "who holds TIME_WAIT", facts["time_wait"], analysis.teardown.time_wait)
    acked = all(facts[f"from_{role}"]["fin_acknowledged"] for role in _ROLES)
    yield Finding(TOOL, "closed by both with FINs", acked, analysis.teardown.way == "fin")
    stopped = facts["closed_because"] in ("stop", "idle")
    same = analysis.verdict == facts["verdict"] or (stopped and analysis.verdict in ("cut", "half-open", "midstream"))
    yield Finding(TOOL, "verdict", facts["verdict"], facts["verdict"] if same else analysis.verdict)


def _stream(case: Case, analysis: Analysis, role: Role) -> Iterator[Finding]:
    side, stream = case.facts[f"from_{role}"], analysis.stream(role)
    opening = analysis.handshake.client if role == "client" else analysis.handshake.server
    yield Finding(TOOL, "segments", side["frames"], len(stream.frames), where=role)
    yield Finding(TOOL, "octets of text", side["octets_new"], stream.octets, where=role)
    yield Finding(TOOL, "octets that are missing", side["missing"], stream.missing_octets, where=role)
    yield Finding(TOOL, "ISN", side["isn"], stream.isn, where=role)
    offered = side["syn_options"]
    theirs = opening and (opening.mss_bytes, opening.window_scale, opening.sack_permitted, opening.timestamps)
    names = ("mss_bytes", "window_scale", "sack_permitted", "timestamps")
    yield Finding(TOOL, "options of the SYN", tuple(offered[n] for n in names) if offered else None, theirs, where=role)
    messages = sum(len(message.octets) for message in stream.messages)
    if not side["missing"] and not side["bad_checksums"]:
        yield Finding(TOOL, "octets of all messages", stream.octets, messages, where=role)


def _judged(case: Case, analysis: Analysis, number: int, role: Role) -> Iterator[Finding]:
    """Frames judged alike by the analysis and tshark, or with a reason."""
    differs = {n for finding in analysis.findings_of("wireshark-differs") for n in finding.frames}
    by_file = {record.file_number: record for record in analysis.frames}
    for name, words in _JUDGED.items():
        reasons: dict[Difference, int] = {}
        unknown: list[int] = []
        ours_total = theirs_total = 0
        for place, (row, brought) in enumerate(zip(case.rows, case.brought, strict=True), 1):
            record = by_file.get(place)
            if brought.end != number or record is None or row.damaged:
                continue
            ours = any(word in record.roles for word in words)
            theirs = name in row.marks
            ours_total, theirs_total = ours_total + ours, theirs_total + theirs
            if ours == theirs:
                continue
            reason = known.ANALYSIS_SAYS if record.number in differs else known.mark(name, ours, row, brought)
            if reason is None:
                unknown.append(row.number)
            else:
                reasons[reason] = reasons.get(reason, 0) + 1
        where = role + (f"; frames {unknown}" if unknown else "")
        explained = bool(reasons) and not unknown
        quantity = f"{name.replace('_', ' ')}s, as tshark has them"
        yield Finding(TOOL, quantity, ours_total, theirs_total, reasons, explained, where, bool(unknown))

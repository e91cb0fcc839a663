"""Findings about flow control and about asking: closed windows and their probes, updates, full windows, keep-alives."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.analysis.kinds import finding
from lab.analysis.model import Finding, FrameRecord, Role
from lab.analysis.sightings import Differs
from lab.analysis.walk import Walk, peer_of

_SYN, _FIN, _RST = 2, 1, 4
_BELOW = "one octet below what is next and no data, as Linux does"
_OLD = "an octet that was acknowledged before"
_NEXT = "the next octet"


@dataclass(slots=True)
class _Closed:
    """A window that is closed. frame, time_ns: since when; probes: numbers of the frames that asked."""

    frame: int
    time_ns: int
    probes: list[int] = field(default_factory=list)


def room_findings(walk: Walk) -> list[Finding]:
    """What is to be said of windows, probes and keep-alives of both ends, in the order of the frames."""
    found: list[Finding] = []
    closed: dict[Role, _Closed | None] = {"client": None, "server": None}
    updates: dict[Role, list[int]] = {"client": [], "server": []}
    for record in walk.records:
        role = record.sender
        if not record.is_tcp or role is None or record.damaged or record.bits & _RST:
            continue
        own_closed, peer_closed = closed[role], closed[peer_of(role)]
        if "zero-window" in record.trouble:
            walk.roles[record.number].append("zero-window")
            if own_closed is None:
                closed[role] = _Closed(record.number, record.time_ns)
        elif own_closed is not None and record.window_raw and "old-ack" not in record.trouble:
            walk.roles[record.number].append("window-opened")
            closed[role] = None
            found.append(_opened(role, own_closed, record))
        elif record.kind == "window-update":
            updates[role].append(record.number)
        if record.kind == "window-update":
            walk.roles[record.number].append("window-update")
        if "zero-window-probe" in record.trouble or "zero-window-probe" in walk.roles[record.number]:
            if peer_closed is not None:
                peer_closed.probes.append(record.number)
            found.append(_probe(walk, record, role))
        elif "keep-alive" in record.trouble:
            found.append(_keep_alive(walk, record, role))
    for role, still in closed.items():
        if still is not None:
            facts = {"closed": still.frame, "probes": len(still.probes)}
            found.append(finding("zero-window-stays", (still.frame, *still.probes), role, facts))
    for role, frames in updates.items():
        if frames:
            found.append(finding("window-update", frames, role, count=len(frames)))
    return found + _flights(walk)


def _opened(role: Role, closed: _Closed, record: FrameRecord) -> Finding:
    return finding(
        "zero-window",
        (closed.frame, *closed.probes, record.number),
        role,
        closed=closed.frame,
        opened=record.number,
        closed_ns=record.time_ns - closed.time_ns,
        probes=len(closed.probes),
        window_bytes=record.window_bytes,
    )


def _answer(walk: Walk, record: FrameRecord) -> FrameRecord | None:
    """The peer's next segment after this one, if nothing else of the asker lies between."""
    for later in walk.records[record.number :]:
        if not later.is_tcp or later.damaged:
            continue
        return later if later.sender != record.sender else None
    return None


def _probe(walk: Walk, record: FrameRecord, role: Role) -> Finding:
    below = record.kind == "keep-alive"
    form = (_OLD if record.payload_bytes else _BELOW) if below else _NEXT
    if "zero-window-probe" not in walk.roles[record.number]:
        walk.roles[record.number].append("zero-window-probe")
    if below:
        walk.differs.append(
            Differs(
                role,
                (record.number,),
                "tcp.analysis.keep_alive",
                "a zero-window probe",
                f"the {peer_of(role)}'s window is closed, and Linux probes it with the number one below the next, which"
                " looks like a keep-alive",
            )
        )
    answer = _answer(walk, record)
    if answer is not None:
        walk.roles[answer.number].append("probe-answer")
    if answer is None:
        said = "no answer is in the capture"
    elif answer.window_raw:
        said = f"frame {answer.number} answers that it has"
    else:
        said = f"frame {answer.number} answers that it is still closed"
    frames = (record.number, answer.number if answer is not None else None)
    return finding("zero-window-probe", frames, role, probe=record.number, form=form, answer=said)


def _keep_alive(walk: Walk, record: FrameRecord, role: Role) -> Finding:
    answer = _answer(walk, record)
    earlier = [other.time_ns for other in walk.records[: record.number - 1] if other.is_tcp]
    idle_ns = record.time_ns - earlier[-1] if earlier else 0
    walk.roles[record.number].append("keep-alive")
    said = "no answer is in the capture"
    if answer is not None:
        walk.roles[answer.number].append("keep-alive-answer")
        said = f"frame {answer.number} answers"
    frames = (record.number, answer.number if answer is not None else None)
    return finding("keep-alive", frames, role, probe=record.number, answer=said, idle_ns=idle_ns)


def _flights(walk: Walk) -> list[Finding]:
    """How much was under way at most, and when that was all that the window allows."""
    found = []
    for role, flow in walk.flows.items():
        full = []
        for entry in flow.in_flight:
            mine = walk.records[entry.frame - 1]
            sent = mine.sender == role and mine.payload_bytes
            if sent and entry.limit_rel is not None and entry.next_rel - bool(mine.bits & _FIN) >= entry.limit_rel > 1:
                full.append(entry.frame)
                walk.roles[entry.frame].append("window-full")
        if full:
            found.append(finding("window-full", full, role, count=len(full)))
        most = max(flow.in_flight, key=lambda entry: entry.in_flight_bytes, default=None)
        if most is not None and most.in_flight_bytes:
            facts = {"most": most.in_flight_bytes, "frame": most.frame}
            found.append(finding("bytes-in-flight", (most.frame,), role, facts))
    return found

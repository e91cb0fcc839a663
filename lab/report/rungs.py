"""The rungs of a ladder: what stands at every arrow, whoever draws it (SVG, Mermaid).

A rung is made from a frame of an analysis. Where two taps saw one session, rungs come from the comparison, and one may
end in the middle, because its frame did.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab.analysis.model import Analysis, FrameRecord
from lab.report.text import quote

TROUBLE_ROLES = frozenset({"retransmission", "duplicate-frame", "out-of-order", "gap-before", "damaged", "zero-window"})
TROUBLE_ROLES |= {"zero-window-probe", "duplicate-ack", "challenge-ack", "reset"}


@dataclass(frozen=True, slots=True)
class Rung:
    """One frame's arrow.

    number: of the frame. time_ns: since the first rung. sender: ``client``, ``server`` or None. colour: handshake,
    data, ack, teardown, trouble or other. label: flags and numbers. text: its payload, quoted; empty without.
    client_state, server_state: after it. comment: in one or two sentences. marks: what is odd about it, in words.
    lost: it ended between the two. appeared: it began there. travel_ns: how long it was under way, None if nobody
    knows. at_taps: of two taps, its numbers beside the client and beside the server, empty where it is not.
    """

    number: int
    time_ns: int
    sender: str | None
    colour: str
    label: str
    text: str
    client_state: str
    server_state: str
    comment: str
    marks: tuple[str, ...] = ()
    lost: bool = False
    travel_ns: int | None = None
    appeared: bool = False
    at_taps: tuple[str, str] | None = None


def rungs(analysis: Analysis, *, raw: bool = False) -> list[Rung]:
    """The rungs of a session. raw: sequence numbers as in the headers, not counted from each side's first."""
    start_ns = analysis.frames[0].time_ns if analysis.frames else 0
    return [rung(frame, start_ns, raw=raw) for frame in analysis.frames]


def rung(frame: FrameRecord, start_ns: int, *, raw: bool = False) -> Rung:
    """The rung of one frame. start_ns: when the first one came."""
    return Rung(
        frame.number,
        frame.time_ns - start_ns,
        frame.sender,
        colour(frame),
        label(frame, raw=raw),
        quote(frame.payload, 56) if frame.payload else "",
        frame.client_state,
        frame.server_state,
        frame.comment,
        tuple(sorted({role.replace("-", " ") for role in frame.roles if role in TROUBLE_ROLES} - {"reset"})),
    )


def colour(frame: FrameRecord) -> str:
    """What kind of frame it is, as far as its colour goes."""
    if not frame.is_tcp:
        return "trouble" if frame.kind == "icmp" else "other"
    if TROUBLE_ROLES.intersection(frame.roles) or frame.kind == "rst":
        return "trouble"
    if frame.kind in {"syn", "syn-ack", "handshake-ack"}:
        return "handshake"
    if frame.kind == "fin":
        return "teardown"
    return "data" if frame.payload_bytes else "ack"


def label(frame: FrameRecord, *, raw: bool = False) -> str:
    """Flags and numbers of a frame: ``PSH, ACK  seq 1  ack 1  len 6``."""
    parts = [frame.flags or frame.kind.upper()]
    if frame.is_tcp:
        seq, ack = (frame.seq_raw, frame.ack_raw) if raw else (frame.seq_rel, frame.ack_rel)
        if seq is not None:
            parts.append(f"seq {seq}")
        if ack is not None and frame.bits & 0x10:
            parts.append(f"ack {ack}")
        if frame.payload_bytes:
            parts.append(f"len {frame.payload_bytes}")
    return "  ".join(parts)


def shortened(every: list[Rung], most: int, tail: int) -> tuple[list[Rung], int, list[Rung]]:
    """The first rungs, how many are left out, and the last ones: of a session of more than ``most`` frames only its two
    ends are drawn."""
    if len(every) <= most:
        return every, 0, []
    return every[: most - tail], len(every) - most, every[-tail:]


def states_changed(every: Iterable[Rung]) -> list[tuple[str, str]]:
    """For each rung the client's and the server's new state, empty where it stays as it was."""
    found = []
    before = ("", "")
    for one in every:
        now = (one.client_state or before[0], one.server_state or before[1])
        found.append((now[0] if now[0] != before[0] else "", now[1] if now[1] != before[1] else ""))
        before = now
    return found

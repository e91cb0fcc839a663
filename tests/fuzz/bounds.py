"""Whether the tracker still keeps within its limits: every store that could grow, counted against lab.session.limits.

It looks inside on purpose. What a program remembers without telling is just what makes it die after a week.
"""

from __future__ import annotations

from collections.abc import Iterator

from lab.session.limits import Limits
from lab.session.observe import LINE_BYTES
from lab.session.session import Session
from lab.session.tracker import Tracker

MOST_FINDINGS = 60
"""More rules than there are; a session has one finding for each."""
MOST_LETTERS = 100
"""Zeek's history has each letter once and its repetitions logarithmically."""


class BoundExceededError(Exception):
    """Something grew beyond its limit."""


def check_bounds(tracker: Tracker, limits: Limits) -> None:
    """Raises BoundExceededError with all that is too large."""
    wrong = [
        f"{what}: {count}, and {most} are allowed" for what, count, most in counted(tracker, limits) if count > most
    ]
    if wrong:
        raise BoundExceededError("; ".join(wrong))


def counted(tracker: Tracker, limits: Limits) -> Iterator[tuple[str, int, int]]:
    """What is kept, how many of it, and how many there may be."""
    yield "open sessions", len(tracker._open), limits.max_sessions
    yield "ended sessions", len(tracker._ended), limits.max_ended
    yield "ends known", len(tracker._by_ends), 2 * (limits.max_sessions + limits.max_ended)
    yield "pairs of hosts", len(tracker._opening), limits.max_pairs
    yield "neighbours' frames", len(tracker._neighbours), limits.max_pairs * limits.max_neighbours
    yield "fragments", len(tracker._fragments), limits.max_datagrams * limits.max_fragments
    for datagram in tracker._fragments._by_key.values():
        yield "fragments untold", len(datagram.untold), limits.max_fragments
    yield "deadlines", len(tracker._schedule), 4 * limits.max_sessions + 16
    for session in (*tracker._open.values(), *tracker._ended.values()):
        yield from _of_session(session, limits)


def _of_session(session: Session, limits: Limits) -> Iterator[tuple[str, int, int]]:
    where = f"of session {session.ordinal}"
    for side in (session.client_side, session.server_side):
        yield f"holes {where}", len(side.holes), limits.max_holes
        yield f"octets kept {where}", len(side.last_data_payload), LINE_BYTES
        yield f"octets missing below zero {where}", -side.missing_octets, 0
    findings = session.findings
    yield f"findings {where}", len(findings), MOST_FINDINGS
    yield (
        f"frame numbers of a finding {where}",
        max((len(f.frames) for f in findings), default=0),
        (limits.max_frames_per_finding),
    )
    yield f"history letters {where}", len(session.history_letters), MOST_LETTERS

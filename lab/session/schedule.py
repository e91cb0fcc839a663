"""When which session is due to be closed: a queue by deadline that costs nothing while a session is busy.

Each frame moves its session's deadline, far too often to sort for. So a session stands in the queue once, with an
old deadline; when that comes, its real one is looked up and it is put back. Only a deadline that comes nearer (the
end of the session) is entered at once.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.session.limits import Limits
    from lab.session.session import Session


class Schedule:
    """The deadlines of all open sessions, in nanoseconds of the frames' clock."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._half_open_ns = min(limits.half_open_idle_ns, limits.idle_ns)
        self._heap: list[tuple[int, int, Session]] = []
        self._serial = 0
        self._now_ns: int | None = None
        self._looks = 0

    def touch(self, session: Session, time_ns: int) -> None:
        """A frame of the session has passed: move its deadline."""
        if session.ended_ns is not None:
            deadline = session.ended_ns + self._limits.linger_ns
        else:
            if not session.touched_ns:
                session.opened_at_look = self._looks
            patience = self._limits.idle_ns if session.established else self._half_open_ns
            session.touched_ns = max(time_ns, session.touched_ns)  # a frame with an older time moves nothing
            deadline = session.touched_ns + patience
        nearer = deadline < session.deadline_ns
        session.deadline_ns = deadline
        if nearer or not session.in_queue:
            self._push(session)

    def is_due(self, now_ns: int) -> bool:
        """Whether anything may have to be closed. A clock that was set back moves all deadlines with it."""
        before = self._now_ns
        if before is not None and now_ns < before - self._limits.clock_step_ns:
            self._shift(now_ns - before, now_ns)
            self._now_ns = now_ns
        elif before is None or now_ns > before:
            self._now_ns = now_ns
        self._looks += 1
        return bool(self._heap) and self._heap[0][0] <= now_ns

    @property
    def first_ns(self) -> int | None:
        """Before this nothing is due; None while nothing ever is."""
        return self._heap[0][0] if self._heap else None

    def due(self, now_ns: int) -> list[Session]:
        """The open sessions whose deadline has come; they leave the queue."""
        result: dict[int, Session] = {}
        while self._heap and self._heap[0][0] <= now_ns:
            session = heapq.heappop(self._heap)[2]
            session.in_queue = False
            if session.closed_because or session.ordinal in result:
                continue
            if session.deadline_ns <= now_ns:
                result[session.ordinal] = session
            else:
                self._push(session)
        return list(result.values())

    def next_due(self, open_sessions: Mapping[int, Session]) -> Session | None:
        """The open session whose deadline comes first: the one silent longest, or already at its end."""
        while self._heap:
            deadline, _, session = heapq.heappop(self._heap)
            session.in_queue = False
            if session.closed_because or session.ordinal not in open_sessions:
                continue
            if session.deadline_ns <= deadline:
                return session
            self._push(session)
        return None

    def _push(self, session: Session) -> None:
        self._serial += 1
        session.in_queue = True
        heapq.heappush(self._heap, (session.deadline_ns, self._serial, session))

    def _shift(self, step_ns: int, now_ns: int) -> None:
        """The clock went back by ``-step_ns``: what was to happen in a while is to happen in the same while still."""
        sessions = {entry[2].ordinal: entry[2] for entry in self._heap if not entry[2].closed_because}
        self._heap = []
        for session in sessions.values():
            if session.opened_at_look == self._looks and session.touched_ns <= now_ns:
                self._push(session)  # opened since the last look, by the clock as it goes now
                continue
            session.deadline_ns += step_ns
            session.touched_ns += step_ns
            if session.ended_ns is not None:
                session.ended_ns += step_ns
            session.findings_by_rule.add(
                "clock-set-back", "The clock went back while this session ran; its times are not in order.", 0
            )
            self._push(session)

    def __len__(self) -> int:
        return len(self._heap)

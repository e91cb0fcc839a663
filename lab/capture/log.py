"""The tap's log: the ladder of every session when it ends, or one line where there would be too many.

It remembers the frames of open sessions for that, a bounded number: the first and the last of a long session, and none
at all when hundreds of sessions are open. The files have everything; this is for the eye.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from lab.report.ladder import Style, ladder
from lab.session.events import Closed, Event, Opened, Recorded
from lab.session.session import Session

FIRST_FRAMES = 40
LAST_FRAMES = 12
REMEMBERED_SESSIONS = 64
LADDERS_A_SECOND = 2


class _Memory:
    """The first and the last frames of a session."""

    def __init__(self) -> None:
        self.first: list[Recorded] = []
        self.last: deque[Recorded] = deque(maxlen=LAST_FRAMES)
        self.count = 0
        self.skipped = False

    def skip(self, frames: int) -> None:
        """Frames that are not here to be remembered: what follows them can only be drawn as the end."""
        self.count += frames
        self.skipped = True
        self.last.clear()

    def add(self, record: Recorded) -> None:
        self.count += 1
        if len(self.first) < FIRST_FRAMES and not self.skipped:
            self.first.append(record)
        else:
            self.last.append(record)


class SessionLog:
    """Prints what happens to sessions.

    say: gets each text to print, without its last line feed. monotonic_s: a clock, to bound the ladders a second.
    style: how to draw. ladders: whether to draw at all.
    """

    def __init__(
        self, say: Callable[[str], None], monotonic_s: Callable[[], float], style: Style, ladders: bool = True
    ) -> None:
        self._say = say
        self._clock = monotonic_s
        self._style = style
        self._ladders = ladders
        self._memories: dict[int, _Memory] = {}
        self._second = 0
        self._drawn = 0
        self._quiet = 0

    def handle(self, event: Event) -> None:
        """Remember a frame; draw a session at its end."""
        ordinal = event.session.ordinal
        if isinstance(event, Opened):
            if self._ladders and len(self._memories) < REMEMBERED_SESSIONS:
                self._memories[ordinal] = _Memory()
        elif isinstance(event, Recorded):
            memory = self._memories.get(ordinal)
            if memory is not None:
                memory.add(event)
        elif isinstance(event, Closed):
            self._ended(event.session, self._memories.pop(ordinal, None))

    def passed_over(self, session: Session, frames: int) -> None:
        """So many frames of a session were booked in a run: they are in the file, and not in the ladder."""
        memory = self._memories.get(session.ordinal)
        if memory is not None:
            memory.skip(frames)

    def dropped(self, frames: int) -> None:
        """The kernel had no room for so many frames."""
        self._say(
            f"tap: the kernel dropped {frames} frames just now: the sessions open meanwhile get no certificate. "
            "Raise ECHO_RING_MIB."
        )

    def flush(self) -> None:
        """Say how many sessions were passed over in silence since the last time."""
        if self._quiet:
            self._say(f"tap: {self._quiet} more sessions ended and are in the captures folder")
            self._quiet = 0

    def _ended(self, session: Session, memory: _Memory | None) -> None:
        second = int(self._clock())
        if second != self._second:
            self.flush()
            self._second, self._drawn = second, 0
        self._drawn += 1
        if memory is None or self._drawn > LADDERS_A_SECOND:
            if self._drawn > 10 * LADDERS_A_SECOND:
                self._quiet += 1
            else:
                self._say(f"tap: session {session.name} ended: {session.verdict}")
            return
        left_out = memory.count - len(memory.first) - len(memory.last)
        text = ladder(session, memory.first, self._style, tail=list(memory.last), left_out=left_out)
        self._say(f"\n{text}\n")

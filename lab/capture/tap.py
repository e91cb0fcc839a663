"""The tap: from the ring to files, one turn after another.

A turn takes the blocks that are ready, has their frames taken into account, asks the kernel what it dropped, lets time
pass for the tracker (linger, idle limit) and writes everything out, so that a reader of a file sees a session in
progress.

Drops. The kernel says how many frames it had no room for, and marks the blocks that it closed since. They are counted
where they happened: before the first marked block is taken, or when the ring is empty. A session that opens in marked
blocks is charged as well, for the place of a later gap among them is not known.

How frames get from the ring to the tracker and the store, one by one or many at once, is in lab.capture.intake.

Time. Frames carry the kernel's wall clock, which somebody may set. What the tracker is told between frames is the time
of the last frame plus what a monotonic clock has measured since: a clock set back or forward ends no session and keeps
none alive.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.capture.intake import intake
from lab.capture.log import SessionLog
from lab.capture.ring import Ring
from lab.session.events import Closed, Event
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.store.quota import Quota
from lab.store.sessions import SessionStore

BUSY_WAIT_S = 0.02
"""How long to sleep for frames while a session is open, so that what waits is written soon."""
POLL_STEP_S = 0.001
GATHER_S = 0.01
"""Under load: how long to let blocks gather, instead of waking up for each of a thousand a second. The ring has room
for many times that, and who is busy is not in a hurry."""
IDLE_WAIT_S = 0.25
BLOCKS_A_TURN = 512
"""Blocks taken before drops are read and files flushed: 64 MiB of frames."""


@dataclass
class Clock:
    """The time to tell the tracker, in nanoseconds since the epoch: see the module's text. Sources can be replaced."""

    wall_ns: Callable[[], int] = time.time_ns
    monotonic_ns: Callable[[], int] = time.monotonic_ns

    def __post_init__(self) -> None:
        self._frame_ns = self.wall_ns()
        self._at_ns = self.monotonic_ns()

    def frame(self, time_ns: int) -> None:
        """A frame with this time stamp has just been read."""
        self._frame_ns = time_ns
        self._at_ns = self.monotonic_ns()

    def now_ns(self) -> int:
        """The time of the last frame, and what has passed since."""
        return self._frame_ns + self.monotonic_ns() - self._at_ns


class Tap:
    """One ring, one tracker, one store, one log; and a quota, if captures have one."""

    def __init__(
        self,
        ring: Ring,
        tracker: Tracker,
        store: SessionStore,
        log: SessionLog,
        clock: Clock,
        quota: Quota | None = None,
    ) -> None:
        self.quota = quota
        self.ring = ring
        self.tracker = tracker
        self.store = store
        self.log = log
        self.clock = clock
        self.intake = intake(ring, tracker, self._act, self._booked, clock.frame, self._losing)
        self.frames_received = 0
        self.frames_dropped = 0
        self._dropped_last = 0
        self._now_ns = 0
        self._ended: list[str] = []  # for the quota: their files are finished at the end of the turn

    def turn(self, wait_s: float) -> None:
        """Wait for frames at most so long, then do one turn."""
        if self.intake.aside or self.ring.wait(wait_s):
            self.intake.take(BLOCKS_A_TURN)
        self.intake.settle()
        if not self.ring.ready and not self.intake.aside:  # else it was dropped after frames that are still to be taken
            self._count_drops()
        now_ns = self.clock.now_ns()
        if now_ns < self._now_ns:
            self.intake.empty()  # what waits was stamped by the clock as it went before it was set back
        self._now_ns = now_ns
        if self.tracker.is_due(now_ns):
            self.intake.empty()  # nobody is silent whose frames wait here
            self._act(self.tracker.tick(now_ns))
        self.store.flush(self.intake.relieve)
        if self.quota is not None:
            for name in self._ended:
                self.quota.finished(name)
            self._ended.clear()
            self.quota.look(time.monotonic())

    def run(self, stopping: Callable[[], bool], each_turn: Callable[[], None]) -> None:
        """Turn after turn until told to stop, then take what is left in the ring and end every session as cut."""
        while not stopping():
            if self.intake.busy:
                time.sleep(GATHER_S)
            self.turn(self._patience_s())
            each_turn()
        self.intake.take(self.ring.blocks + self.intake.aside)
        self.intake.empty()
        self._count_drops()
        self._act(self.tracker.stop(self.clock.now_ns()))
        self.intake.finish()
        self.store.close()
        self.log.flush()

    def _patience_s(self) -> float:
        """How long to sleep for frames: not past the moment at which a session is due to be closed."""
        if not self.store.open_sessions:
            return IDLE_WAIT_S
        if self.store.digesting:
            return 0.0
        due_ns = self.tracker.first_due_ns
        left_s = BUSY_WAIT_S if due_ns is None else (due_ns - self.clock.now_ns()) / 1e9 + POLL_STEP_S
        return min(BUSY_WAIT_S, max(POLL_STEP_S, left_s))

    def _booked(self, session: Session, octets: bytes | memoryview, frames: int, last_ns: int) -> None:
        self.store.handle_run(session, octets, frames, last_ns)
        self.log.passed_over(session, frames)
        self.intake.relieve()  # as in _act

    def _act(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Closed):
                self.intake.forget(event.session)
                self.intake.relieve()  # thousands may be closed at a time
            self.store.handle(event, self.intake.relieve)
            self.log.handle(event)
            if self.quota is not None and isinstance(event, Closed):
                self._ended.append(event.session.name)

    def _losing(self) -> None:
        """The block that is next, or was just taken, bears the kernel's mark."""
        if not self._count_drops():
            self.intake.catch_up()
            for session in self.tracker.open_sessions:
                if not session.kernel_drops:
                    self.intake.forget(session)  # books what waits of it; the others may wait on
            opened = self.tracker.dropped(self._dropped_last, self.clock.now_ns(), only_spared=True)
            self.store.dropped_before(opened, self._dropped_last)

    def _count_drops(self) -> bool:
        """Ask the kernel, and charge what it dropped to the open sessions. Returns whether there was anything."""
        counted = self.ring.statistics()
        self.frames_received += counted.received
        if counted.dropped:
            self.intake.empty()  # its sessions must be open, or they would not learn of their loss
            self._dropped_last = counted.dropped
            self.frames_dropped += counted.dropped
            self.tracker.dropped(counted.dropped, self.clock.now_ns())
            self.store.kernel_dropped(counted.dropped)
            self.log.dropped(counted.dropped)
        return bool(counted.dropped)

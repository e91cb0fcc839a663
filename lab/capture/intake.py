"""From the ring to the tracker and the store: few frames one by one, at once; many by a fast lane.

There are two fast lanes with one result. The one in C (lab.capture.native) takes frames where they lie in the ring. The
one in NumPy (lab.capture.lane) takes them by the pile, so they are spooled first; it serves where the library is not
there. ``intake`` chooses.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lab.capture.native import LIBRARY, NativeLane, load
from lab.capture.ring import Block, Ring, frames_in
from lab.session.events import Event
from lab.session.session import Session
from lab.session.tracker import Tracker

BLOCKS_A_BATCH = 8
"""Blocks copied to the spool at once: a mebibyte, so that their headers are read from the processor's cache."""
SPOOL_BLOCKS = 320
"""Blocks that the spool holds: 40 MiB."""
FEW_FRAMES = 256
"""A batch of fewer frames is not worth spooling."""
FEW_FRAMES_A_BLOCK = 64
"""A block of fewer frames is not worth the lane in C."""
MOST_ASIDE_BYTES = 32 << 20
"""Copies of blocks that wait, at most."""
SOON_FRAMES = 4096
"""Fewer frames in the spool than this do not wait for more."""
HOLD_S = 0.4
"""How long the oldest frame in the spool may wait."""

Act = Callable[[list[Event]], None]
Bulk = Callable[[Session, "bytes | memoryview", int, int], None]
Seen = Callable[[int], None]
Losing = Callable[[], None]


class Intake(Protocol):
    """What the tap asks of it.

    busy: frames came many at once, the last time. aside: blocks that were copied out of the ring and wait. take: frames
    of at most so many blocks. settle: a turn is over, nothing may wait longer than it should. catch_up: no frame may
    wait whose session the tracker does not know yet. relieve: what is being done takes long, so look after the ring.
    empty: nothing waits any more. forget: nothing of this session waits any more, nor is anything remembered. finish:
    the tap ends.
    """

    busy: bool

    @property
    def aside(self) -> int: ...
    def take(self, blocks: int) -> None: ...
    def settle(self) -> None: ...
    def catch_up(self) -> None: ...
    def relieve(self) -> None: ...
    def empty(self) -> None: ...
    def forget(self, session: Session) -> None: ...
    def finish(self) -> None: ...


def intake(
    ring: Ring, tracker: Tracker, act: Act, bulk: Bulk, seen: Seen, losing: Losing, library: Path = LIBRARY
) -> Intake:
    """The best that is there. act: gets the tracker's events; bulk: the booked runs; seen: the time of the latest
    frame, in nanoseconds, from time to time; losing: called before and after a block that the kernel marked, because it
    had to drop frames before it."""
    found = load(library)
    if found is None:
        return Spooled(ring, tracker, act, bulk, seen, losing)
    return Direct(ring, tracker, act, NativeLane(found, ring.memory, tracker, act, bulk), seen, losing)


class Direct:
    """By the lane in C.

    The kernel hands over a block every RETIRE_MS even if it has few frames, and a ring of such blocks is soon full.
    When a quarter of it is ready, what is used of these blocks is set aside, in order, and they go back at once. A
    block that the kernel marked stays: what was dropped before it is charged when the frames before it have been taken.
    """

    def __init__(self, ring: Ring, tracker: Tracker, act: Act, lane: NativeLane, seen: Seen, losing: Losing) -> None:
        self._ring, self._tracker, self._act, self._lane, self._seen = ring, tracker, act, lane, seen
        self._losing = losing
        self._aside: deque[tuple[bytearray, Block]] = deque()
        self._aside_bytes = 0
        self.busy = False

    @property
    def aside(self) -> int:
        return len(self._aside)

    def take(self, blocks: int) -> None:
        ring, lane = self._ring, self._lane
        self.busy = False
        for _ in range(blocks):
            self.relieve()
            if self._aside:
                self._take_aside()
                continue
            block = ring.block()
            if block is None:
                return
            losing = ring.losing
            number = ring.advance()
            if losing:
                self._losing()
            if self._one_by_one(block):
                self._feed(ring.memory, block)
            else:
                lane.take(block.first_at, block.frames)
            ring.give_back(number)
            self._seen(block.last_ns)
            if losing:
                self._losing()

    def _one_by_one(self, block: Block) -> bool:
        many = block.frames >= FEW_FRAMES_A_BLOCK
        self.busy |= many
        return not many and not self._lane.armed

    def _feed(self, memory: memoryview, block: Block) -> None:
        for frame in frames_in(memory, block.first_at, block.frames):
            self._act(self._tracker.feed(frame))

    def relieve(self) -> None:
        """If the ring is filling: copy the blocks that are ready."""
        ring = self._ring
        if not ring.filling:
            return
        while self._aside_bytes < MOST_ASIDE_BYTES and not ring.losing:
            block = ring.block()
            if block is None:
                return
            octets = bytearray(ring.memory[block.first_at : block.end_at])
            self._aside.append((octets, block._replace(first_at=0, end_at=len(octets))))
            self._aside_bytes += len(octets)
            ring.release(1)

    def _take_aside(self) -> None:
        octets, block = self._aside.popleft()
        self._aside_bytes -= len(octets)
        if self._one_by_one(block):
            self._feed(memoryview(octets), block)
        else:
            self._lane.take_aside(octets, block.first_at, block.frames)
        self._seen(block.last_ns)

    def settle(self) -> None:
        self._lane.settle()

    def catch_up(self) -> None:
        """A session's first frames never wait."""

    def empty(self) -> None:
        self._lane.book_all()

    def forget(self, session: Session) -> None:
        self._lane.release(session)

    def finish(self) -> None:
        self._lane.close()


class Spooled:
    """By the lane in NumPy. Frames are spooled, so that the ring has room again, and looked at a moment later: the more
    of them together, the less each costs."""

    def __init__(self, ring: Ring, tracker: Tracker, act: Act, bulk: Bulk, seen: Seen, losing: Losing) -> None:
        from lab.capture.lane import FastLane
        from lab.capture.spool import Spool

        self._ring, self._tracker, self._act, self._seen, self._losing = ring, tracker, act, seen, losing
        self._spool = Spool(SPOOL_BLOCKS)
        self._lane = FastLane(tracker, act, bulk)
        self._since = 0.0
        self.busy = False

    @property
    def aside(self) -> int:
        """What waits in the spool is no block any more."""
        return 0

    def take(self, blocks: int) -> None:
        spool = self._spool
        self.busy = False
        while blocks > 0:
            losing = self._ring.losing
            if losing:
                self._losing()
            batch = self._ring.batch(min(BLOCKS_A_BATCH, blocks))
            if not batch.blocks:
                return
            blocks -= batch.blocks
            if not spool.frames and len(batch) < FEW_FRAMES:
                for row in range(len(batch)):
                    self._act(self._tracker.feed(batch.frame(row)))
            else:
                if not spool.has_room(batch.blocks):
                    self.empty()
                if not spool.frames:
                    self._since = time.monotonic()
                spool.add(batch)
            self.busy |= len(batch) >= FEW_FRAMES
            if len(batch):
                self._seen(int(batch.time_ns[-1]))
            self._ring.release(batch.blocks)
            if losing:
                self._losing()

    def settle(self) -> None:
        if self._spool.frames < SOON_FRAMES or time.monotonic() - self._since > HOLD_S:
            self.empty()

    def catch_up(self) -> None:
        self.empty()

    def relieve(self) -> None:
        """The ring's room is all there is while a pile is taken."""

    def empty(self) -> None:
        if self._spool.frames:
            self._lane.take(self._spool.pile())

    def forget(self, session: Session) -> None:
        """Nothing is remembered of a session between piles."""

    def finish(self) -> None:
        self.empty()

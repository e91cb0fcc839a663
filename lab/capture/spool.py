"""The spool: frames that have left the ring and wait to be looked at together.

Taking frames out of the ring must be quick, because the kernel needs the room; what they mean can wait a moment, and
costs less the more of them are looked at together. So whole blocks are copied here, a few at a time, and while their
octets are still in the processor's cache the headers are read (lab.wire.columns). When the spool is full, or its
oldest frame has waited long enough, lab.capture.lane takes it from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lab.capture.batch import Batch, FrameColumns
from lab.capture.ring import BLOCK_BYTES
from lab.wire.columns import Columns, columns

Ints = npt.NDArray[np.int64]

_MARGIN = 4096
"""Room behind the last block: reading a header may look past the end of a frame."""


@dataclass(frozen=True, slots=True)
class Pile(FrameColumns):
    """All frames of the spool, with their headers."""

    headers: Columns


class Spool:
    """Memory for so many blocks of the ring, and what is known of the frames in it."""

    def __init__(self, blocks: int) -> None:
        self._memory = np.empty(blocks * BLOCK_BYTES + _MARGIN, np.uint8)
        self._used = 0
        self._batches: list[tuple[Batch, Ints, Columns]] = []
        self.frames = 0

    def has_room(self, blocks: int) -> bool:
        """Whether so many blocks still fit."""
        return self._used + blocks * BLOCK_BYTES <= len(self._memory) - _MARGIN

    def add(self, batch: Batch) -> None:
        """Copy a batch; it can be given back to the ring then."""
        begin, end = batch.span
        size = end - begin
        here = self._memory[self._used : self._used + size + _MARGIN]
        here[:size] = batch.memory[begin:end]
        found = columns(here, batch.start - begin, batch.captured, batch.length)
        self._batches.append((batch, batch.start - begin + self._used, found))
        self._used += size
        self.frames += len(batch)

    def pile(self) -> Pile:
        """Everything that is in the spool, as one. The spool is empty then, but its memory stays until the next
        ``add``."""
        batches, self._batches = self._batches, []
        self._used = self.frames = 0
        headers = Columns(
            *(np.concatenate([getattr(found, name) for _, _, found in batches]) for name in Columns.__slots__)
        )
        return Pile(
            self._memory,
            np.concatenate([start for _, start, _ in batches]),
            np.concatenate([batch.captured for batch, _, _ in batches]),
            np.concatenate([batch.length for batch, _, _ in batches]),
            np.concatenate([batch.time_ns for batch, _, _ in batches]),
            np.concatenate([batch.outgoing for batch, _, _ in batches]),
            headers,
        )

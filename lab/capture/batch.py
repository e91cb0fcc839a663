"""A batch: all frames of the blocks that are ready in the ring, as arrays, without a copy of the frames themselves.

The frames stay where the kernel put them until the batch is released. Finding them is a walk: each frame's header says
how far the next one is. Where frames of one size follow each other (a bulk transfer) the walk is a stride, and NumPy
checks the whole stride at once; where sizes change it is a plain loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lab.wire.frame import Direction, Frame

Ints = npt.NDArray[np.int64]

_OUTGOING = 4
_PACKET_TYPE_AT = 48 + 10
_SHORTEST_STRIDE = 8
"""Fewer frames of one size than this, and a loop is faster than a stride."""


@dataclass(frozen=True, slots=True)
class FrameColumns:
    """Frames as columns, one row a frame, in the order of their arrival.

    memory: the octets in which they lie. start: where each begins in it. captured, length: octets there and octets on
    the wire. time_ns: nanoseconds since the epoch. outgoing: sent by this host.
    """

    memory: npt.NDArray[np.uint8]
    start: Ints
    captured: Ints
    length: Ints
    time_ns: Ints
    outgoing: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start)

    def frame(self, row: int) -> Frame:
        """One row as a frame of its own: a copy, so it outlives the memory."""
        start = int(self.start[row])
        return Frame(
            int(self.time_ns[row]),
            self.memory[start : start + int(self.captured[row])].tobytes(),
            int(self.length[row]),
            0,
            Direction.OUTBOUND if self.outgoing[row] else Direction.INBOUND,
        )


@dataclass(frozen=True, slots=True)
class Batch(FrameColumns):
    """Frames that still lie in the ring. span: the octets of the ring in which they lie; blocks: how many blocks."""

    span: tuple[int, int]
    blocks: int


def walk(words: npt.NDArray[np.uint32], first: int, count: int) -> Ints:
    """Where the headers of a block's frames lie.

    words: the ring as 32-bit words. first: octet offset of the first header. count: how many frames the block has.
    Returns octet offsets.
    """
    found = np.empty(count, np.int64)
    done, at = 0, first
    while done < count:
        step = int(words[at >> 2])
        left = count - done
        if left > _SHORTEST_STRIDE and step:
            steps = words[at >> 2 :: step >> 2][:left]
            other = np.flatnonzero(steps != step)
            run = int(other[0]) + 1 if len(other) else len(steps)
            if run > _SHORTEST_STRIDE:
                found[done : done + run] = at + step * np.arange(run)
                done += run
                last = int(found[done - 1])
                at = last + int(words[last >> 2])
                continue
        for _ in range(min(left, 4 * _SHORTEST_STRIDE)):
            found[done] = at
            done += 1
            at += int(words[at >> 2])
    return found


def read_batch(memory: npt.NDArray[np.uint8], headers: list[Ints], span: tuple[int, int], blocks: int) -> Batch:
    """Read the frame headers (struct tpacket3_hdr and the sockaddr_ll behind it) at these offsets."""
    at = np.concatenate(headers) if headers else np.empty(0, np.int64)
    words = memory.view(np.uint32)
    halves = memory.view(np.uint16)
    word = at >> 2
    seconds = words[word + 1].astype(np.int64)
    return Batch(
        memory,
        at + halves[(at >> 1) + 12],
        words[word + 3].astype(np.int64),
        words[word + 4].astype(np.int64),
        seconds * 1_000_000_000 + words[word + 2],
        memory[at + _PACKET_TYPE_AT] == _OUTGOING,
        span,
        blocks,
    )

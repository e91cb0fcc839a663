"""A ring without a kernel: blocks are laid into its memory as the kernel would lay them, with marks and drop counts."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence

from lab.capture.ring import BLOCK_BYTES, STATUS_LOSING, STATUS_USER, Ring, Statistics
from lab.wire.frame import Frame
from tests.unit.capture.library import block_of

FIRST_AT = 48  # where the kernel puts a block's first frame


class ScriptedRing(Ring):
    """The real ring but for its socket: ``lay`` is the kernel that hands over a block."""

    def __init__(self, blocks: int = 16) -> None:
        self.iface = "scripted"
        self.blocks = blocks
        self.size_bytes = blocks * BLOCK_BYTES
        self._next = 0
        self._laid = 0
        self._map_memory = mmap.mmap(-1, self.size_bytes)
        self._memory = memoryview(self._map_memory)
        self._received = self._dropped = 0
        self.asked = 0
        self.closed = False

    def lay(self, frames: Sequence[Frame], *, marked: bool = False) -> None:
        """The next block has these frames. marked: the kernel had dropped some before it closed it."""
        self.lay_octets(bytes(block_of(list(frames))), len(frames), frames[-1].time_ns if frames else 0, marked=marked)

    def lay_octets(self, octets: bytes, count: int, last_ns: int, *, marked: bool = False) -> None:
        """The same for frames that lie one behind the other already, each with its header."""
        start = self._laid * BLOCK_BYTES
        assert not self._status(self._laid) & STATUS_USER, "the ring is full"
        assert FIRST_AT + len(octets) <= BLOCK_BYTES
        self._memory[start + FIRST_AT : start + FIRST_AT + len(octets)] = octets
        struct.pack_into("=II", self._memory, start + 40, *divmod(last_ns, 1_000_000_000))
        status = STATUS_USER | (STATUS_LOSING if marked else 0)
        struct.pack_into("=IIIIII", self._memory, start, 1, 0, status, count, FIRST_AT, FIRST_AT + len(octets))
        self._laid = (self._laid + 1) % self.blocks
        self._received += count

    def drop(self, frames: int) -> None:
        """The kernel has no room for so many frames."""
        self._received += frames
        self._dropped += frames

    def wait(self, timeout_s: float) -> bool:
        return self.ready

    def statistics(self) -> Statistics:
        self.asked += 1
        counted = Statistics(self._received, self._dropped)
        self._received = self._dropped = 0
        return counted

    def close(self) -> None:
        self.closed = True

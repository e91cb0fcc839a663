"""The real tap on a clock that can be set back: SIGUSR1 sets it back by two minutes.

When somebody sets the clock of a machine back, a tap meets it in two places: the stamps that the kernel puts on frames
jump, and so does time.time_ns(). Its monotonic clock goes on. To set the real clock would disturb everything else on
the machine, and a time namespace does not cover it (time_namespaces(7): CLOCK_MONOTONIC and CLOCK_BOOTTIME only). So
this program changes both places and nothing else: the stamps where they lie in the ring's memory, before the tap looks
at a block, and time.time_ns(). Frames, ring, lane, tracker, store and files are the real ones.

LATE_S: by how many seconds the clock is late from the beginning. It takes the tap's arguments.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import time

from lab.capture import ring

STEP_S = 120

SECOND_NS = 1_000_000_000


class Late:
    """By how much the clock is late, in seconds."""

    seconds = int(os.environ.get("LATE_S") or 0)


_true_time_ns = time.time_ns
time.time_ns = lambda: _true_time_ns() - Late.seconds * SECOND_NS  # before the tap's modules keep it

from lab.capture import __main__ as tap  # noqa: E402


class LateRing(ring.Ring):
    """A ring whose kernel has the late clock. For the lane in C, which asks for every block with block()."""

    _changed: int | None = None

    def block(self) -> ring.Block | None:
        """The next block; what it holds is late by now."""
        found = super().block()
        if found is None or self._changed == self._next:
            return found
        self._changed = self._next
        at = found.first_at
        for _ in range(found.frames):
            step, seconds = struct.unpack_from("=II", self.memory, at)
            struct.pack_into("=I", self.memory, at + 4, seconds - Late.seconds)
            at += step
        return found._replace(last_ns=found.last_ns - Late.seconds * SECOND_NS)


def set_back(_number: int, _frame: object) -> None:
    Late.seconds += STEP_S
    os.write(1, b"the clock was set back\n")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, set_back)
    vars(tap)["Ring"] = LateRing
    sys.exit(tap.main(sys.argv[1:]))

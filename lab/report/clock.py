"""The horizontal axis of a plot: the time of the session, or the same without its long pauses.

A session may be silent for a minute and then send everything in a millisecond. On a true axis that is one vertical
line; so there is a second axis, on which every long pause is cut to a short one, and marked as cut.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lab.report.axes import unit_of

_LONG = 0.2
"""A gap is a pause if it takes more than this share of what is left without the longer ones, and is unusual; ..."""
_UNUSUAL = 8
_MOST_PAUSES = 8
_KEPT = 0.06
"""... and then it keeps this share of what is left without the pauses."""


@dataclass(frozen=True, slots=True)
class Clock:
    """From a frame's time to a number on the axis. pauses: (from, to) in nanoseconds, each drawn kept_ns long."""

    start_ns: int
    end_ns: int
    pauses: tuple[tuple[int, int], ...] = ()
    kept_ns: int = 0

    @property
    def span_ns(self) -> int:
        """What the axis spans."""
        cut = sum(end - begin - self.kept_ns for begin, end in self.pauses)
        return max(1, self.end_ns - self.start_ns - cut)

    @property
    def unit(self) -> str:
        """The axis's unit."""
        return unit_of(self.span_ns)[0]

    @property
    def span(self) -> float:
        """The same in its unit."""
        return self.span_ns / unit_of(self.span_ns)[1]

    def at(self, time_ns: int) -> float:
        """Where a moment lies, in the axis's unit."""
        past = self.pauses[: bisect_right(self.pauses, (time_ns, 0))]
        cut_ns = sum(end - begin - self.kept_ns for begin, end in past if end <= time_ns)
        if past and past[-1][1] > time_ns:  # within a pause
            begin, end = past[-1]
            cut_ns += round((time_ns - begin) * (1 - self.kept_ns / (end - begin)))
        return (time_ns - self.start_ns - cut_ns) / unit_of(self.span_ns)[1]


def without_pauses(times_ns: Sequence[int]) -> Clock | None:
    """A clock that leaves the pauses out; None where there is none that hides much."""
    if len(times_ns) < 2:
        return None
    ordered = sorted(times_ns)
    span_ns = ordered[-1] - ordered[0]
    gaps = sorted(((end - begin, begin, end) for begin, end in pairwise(ordered)), reverse=True)
    long: list[tuple[int, int]] = []
    left_ns = span_ns
    for gap_ns, begin, end in gaps[:_MOST_PAUSES]:
        if gap_ns <= _LONG * left_ns or gap_ns < _UNUSUAL * gaps[len(gaps) // 2][0] or gap_ns == left_ns:
            break
        long.append((begin, end))
        left_ns -= gap_ns
    if not long or left_ns > span_ns / 2:
        return None
    return Clock(ordered[0], ordered[-1], tuple(sorted(long)), max(1, round(left_ns * _KEPT)))

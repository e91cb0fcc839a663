"""What the kit says of a program that cheats, on a machine that may be busy.

A server that gets its octets late, because others have the processor, may find in one read what was sent in two, and
so hide its fault; a kit that is late may find one that is none. So a verdict that is not the right one is asked for
again, when nothing else is run by these tests. A fault that the kit does not know stays unknown however often it is
asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab.conformance import Result

_ASK_AGAIN = 2


@dataclass(frozen=True)
class Verdict:
    """results: by case. missed: cases that passed and should have failed. wrongly: that failed and should not have."""

    results: Mapping[str, Result]
    missed: set[str]
    wrongly: set[str]

    @classmethod
    def of(cls, results: Mapping[str, Result], must: set[str], may: set[str]) -> Verdict:
        failed = {case for case, result in results.items() if result.outcome != "pass"}
        return cls(results, must - failed, failed - must - may)

    @property
    def failed(self) -> list[Result]:
        """The results that are no pass."""
        return [result for result in self.results.values() if result.outcome != "pass"]


def verdict(
    first: Mapping[str, Result], again: Callable[[], Mapping[str, Result]], must: set[str], may: set[str]
) -> Verdict:
    """The first results if they are right, else those of another run. must: the cases that fail. may: that may fail."""
    found = Verdict.of(first, must, may)
    for _ in range(_ASK_AGAIN):
        if not (found.missed or found.wrongly):
            break
        found = Verdict.of(again(), must, may)
    return found

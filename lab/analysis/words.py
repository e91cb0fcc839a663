"""Sentences from numbers: the small language in which the table of findings is written.

A sentence is a ``str.format`` template over the facts of a finding. Three endings make numbers readable:
``{gap_ns:time}`` is a duration, ``{octets:n octet}`` a number with its noun, ``{copies:frames}`` a list of frame
numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter
from typing import Any

from lab.session.words import count

_MOST_FRAMES = 6


def duration(nanoseconds: int) -> str:
    """A time as people say it, with three digits that matter: ``83 ns``, ``4.12 µs``, ``213 ms``, ``1.02 s``; of more
    than two minutes ``3 min 5 s``, of more than two hours ``2 h 30 min``."""
    if nanoseconds < 0:
        return "-" + duration(-nanoseconds)
    if nanoseconds < 1_000:
        return f"{nanoseconds} ns"
    whole_s = nanoseconds // 1_000_000_000
    for large, small, size in (("h", "min", 3_600), ("min", "s", 60)):
        if whole_s >= 2 * size:
            rest = whole_s % size // (size // 60)
            return f"{whole_s // size} {large}" + (f" {rest} {small}" if rest else "")
    for unit, size in (("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)):
        value = nanoseconds / size
        if value < 999.5 or unit == "s":
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f} {unit}"
    raise AssertionError("the last unit takes everything")


def frames_text(frames: Sequence[int]) -> str:
    """Frame numbers as a list: ``frame 7``, ``frames 7 and 9``, ``frames 1, 2, 3, 4, 5, 6 and 10 more``."""
    if len(frames) == 1:
        return f"frame {frames[0]}"
    if len(frames) > _MOST_FRAMES:
        return f"frames {', '.join(map(str, frames[:_MOST_FRAMES]))} and {len(frames) - _MOST_FRAMES} more"
    if not frames:
        return "no frame"
    return f"frames {', '.join(map(str, frames[:-1]))} and {frames[-1]}"


class _Sentence(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "time":
            return duration(value)
        if format_spec == "frames":
            return frames_text(value)
        if format_spec.startswith("n "):
            return count(value, format_spec[2:])
        text: str = super().format_field(value, format_spec)
        return text


_SENTENCE = _Sentence()


def sentence(template: str, words: dict[str, Any]) -> str:
    """The template with its facts put in."""
    return _SENTENCE.vformat(template, (), words)

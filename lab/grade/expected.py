"""What a check gives: the expected answer with its proof, and the mistakes that have a name.

A check is a function from the evidence (the student's own certified captures, analysed) to what is expected: the value,
the frames that prove it, the display filter that shows it, and the wrong values that have a *name* because people
arrive at them by a known misunderstanding. Nothing in here knows an exercise; an exercise names checks and gives them
parameters. docs/authoring.md has the table of all of them, generated from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.grade.answers import Value
from lab.grade.evidence import Evidence

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Mistake:
    """A wrong value with a name. slug: of MISTAKES. sentence: what happened, for the student; may name frames."""

    value: Value
    slug: str
    sentence: str


@dataclass(frozen=True)
class Expected:
    """What the capture says.

    value: the answer. relative: of a raw sequence number, the same counted from its SYN. frames: the proof. why: the
    reason, told with a right answer. look: where to look, told with a wrong one; it must not give the answer away.
    filter: a Wireshark display filter that shows it; wide: the one shown while the answer is wrong, empty if that is
    the same. tolerance: how far a number may be off. part: which capture.
    """

    value: Value
    frames: tuple[int, ...]
    why: str
    look: str
    filter: str
    relative: int | None = None
    mistakes: tuple[Mistake, ...] = ()
    tolerance: float = 0
    part: str = ""
    wide: str = ""


MISTAKES: Mapping[str, str] = {
    "off-by-one-syn": "forgot that the SYN takes one sequence number",
    "off-by-one-fin": "forgot that the FIN takes one sequence number",
    "counted-syn-fin": "counted SYN or FIN as an octet of text",
    "off-by-one": "off by one",
    "relative-for-raw": "relative number instead of the raw one",
    "wrong-direction": "the other direction",
    "wrong-end": "the other end",
    "unscaled-window": "window without its scale",
    "scaled-syn-window": "scaled the window of a SYN",
    "factor-for-shift": "the factor instead of the shift",
    "last-for-next": "the last octet instead of the next one expected",
    "start-for-end": "where the segment starts instead of where it ends",
    "length-for-number": "a length instead of a sequence number",
    "seq-for-ack": "sequence number instead of acknowledgment number",
    "segments-are-messages": "took segments for messages",
    "frames-for-segments": "counted frames without payload too",
    "frame-length": "the frame's length instead of the payload's",
    "mss-with-headers": "counted the headers into the MSS",
    "mss-without-options": "forgot the room that options take in each segment",
    "other-frame": "another frame of the same exchange",
    "original-for-last": "the original's time instead of the last retransmission's",
    "copy-for-original": "the retransmission instead of the original",
    "one-hop-of-two": "one way instead of there and back",
    "port-for-connection": "took the port for the connection",
    "passive-closer": "took the end that closed second",
    "hardware-for-ip": "hardware address of another station",
    "flags-at-their-word": "took the tool's label for the fact",
    "unit": "the right digits in another unit",
    "misread": "a plausible reading that the capture contradicts",
}
"""The names that misunderstandings have in reports."""


@dataclass(frozen=True)
class Check:
    """One word of the vocabulary. says: what it gives. needed, optional: its parameters with a description.

    choices: of a parameter that takes only some words. mistakes: slugs it can recognise. misreads: names of wrong
    values that tests may ask it for.
    """

    name: str
    says: str
    forms: tuple[str, ...]
    function: Callable[[Evidence, Parameters], Expected]
    needed: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mistakes: tuple[str, ...] = ()

    @property
    def all_parameters(self) -> frozenset[str]:
        return self.needed | self.optional


WORDS: dict[str, Check] = {}
_CHOICES = {"of": ("client", "server")}


def check(
    name: str,
    forms: str,
    needs: str = "",
    may: str = "part",
    mistakes: str = "",
    choices: Mapping[str, tuple[str, ...]] | None = None,
) -> Callable[[Callable[[Evidence, Parameters], Expected]], Callable[[Evidence, Parameters], Expected]]:
    """Add a function to the vocabulary; its docstring's first line is what the docs say of it."""

    def add(function: Callable[[Evidence, Parameters], Expected]) -> Callable[[Evidence, Parameters], Expected]:
        says = " ".join((function.__doc__ or "").split())
        needed, optional = frozenset(needs.split()), frozenset(may.split())
        allowed = {**{word: _CHOICES[word] for word in _CHOICES if word in needed | optional}, **(choices or {})}
        WORDS[name] = Check(
            name, says, tuple(forms.split()), function, needed, optional, allowed, tuple(mistakes.split())
        )
        return function

    return add


def named(numbers: Sequence[int], most: int = 8) -> str:
    """Frames in a sentence: ``frame 6``, ``frames 6 and 7``, ``frames 1, 2, 3 ...``."""
    shown = [str(number) for number in numbers[:most]]
    if len(shown) < 2:
        return f"frame {''.join(shown)}"
    if len(numbers) > most:
        return f"frames {', '.join(shown)} ..."
    return f"frames {', '.join(shown[:-1])} and {shown[-1]}"


def many(count: int, word: str) -> str:
    """A count with its word: ``1 segment``, ``3 segments``."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def mistake(value: Value | None, slug: str, sentence: str) -> tuple[Mistake, ...]:
    """A mistake, or none where the value is not known."""
    return () if value is None else (Mistake(value, slug, sentence),)

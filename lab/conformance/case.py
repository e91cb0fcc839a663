"""What a case is, and what comes of it: the data of the conformance kit, without any socket.

A case checks one rule of docs/protocol.md (or one section of images/CONTRACT.md) with one dialogue. It ends in one of
three ways, kept apart: *pass*; *fail*, when the program under test broke the rule; *error*, when the kit could not do
its work, for instance because nobody listens. Only a fail is the program's fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")

SHOWN_OCTETS = 160  # of longer octet strings, the beginning and the end are shown


class Outcome(str, Enum):
    """How a case ended."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"


class Mismatch(Exception):  # noqa: N818  (it is the other side's error, not ours)
    """The program under test did something else than the rule says. expected, got: in words or octets, for people."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, but got {got}")
        self.expected = expected
        self.got = got


class KitError(Exception):
    """The kit could not do its work. The text says what, and what to do."""


@dataclass(frozen=True)
class Case(Generic[T]):
    """One check. id: never changes. name: a sentence. rule: its id in docs/protocol.md. check: runs the dialogue with
    what it is given (a server's address, a client's command); raises Mismatch or KitError, else it passes. slow: takes
    over a second. crowd: opens hundreds of connections, so it is run alone.
    """

    id: str
    rule: str
    name: str
    advice: str
    check: Callable[[T], None]
    slow: bool = False
    crowd: bool = False


@dataclass(frozen=True)
class Result:
    """What came of a case. sent, expected, got: for people; empty when it passed before anything was worth telling."""

    id: str
    rule: str
    name: str
    outcome: Outcome
    advice: str = ""
    sent: str = ""
    expected: str = ""
    got: str = ""
    seconds: float = 0.0


def shown(octets: bytes | bytearray) -> str:
    """Octets as people read them: text in quotes with escapes, other octets as \\xNN, the middle of long ones left out.

    >>> shown("straße\\r\\n".encode() + b"\\xff")
    '"straße\\\\r\\\\n\\\\xff"'
    """
    if len(octets) > SHOWN_OCTETS:
        half = SHOWN_OCTETS // 2
        return f"{shown(octets[:half])} ... {shown(octets[-half:])} ({len(octets)} octets)"
    return '"' + "".join(_visible(character) for character in octets.decode("utf-8", "surrogateescape")) + '"'


_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def _visible(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character.isprintable():
        return character
    return "".join(f"\\x{octet:02x}" for octet in character.encode("utf-8"))


def difference(expected: bytes, got: bytes | bytearray) -> tuple[str, str]:
    """Both as people read them; of long ones, the part where they begin to differ."""
    if len(expected) <= SHOWN_OCTETS and len(got) <= SHOWN_OCTETS:
        return shown(expected), shown(got)
    at = next((i for i, (one, other) in enumerate(zip(expected, got)) if one != other), min(len(expected), len(got)))
    start = max(0, at - SHOWN_OCTETS // 4)
    end = at + SHOWN_OCTETS // 2
    where = f"from octet {start}: "
    return (
        f"{where}{shown(expected[start:end])} (in all {len(expected)} octets)",
        f"{where}{shown(got[start:end])} (in all {len(got)} octets)",
    )


def failures(results: Sequence[Result]) -> list[Result]:
    """The results that are not a pass."""
    return [result for result in results if result.outcome is not Outcome.PASS]

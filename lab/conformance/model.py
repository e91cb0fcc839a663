"""What a case is, what came of it, and how octets are written down for people.

Pass, fail and error are kept apart: *fail* says that the program breaks a rule; *error* says that the kit could not
find out (this machine has no file descriptors left, nobody listens), which is no verdict on the program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SHOWN_OCTETS = 120


@dataclass(frozen=True)
class Target:
    """The server under test and what it has been told. flush_ms, max_line_octets: its ECHO_FLUSH_MS and ECHO_MAX_LINE.

    patience_s: how long an answer may take before it counts as missing. connections: how many at once (rule P1).
    """

    host: str
    port: int
    flush_ms: int = 200
    max_line_octets: int = 1_048_576
    patience_s: float = 5.0
    connections: int = 1000

    @property
    def flush_s(self) -> float:
        """The silence after which an unfinished line is answered, in seconds."""
        return self.flush_ms / 1000


@dataclass(frozen=True)
class Case:
    """One thing to be shown. play: holds the conversation; it raises Failed or Unable, or returns.

    It gets what is tested: a Target for servers, a Program (see program.py) for clients. alone: it needs the machine
    for itself, or measures time; the others run side by side.
    """

    id: str
    name: str
    rule: str
    advice: str
    play: Callable[[Any], None] = field(repr=False)
    alone: bool = False


@dataclass(frozen=True)
class Result:
    """What came of a case. outcome: pass, fail or error. sent, expected, got: octets or facts, written for people."""

    case: str
    name: str
    rule: str
    outcome: str
    sent: str = ""
    expected: str = ""
    got: str = ""
    advice: str = ""
    seconds: float = 0.0


class Failed(Exception):  # noqa: N818  (it is a verdict, not an error)
    """The program broke the rule: what was sent (if anything), what should have come, and what came instead."""

    def __init__(self, expected: str, got: str, sent: str = "") -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected, self.got, self.sent = expected, got, sent


class Unable(Exception):  # noqa: N818
    """The kit could not find out: one sentence with the next step."""


class Busy(Unable):
    """This machine was too slow for a case that is about time: it is tried again."""


def shown(octets: bytes, most: int = SHOWN_OCTETS) -> str:
    """Octets for people: printable ASCII as it is, everything else as \\xNN; the middle of long ones is left out."""
    if len(octets) > most:
        half = most // 2
        left_out = len(octets) - 2 * half
        return f"{_escaped(octets[:half])} … {left_out} octets … {_escaped(octets[-half:])}"
    return _escaped(octets) if octets else "nothing"


def _escaped(octets: bytes) -> str:
    named = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x5C: "\\\\"}
    return "".join(named.get(o) or (chr(o) if 0x20 <= o < 0x7F else f"\\x{o:02x}") for o in octets)

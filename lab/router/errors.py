"""The errors of the wire that its user sees: a sentence with the place and the next step, and no traceback."""

from __future__ import annotations

from dataclasses import dataclass


class WireError(Exception):
    """The wire cannot do what it was asked. The text says what, where and what to do next."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in a script. line, column: where, both from 1. sentence: what was expected and what is there."""

    line: int
    column: int
    sentence: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.sentence}"


class ScriptError(WireError):
    """A script cannot be taken. faults: every mistake in it, in the order of its lines."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults

"""Reading one line of a script, word by word: the small parts that settings, selectors and actions have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lab.router.script import ALL, END, KINDS, LINK_KINDS, ONCE, SIDES, Range, Selector, Side
from lab.router.words import Word, octets_of

TIMES_NS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000}
SPEEDS = {"bit/s": 1, "kbit/s": 1_000, "Mbit/s": 1_000_000, "Gbit/s": 1_000_000_000}
MOST_NS = 3600 * 1_000_000_000


class Line:
    """The words of a line and how far they have been read."""

    def __init__(self, found: list[Word]) -> None:
        self._words = found
        self._at = 0
        self.last = found[0]

    @property
    def next(self) -> Word:
        """The next word; the line's end for ever after the last."""
        return self._words[self._at]

    def take(self) -> Word:
        """The next word, read."""
        self.last = self.next
        if self.last.kind != "end":
            self._at += 1
        return self.last

    def took(self, text: str) -> bool:
        """Whether the next word is this one; then it is read."""
        if self.next.text == text and self.next.kind != "string":
            self.take()
            return True
        return False

    def expect(self, text: str, what: str) -> None:
        """Read this word, or say what should be here."""
        if not self.took(text):
            raise self.next.wrong(f"expected {what}, found {self.next.shown}")

    def done(self) -> None:
        """Nothing may be left."""
        if self.next.kind != "end":
            raise self.next.wrong(f"the line should end here, but {self.next.shown} follows")

    def number(self, what: str, least: int, most: int) -> int:
        """A whole number in these bounds."""
        word = self.take()
        if word.kind != "number" or "." in word.text:
            raise word.wrong(f"expected {what}, a whole number, found {word.shown}")
        value = int(word.text)  # short: ``words`` bounds the digits
        if not least <= value <= most:
            raise word.wrong(f"{what} is {value}; it must be from {least} to {most}")
        return value

    def decimal(self, what: str) -> float:
        """A number, with or without decimals."""
        word = self.take()
        if word.kind != "number":
            raise word.wrong(f"expected {what}, a number, found {word.shown}")
        return float(word.text)

    def one_of(self, what: str, choices: Iterable[str]) -> Any:
        """One of these words."""
        word = self.take()
        if word.text not in choices or word.kind == "string":
            raise word.wrong(f"expected {what} ({', '.join(choices)}), found {word.shown}")
        return word.text

    def string(self, what: str) -> bytes:
        """The octets of a quoted text, at least one."""
        word = self.take()
        if word.kind != "string":
            raise word.wrong(f"expected {what}, in double quotes, found {word.shown}")
        if not octets_of(word):
            raise word.wrong(f"{what} is empty")
        return octets_of(word)

    def time_ns(self, what: str) -> int:
        """A time with its unit, at most an hour, in nanoseconds."""
        value = self.decimal(what)
        start = self.last
        time_ns = round(value * TIMES_NS[self.one_of("a unit of time", TIMES_NS)])
        if time_ns > MOST_NS:
            raise start.wrong("a time is at most an hour")
        return time_ns

    def range(self, what: str, least: int) -> Range:
        """A number, or ``N to M``, or ``N to end``."""
        first = self.number(what, least, 2**48)
        if not self.took("to"):
            return Range(first, first)
        if self.took("end"):
            return Range(first, END)
        return Range(first, self.number(f"{what} (the last)", first, 2**48))

    def side(self) -> tuple[Side, ...]:
        """client, server or either."""
        word = self.one_of("a side", (*SIDES, "either"))
        return SIDES if word == "either" else (word,)

    def event(self) -> Selector:
        """A side, a kind and which of them: without clauses, as in ``until`` and ``after``."""
        sides = self.side()
        kind = self.one_of("a kind of frame", KINDS)
        ordinals = ALL
        if self.next.kind == "number":
            ordinals = self.range("which of them", 1)
        elif self.took("every"):
            ordinals = Range(every=self.number("every so-manieth", 1, 2**31))
        where = self.next
        text = self.string("the text that the payload must hold") if self.took("with") else b""
        if text and kind in LINK_KINDS:
            raise where.wrong(f"'with' is about TCP segments, and this is about every {kind}")
        return Selector(sides, kind, ordinals, ONCE, text=text)

"""The form of a comment: a text with places for numbers of one width, so that many can be filled in at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DIGITS = 12
NUMBER = "{:>12}"
"""How a number stands in a comment's form: twelve columns, so that all comments of one form have one length."""
LARGEST_NUMBER = 10**DIGITS - 1


@dataclass(frozen=True, slots=True)
class Form:
    """A comment's text with places for numbers, each written ``NUMBER``."""

    text: str

    def pieces(self) -> tuple[bytes, list[int]]:
        """The text with spaces for the numbers, and where each number stands."""
        parts = [part.encode() for part in self.text.split(NUMBER)]
        places, out = [], parts[0]
        for part in parts[1:]:
            places.append(len(out))
            out += b" " * DIGITS + part
        return out, places

    def fill(self, numbers: Sequence[int]) -> str:
        """The comment of one frame."""
        return self.text.format(*numbers)

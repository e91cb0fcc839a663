"""Small words for terminals: octets quoted so that they cannot do harm, times with the unit that suits them.

A payload comes from anybody. Printed raw it could clear the screen, set the title of the window or worse; so whatever
is not a printable character is shown as an escape, as a C or Python program would write it.
"""

from __future__ import annotations

import textwrap
from unicodedata import category, combining, east_asian_width

from lab.analysis.words import duration
from lab.session.words import escape

__all__ = ["clip", "columns", "duration", "quote", "wrap"]


def columns(text: str) -> int:
    """How many columns a terminal takes for it: two for a wide character (漢), none for an accent put on another."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if combining(character) or category(character) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(character) in ("W", "F") else 1


def wrap(text: str, width: int, *, indent: str = "", rest: str = "") -> list[str]:
    """Lines of at most so many columns. indent: before the first one; rest: before the others."""
    if columns(text) == len(text):
        return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=rest, break_on_hyphens=False)
    lines, line, gap = [], indent, ""
    for word in text.split():
        while columns(line + gap + word) > width:
            if columns(rest + word) > width:  # too long for any line: this one takes as much as it can
                head = _head(word, width - columns(line + gap))
                line, word = line + (gap + head if head else ""), word[len(head) :]
            lines.append(line)
            line, gap = rest, ""
        line, gap = line + gap + word, " "
    return [*lines, line] if gap else lines


def _head(text: str, room: int) -> str:
    """Its beginning, as far as it goes into so many columns."""
    for index, character in enumerate(text):
        room -= _columns(character)
        if room < 0:
            return text[:index]
    return text


def clip(text: str, width: int) -> str:
    """As much of it as goes into so many columns; a cut one ends with ``…``."""
    if columns(text) <= width:
        return text
    return _head(text, width - 1).rstrip() + "…"


def quote(octets: bytes, width: int = 60) -> str:
    """Octets as text in double quotes, safe for any terminal, at most ``width`` columns; a cut one says how much is
    missing.

    Printable characters stand as they are; control characters, format characters (they could reverse the line) and
    octets that are not UTF-8 are escaped.
    """
    pieces = [escape(character) for character in octets.decode("utf-8", "surrogateescape")]
    text = "".join(pieces)
    if columns(text) + 2 <= width:
        return f'"{text}"'
    tail = f'"… ({len(octets)} octets)'
    kept: list[str] = []
    room = width - 1 - len(tail)
    for piece in pieces:
        if room < columns(piece):
            break
        room -= columns(piece)
        kept.append(piece)
    return f'"{"".join(kept)}{tail}'

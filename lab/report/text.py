"""Small words for terminals: octets quoted so that they cannot do harm, times with the unit that suits them.

A payload comes from anybody. Printed raw it could clear the screen, set the title of the window or worse; so whatever
is not a printable character is shown as an escape, as a C or Python program would write it.
"""

from __future__ import annotations

from lab.session.words import escape


def quote(octets: bytes, width: int = 60) -> str:
    """Octets as text in double quotes, safe for any terminal, at most ``width`` columns; a cut one says how much is
    missing.

    Printable characters stand as they are; control characters, format characters (they could reverse the line) and
    octets that are not UTF-8 are escaped.
    """
    pieces = [escape(character) for character in octets.decode("utf-8", "surrogateescape")]
    text = "".join(pieces)
    if len(text) + 2 <= width:
        return f'"{text}"'
    tail = f'"… ({len(octets)} octets)'
    kept: list[str] = []
    room = width - 1 - len(tail)
    for piece in pieces:
        if room < len(piece):
            break
        room -= len(piece)
        kept.append(piece)
    return f'"{"".join(kept)}{tail}'


def duration(nanoseconds: int) -> str:
    """A length of time with three figures or so: ``412 ns``, ``83.1 µs``, ``12.4 ms``, ``3.05 s``."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if abs(nanoseconds) >= size:
            value = nanoseconds / size
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    return f"{nanoseconds} ns"

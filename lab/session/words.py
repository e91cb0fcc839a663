"""Small words: octets quoted safely, numbers of octets, and names that are safe as file names everywhere."""

from __future__ import annotations

import re

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0", "\\": "\\\\", '"': '\\"'}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
QUOTE_LENGTH = 40


def quote(octets: bytes, limit: int = QUOTE_LENGTH) -> str:
    """Payload as text in double quotes, at most about ``limit`` characters, safe for any terminal.

    Control and format characters and octets that are not UTF-8 are escaped as C or Python would; a cut text ends
    with ``…``.
    """
    # A character has at most 4 octets: this is enough to fill the limit, and a character cut at its end is not shown.
    text = octets[: limit * 4 + 4].decode("utf-8", "surrogateescape")
    quick = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    if len(quick) <= limit and quick.isprintable():
        return f'"{quick}"'
    head = quick[:limit]
    if len(quick) > limit and head.isprintable() and "\\" not in head:
        return f'"{head}…"'
    pieces: list[str] = []
    room = limit
    for character in text:
        piece = escape(character)
        if len(piece) > room:
            return f'"{"".join(pieces)}…"'
        room -= len(piece)
        pieces.append(piece)
    return f'"{"".join(pieces)}"'


def escape(character: str) -> str:
    """A character as it can be shown anywhere: itself if it is printable, else as C or Python would write it."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # an octet that is not UTF-8, as surrogateescape carries it
        return f"\\x{code - 0xDC00:02x}"
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def count(number: int, noun: str) -> str:
    """``1 octet``, ``2 octets``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def octets(first: int, length: int) -> str:
    """Which octets of a stream: ``octet 7``, ``octets 1 to 6``. first: offset of the first; length: at least 1."""
    return f"octet {first}" if length == 1 else f"octets {first} to {first + length - 1}"


def file_stem(text: str) -> str:
    """A name or an address as a part of a file name that any system takes: letters, digits, ``_`` and ``-`` only."""
    return _NOT_IN_NAMES.sub("-", text).strip("-")[:40] or "host"

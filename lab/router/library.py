"""The ready scenarios, and where the text of a script comes from: a scenario's name, a file, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.router.errors import WireError

SCENARIOS = Path(__file__).parent / "scenarios"


def text_of(name: str) -> tuple[str, str]:
    """A script's text and name: ``-`` is standard input, then a file, then a ready scenario. Raises WireError.

    Octets that are no UTF-8 become surrogates, which the parser refuses with their place.
    """
    if name == "-":
        return decoded(sys.stdin.buffer.read()), "standard input"
    for path in (Path(name), SCENARIOS / f"{name}.wire"):
        try:
            if path.is_file():
                return decoded(path.read_bytes()), path.stem
        except (OSError, ValueError) as error:  # a name too long, or with a NUL, is no file's
            raise WireError(f"{name[:80]!r} cannot be read ({error}): name a script") from error
    raise WireError(f"there is no script {name!r}: name a file, - for standard input, or one that 'scenarios' lists")


def shown(name: str) -> str:
    """A script's name as it can be printed: one line, and not long."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:80])


def decoded(octets: bytes) -> str:
    """The text of a script, with or without a byte order mark."""
    return octets.decode("utf-8-sig", "surrogateescape")


def names() -> list[str]:
    """The ready scenarios, in order."""
    return sorted(path.stem for path in SCENARIOS.glob("*.wire"))


def headline(text: str) -> str:
    """What a scenario shows: its first comment."""
    return next((line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("#")), "")


def listed() -> list[str]:
    """A line for each ready scenario: its name and what it shows."""
    return [f"{name:<24} {headline(text_of(name)[0])}" for name in names()]

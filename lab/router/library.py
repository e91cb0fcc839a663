"""The ready scenarios, and where the text of a script comes from: a scenario's name, a file, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.router.errors import WireError

SCENARIOS = Path(__file__).parent / "scenarios"


def text_of(name: str) -> tuple[str, str]:
    """A script's text and name: ``-`` is standard input, then a file, then a ready scenario. Raises WireError."""
    if name == "-":
        return sys.stdin.read(), "standard input"
    for path in (Path(name), SCENARIOS / f"{name}.wire"):
        if path.is_file():
            try:
                return path.read_text(encoding="utf-8"), path.stem
            except (OSError, UnicodeDecodeError) as error:
                raise WireError(f"{path} cannot be read as text ({error}): name a script") from error
    raise WireError(f"there is no script {name!r}: name a file, - for standard input, or one that 'scenarios' lists")


def names() -> list[str]:
    """The ready scenarios, in order."""
    return sorted(path.stem for path in SCENARIOS.glob("*.wire"))


def headline(text: str) -> str:
    """What a scenario shows: its first comment."""
    return next((line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("#")), "")


def listed() -> list[str]:
    """A line for each ready scenario: its name and what it shows."""
    return [f"{name:<24} {headline(text_of(name)[0])}" for name in names()]

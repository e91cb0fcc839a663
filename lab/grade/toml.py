"""Reading TOML, with sentences for what is wrong. Python has a reader from 3.11 on; on 3.10 it is the package tomli
(docs/decisions has why)."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from lab.grade.errors import GradeError

reader: Any = None
for _module in ("tomllib", "tomli", "pip._vendor.tomli"):  # where nothing can be installed, pip carries a copy
    try:
        reader = importlib.import_module(_module)
        break
    except ImportError:
        continue

MOST_OCTETS = 256 * 1024
"""A TOML file of ours has a few thousand octets; more is no file of ours."""


def parse(text: str, name: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises GradeError with the line that is wrong."""
    if reader is None:
        raise GradeError("this Python cannot read TOML: python3 -m pip install tomli (or use Python 3.11 or newer)")
    try:
        found: dict[str, Any] = reader.loads(text)
    except (reader.TOMLDecodeError, RecursionError) as wrong:
        words = str(wrong) or "it is nested too deeply"
        raise GradeError(f'{name} is not TOML: {words[:200]}; text stands in double quotes: name = "value"') from wrong
    return found


def load(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises GradeError if it is not there, too large or not TOML."""
    try:
        with path.open("rb") as file:
            octets = file.read(MOST_OCTETS + 1)
    except OSError as error:
        raise GradeError(f"{path.name} cannot be read: {error.strerror or error}") from error
    if len(octets) > MOST_OCTETS:
        raise GradeError(f"{path.name} is larger than {MOST_OCTETS // 1024} KiB: that is no file of an exercise")
    try:
        # Some editors begin a file with a byte order mark (EF BB BF), which TOML does not know.
        return parse(octets.decode("utf-8-sig"), path.name)
    except UnicodeDecodeError as wrong:
        raise GradeError(f"{path.name} is not UTF-8 text: save it as UTF-8") from wrong

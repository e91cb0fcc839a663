"""Which capture a name means: ``latest``, a number, the beginning of a name, ``run/name``, or a file."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from lab.cli.errors import RefusedError
from lab.store.index import lookup

NAMES = "latest, a number, a name's beginning, run/name, a file"


def ordinal_in(path: Path, name: str) -> int | None:
    """A session's number in its run, from the name that the lab gave its file; None for any other file.

    name: the session's, whose number counts the sessions of the file.
    """
    number, _, ends = path.stem.partition("-")
    return int(number) if len(number) >= 4 and number.isdecimal() and ends == name.partition("-")[2] else None


def captures_of(options: argparse.Namespace) -> Path:
    """The captures folder that is asked for. Raises RefusedError if it is not there."""
    folder: Path = options.captures or Path(os.environ.get("ECHO_CAPTURES") or "captures")
    if not folder.is_dir():
        raise RefusedError(f"there is no folder {folder}: run this in the lab's folder, or name one with --captures")
    return folder


def capture_named(name: str, options: argparse.Namespace) -> Path:
    """The capture file that a name means: a file itself, or a session of the captures folder."""
    path = Path(name)
    if path.is_file() or path.suffix in (".pcap", ".pcapng", ".cap"):
        return path
    if path.is_dir():
        raise RefusedError(f"{name} is a folder: name a session or a capture file")
    return lookup(captures_of(options), name).pcapng_path

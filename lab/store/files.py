"""Open files, few at a time, and small files written whole.

Ten thousand sessions can be open at once, and a process may by default hold 1,024 descriptors. So a session's file is
opened when it has something to write, and the one that has been idle longest is closed for it. The JSON beside a
capture is written to a temporary name and renamed: a reader sees the old text or the new one, never half of either.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from io import FileIO
from pathlib import Path

from lab.store.errors import store_error

TEMPORARY_SUFFIX = ".tmp"


class DescriptorPool:
    """At most ``limit`` open files; the one used longest ago is closed first. FileIO has no buffer: a write is a
    write.
    """

    def __init__(self, limit: int = 256, make_folder: Callable[[], bool] = lambda: False) -> None:
        """make_folder: makes the folder of the files again when it is gone; returns whether it could."""
        if limit < 1:
            raise ValueError(f"a descriptor pool needs room for at least one file, not {limit}")
        self._limit = limit
        self._make_folder = make_folder
        self._open: dict[str, FileIO] = {}

    def __len__(self) -> int:
        return len(self._open)

    def get(self, path: str, *, create: bool = False) -> FileIO:
        """The open file of this path; ``create`` makes it and refuses one that exists. Raises OSError."""
        file = self._open.pop(path, None)
        if file is None:
            while len(self._open) >= self._limit:
                self._open.pop(next(iter(self._open))).close()
            try:
                file = FileIO(path, "x+" if create else "r+")
            except FileNotFoundError:
                if not create or not self._make_folder():
                    raise
                file = FileIO(path, "x+")
        self._open[path] = file  # last in the dict: used most recently
        return file

    def release(self, path: str) -> None:
        """Closes the file of this path if it is open."""
        file = self._open.pop(path, None)
        if file is not None:
            file.close()

    def close(self) -> None:
        """Closes all of them."""
        while self._open:
            self._open.popitem()[1].close()


def json_text(facts: Mapping[str, object]) -> str:
    """JSON that people can read: a member a line, UTF-8, in the order in which they were put.

    Not ``indent``: with it Python's encoder takes its slow way, 0.4 ms a session, and this one 0.03 ms.
    """
    return _ENCODER.encode(facts) + "\n"


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",\n  ", ": "))


def write_whole(path: Path, text: str) -> None:
    """Replaces a file's content in one step. Raises StoreError; what was there before is then unharmed.

    No fsync: the lab must survive a kill -9, not a power cut, and a sync for each session would cost more than the
    capture.
    """
    temporary = f"{path}{TEMPORARY_SUFFIX}"
    try:
        with FileIO(temporary, "w") as file:
            octets = memoryview(text.encode("utf-8", "replace"))
            while octets:
                octets = octets[file.write(octets) :]
        # Not Path.replace: this is on the way of every session, and another Path costs as much as the rename.
        os.replace(temporary, path)  # noqa: PTH105
    except OSError as cause:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise store_error("write", path, cause) from cause


def without_waiting(path: str, flags: int) -> int:
    """Opens a file for ``open``: a pipe that somebody put in its place must not make us wait for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_json(path: Path, limit_bytes: int = 4 * 1024 * 1024) -> dict[str, object]:
    """The object in a JSON file. Raises ValueError with one sentence, or OSError; never reads more than the limit."""
    with open(path, "rb", opener=without_waiting) as file:
        octets = file.read(limit_bytes + 1)
    if not octets:
        raise ValueError("the file is empty")
    if len(octets) > limit_bytes:
        raise ValueError(f"the file is larger than {limit_bytes} octets: not one of the lab's")
    try:
        facts = json.loads(octets)
    except (ValueError, RecursionError) as cause:
        raise ValueError(f"not valid JSON (edited or cut short): {cause}") from cause
    if not isinstance(facts, dict):
        raise ValueError(f"a JSON {type(facts).__name__} where an object was expected")
    return facts

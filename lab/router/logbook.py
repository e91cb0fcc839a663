"""The decision log on disk: JSON lines, in a file that never grows beyond its bound.

Written once a turn of the wire, not once a frame. When the file is full it becomes ``log.1.jsonl`` and a new one
begins, so at most two are kept. The wire's folder is in memory (tmpfs) and goes with its container.
"""

from __future__ import annotations

import json
from pathlib import Path

from lab.router.decisions import Line

FULL_BYTES = 16 << 20
NAME, OLDER = "log.jsonl", "log.1.jsonl"


class Logbook:
    """Collects lines and writes them. folder: where. full_bytes: when a new file begins."""

    def __init__(self, folder: Path, full_bytes: int = FULL_BYTES) -> None:
        self._path = folder / NAME
        self._older = folder / OLDER
        self._full_bytes = full_bytes
        self._file = self._path.open("ab", buffering=0)
        self._bytes = self._path.stat().st_size
        self._lines: list[Line] = []
        self.lost = 0

    def add(self, line: Line) -> None:
        """One decision; it is on disk after the next ``flush``."""
        self._lines.append(line)

    def flush(self) -> None:
        """Write what has been collected. Where there is no room, lines are counted and given up, never the frames."""
        if not self._lines:
            return
        octets = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in self._lines).encode()
        count, self._lines = len(self._lines), []
        try:
            if self._bytes + len(octets) > self._full_bytes and self._bytes:
                self._file.close()
                self._path.replace(self._older)
                self._file = self._path.open("ab", buffering=0)
                self._bytes = 0
            self._file.write(octets)
            self._bytes += len(octets)
        except OSError:
            self.lost += count

    def clear(self) -> None:
        """Forget everything so far."""
        self._lines = []
        self._older.unlink(missing_ok=True)
        self._file.truncate(0)
        self._bytes = 0

    def close(self) -> None:
        """Write the rest."""
        self.flush()
        self._file.close()


def lines(folder: Path) -> list[str]:
    """The text of every line that is kept, oldest first."""
    return [
        text
        for path in (folder / OLDER, folder / NAME)
        if path.exists()
        for text in path.read_text(encoding="utf-8").splitlines()
    ]

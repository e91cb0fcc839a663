"""A progress bar for files that take longer: on standard error, on a terminal only, and gone when it is done."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType

_FIRST_S, _EVERY_S = 0.5, 0.1
_WIDTH = 40


class Progress:
    """How much of a file has been read. Use it in a with statement; nothing is shown in the first half second."""

    def __init__(self, path: Path) -> None:
        try:
            self._size = path.stat().st_size
        except OSError:
            self._size = 0
        self._name = path.name
        self._shown = False
        self._next_s = time.monotonic() + _FIRST_S

    def tell(self, octets: int) -> None:
        """So many octets have been read."""
        if not self._size or time.monotonic() < self._next_s or not sys.stderr.isatty():
            return
        self._next_s = time.monotonic() + _EVERY_S
        share = min(1.0, octets / self._size)
        bar = "#" * int(share * _WIDTH)
        print(f"\r{self._name[:24]} [{bar:<{_WIDTH}}] {share:4.0%}", end="", file=sys.stderr, flush=True)
        self._shown = True

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

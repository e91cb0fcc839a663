"""The quota: how much the finished sessions may take on the disk while the tap runs (ECHO_KEEP_MIB).

What is there at the start is measured once, by sizes alone; then every session that ends is added. When it is too much,
the oldest finished ones go, a few at a time, and it is told. Open ones do not count and never go; neither do those of
another tap that still runs. ``echolab prune`` does the same by hand, with lab.store.prune.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from pathlib import Path

from lab.store.errors import StoreError
from lab.store.facts import ordinal_of
from lab.store.files import read_json
from lab.store.removal import remove_if_empty, remove_session
from lab.store.run import is_live, run_folders

MOST_AT_ONCE = 100
"""Sessions removed in one look: the tap has other things to do."""
_LOOK_EVERY_S = 1.0


class Quota:
    """limit_bytes: what finished sessions may take. own: the run that is being written. tell: gets one sentence."""

    def __init__(self, captures: Path, own: Path, limit_bytes: int, tell: Callable[[str], None]) -> None:
        self._captures = captures
        self._own = own
        self._limit_bytes = limit_bytes
        self._tell = tell
        self._finished: deque[tuple[Path, int]] = deque()  # without their suffixes, oldest first
        self._known: set[Path] = set()
        self._octets = 0
        self._next_look_s = 0.0
        self._failed = False
        self.removed = 0
        for folder in run_folders(captures):
            if folder != own and not is_live(folder):
                # 10000- comes after 9999-; what has no number is not the lab's, and not ours to remove.
                numbered = [(ordinal_of(path.name), path) for path in folder.glob("*.pcapng")]
                for _, path in sorted(one for one in numbered if one[0]):
                    self._add(path.with_suffix(""))

    def finished(self, name: str) -> None:
        """A session of our run has ended."""
        self._add(self._own / name)

    def look(self, now_s: float) -> None:
        """Remove what is too much. now_s: a monotonic clock; looks that follow too soon do nothing."""
        if self._octets <= self._limit_bytes or now_s < self._next_look_s:
            return
        self._next_look_s = now_s + _LOOK_EVERY_S
        gone, room = 0, 0
        for _ in range(min(MOST_AT_ONCE, len(self._finished))):
            if self._octets <= self._limit_bytes:
                break
            stem, octets = self._finished.popleft()
            if _is_open(stem):  # late frames have come, or its JSON is still to be written: look again later
                self._finished.append((stem, octets))
                continue
            self._known.discard(stem)
            try:
                remove_session(stem)
            except StoreError as error:
                self._finished.appendleft((stem, octets))
                self._known.add(stem)
                if not self._failed:
                    self._tell(f"quota: {error}")
                self._failed = True
                break
            self._octets -= octets
            gone, room = gone + 1, room + octets
            if not self._finished or self._finished[0][0].parent != stem.parent:
                remove_if_empty(self._captures, stem.parent)
        if gone:
            self._failed = False
            self.removed += gone
            self._tell(
                f"quota: removed the {'oldest session' if gone == 1 else f'{gone} oldest sessions'},"
                f" {room / (1 << 20):.1f} MiB, to keep within {self._limit_bytes >> 20} MiB (ECHO_KEEP_MIB)"
            )

    def _add(self, stem: Path) -> None:
        if stem in self._known:  # it has ended before: a late frame changes its size by little
            return
        self._known.add(stem)
        octets = 0
        for suffix in (".pcapng", ".json"):
            with contextlib.suppress(OSError):
                octets += stem.with_name(stem.name + suffix).stat().st_size
        self._finished.append((stem, octets))
        self._octets += octets


def _is_open(stem: Path) -> bool:
    try:
        return read_json(stem.with_name(stem.name + ".json")).get("verdict") == "open"
    except (OSError, ValueError):
        return False

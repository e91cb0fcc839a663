"""The folder of one run: captures/<run>/, and who is using it.

A run is one life of a tap. Its folder is named after the moment it began, in UTC, with hyphens for colons, which
Windows does not allow in a name. A tap holds a lock on its folder for as long as it lives; the kernel lets go of the
lock when the process ends, however it ends. So the next tap knows, without asking anybody, whose unfinished files it
may mend.

``latest.txt`` names the newest run of the tap beside the server. It is a text file, not a link: Windows lets few people
make links, and a zip of the folder keeps a text file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from lab.store.errors import StoreError, store_error
from lab.store.files import json_text, write_whole

if sys.platform != "win32":
    import fcntl

LATEST = "latest.txt"
RUN_FACTS = "run.json"

_RUN_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)(?:-(\d{1,6}))?")
# A second has room for this many runs; more in one second is a loop somewhere, not a class.
_SUFFIX_LIMIT = 1000
_MOST_TRIES, _PAUSE_S = 200, 0.01


def run_name(start_ns: int) -> str:
    """``2026-11-23T10-15-02Z`` for a moment in nanoseconds since 1970, UTC."""
    return datetime.fromtimestamp(start_ns // 1_000_000_000, tz=timezone.utc).strftime("%Y-%m-%dT%H-%M-%SZ")


def run_order(name: str) -> tuple[str, int] | None:
    """What to sort runs by (-2 before -10); None for a name that is no run's."""
    match = _RUN_NAME.fullmatch(name)
    return (match[1], int(match[2] or 1)) if match else None


def run_folders(captures: Path) -> list[Path]:
    """The folders of all runs, oldest first. Anything else there is passed over, links too. Raises StoreError."""
    try:
        found = [
            (order, path)
            for path in captures.iterdir()
            if (order := run_order(path.name)) and path.is_dir() and not path.is_symlink()
        ]
    except OSError as cause:
        raise store_error("list the captures", captures, cause) from cause
    return [path for _order, path in sorted(found)]


def latest_run(captures: Path) -> Path | None:
    """The run that latest.txt names; the newest folder where the pointer is lost or wrong; None without any run."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        with (captures / LATEST).open(encoding="utf-8") as pointer:
            name = pointer.read(100).strip()
        if run_order(name) and (captures / name).is_dir():
            return captures / name
    folders = run_folders(captures)
    return folders[-1] if folders else None


class RunLock:
    """The lock on a run's folder: taken without waiting, held until release() or the end of the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Whether the folder is ours now. Raises OSError where the folder cannot be opened."""
        if sys.platform == "win32":
            # Taps run in Linux containers; on a Windows host nothing may claim that one is gone.
            return False
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            os.close(descriptor)
            if cause.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_live(folder: Path) -> bool:
    """Whether a tap is writing into this run's folder. When that cannot be found out: yes, so that nothing is lost."""
    try:
        with RunLock(folder) as lock:
            return not lock.take()
    except OSError:
        return True


class RunFolder:
    """The folder of the run that this process writes. Make it with create(), give it back with close()."""

    def __init__(self, path: Path, lock: RunLock) -> None:
        self.path = path
        self.name = path.name
        self.is_latest = True
        self._lock = lock
        self._written = ""

    @classmethod
    def create(cls, captures: Path, start_ns: int, *, is_latest: bool = True) -> RunFolder:
        """Makes captures/<run>/, locks it and points latest.txt to it. Raises StoreError.

        is_latest: False for a second tap beside the lab's own, so that "latest" always means the same tap's.

        captures itself must be there: making it here would hide a mistyped path or a volume that is not mounted.
        """
        name = run_name(start_ns)
        for number in range(1, _SUFFIX_LIMIT):
            path = captures / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            except OSError as cause:
                raise store_error("make the folder for this run", path, cause) from cause
            run = cls(path, RunLock(path))
            run.is_latest = is_latest
            run.claim()
            return run
        raise StoreError("cannot make a folder for this run: too many of this second", captures, "wait a second")

    def claim(self) -> None:
        """Locks the folder and points latest.txt to it. Raises StoreError."""
        self._lock.release()
        try:
            # Another tap that starts just now may be asking whether this run lives: it holds the lock for a moment.
            for _ in range(_MOST_TRIES):
                if self._lock.take() or sys.platform == "win32":
                    break
                time.sleep(_PAUSE_S)
            else:
                words = "cannot lock the folder of this run: another process holds it"
                raise StoreError(words, self.path, "end that one, or start the tap again")
        except OSError as cause:
            raise store_error("lock the folder of this run", self.path, cause) from cause
        if self.is_latest:
            write_whole(self.path.parent / LATEST, self.name + "\n")

    def restore(self) -> None:
        """Makes the folder again after somebody removed it under the tap. Raises StoreError."""
        try:
            self.path.mkdir()
        except FileExistsError:
            return
        except OSError as cause:
            raise store_error("make the folder of this run again", self.path, cause) from cause
        self.claim()

    def make_again(self) -> bool:
        """restore() for who goes on either way: whether the folder is there. run.json is written anew."""
        try:
            self.restore()
        except StoreError:
            return False
        self.forget_facts()
        return True

    def write_facts(self, facts: Mapping[str, object]) -> None:
        """Writes run.json if it would say anything new. Raises StoreError."""
        text = json_text(facts)
        if text != self._written:
            write_whole(self.path / RUN_FACTS, text)
            self._written = text

    def forget_facts(self) -> None:
        """Makes the next write_facts() write, whatever it says: to learn whether writing works."""
        self._written = ""

    def close(self) -> None:
        self._lock.release()

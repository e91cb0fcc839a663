"""What can go wrong between a session and the disk, in words a student can act on.

Two errors, because two people read them. ``StoreError`` goes to whoever runs the lab: a file could not be written, and
what to do about it. ``CaptureFileError`` goes to whoever opened a file: it is not a capture, or it is damaged. Both are
one sentence; no traceback is needed to understand them.
"""

from __future__ import annotations

import errno
from pathlib import Path


class StoreError(Exception):
    """A file or folder could not be used.

    what: what was being done. where: the file or folder. next_step: what the reader can do.
    number: the errno, or None where the operating system was not the one who refused.
    """

    def __init__(self, what: str, where: Path | str, next_step: str, number: int | None = None) -> None:
        super().__init__(what, str(where), next_step, number)
        self.what = what
        self.where = str(where)
        self.next_step = next_step
        self.number = number

    def __str__(self) -> str:
        return f"{self.what} ({self.where}): {self.next_step}"


class CaptureFileError(Exception):
    """A file is not a capture, or is damaged: one sentence that says which."""


_NEXT_STEPS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", "make room, for example with 'echolab prune --keep 20'; capturing goes on"),
    errno.EDQUOT: ("the disk quota is used up", "make room, for example with 'echolab prune --keep 20'"),
    errno.EROFS: ("the file system is read-only", "mount it writable or choose another folder for the captures"),
    errno.EACCES: (
        "permission denied",
        "make the folder belong to the user who runs the lab: 'sudo chown -R $USER captures'",
    ),
    errno.EPERM: (
        "permission denied",
        "make the folder belong to the user who runs the lab: 'sudo chown -R $USER captures'",
    ),
    errno.ENOENT: ("the folder or file is gone", "make it again: 'mkdir -p captures', then restart the tap"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "move it away, then 'mkdir -p captures'"),
    errno.EISDIR: ("a folder stands where a file is needed", "move it away"),
    errno.EMFILE: ("too many files are open", "raise the limit ('ulimit -n') or lower the store's descriptor limit"),
    errno.ENFILE: ("too many files are open on this machine", "end other programs or raise fs.file-max"),
    errno.EFBIG: (
        "the file has reached the largest size allowed",
        "end this session; the next one gets a file of its own",
    ),
    errno.EIO: ("the disk reports an error", "look at 'dmesg'; write the captures to another disk"),
}


def store_error(doing: str, where: Path | str, cause: OSError) -> StoreError:
    """Turns what the operating system said into a StoreError with the next step.

    doing: what was tried, in words that follow "cannot": ``write``, ``make the folder``.
    """
    words, next_step = _NEXT_STEPS.get(
        cause.errno or 0, (cause.strerror or str(cause), "check the folder and its file system, then try again")
    )
    return StoreError(f"cannot {doing}: {words}", where, next_step, cause.errno)

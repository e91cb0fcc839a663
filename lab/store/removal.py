"""Removing a session's two files, and the folder of a run in which nothing is left: for ``prune`` and for the quota."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from lab.store.errors import store_error
from lab.store.files import TEMPORARY_SUFFIX
from lab.store.run import RUN_FACTS, latest_run


def remove_session(stem: Path) -> None:
    """Removes capture and JSON. stem: their path without a suffix. Raises StoreError.

    The capture goes first: if this is interrupted, the JSON is left and listed as a session whose capture is missing.
    """
    for suffix in (".pcapng", ".json"):
        path = stem.with_name(stem.name + suffix)
        try:
            path.unlink(missing_ok=True)
        except OSError as cause:
            raise store_error("remove an old session", path, cause) from cause


def remove_if_empty(captures: Path, folder: Path) -> None:
    """Removes a run's folder if nothing is left in it but the run's own facts; the one latest.txt names stays."""
    newest = latest_run(captures)
    if newest is not None and newest.name == folder.name:
        return
    with contextlib.suppress(OSError):
        left = [entry.name for entry in os.scandir(folder)]
        if all(name == RUN_FACTS or name.endswith(TEMPORARY_SUFFIX) for name in left):
            for name in left:
                (folder / name).unlink()
            folder.rmdir()

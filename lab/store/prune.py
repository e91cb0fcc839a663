"""Retention: removes the oldest finished sessions, never an open one, and says which.

Two limits, either or both: how many sessions to keep, and how many octets all captures may take. Open sessions
count for both and are never removed; so a quota smaller than the open ones removes every finished session and can
do no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.store.index import SessionEntry, sessions
from lab.store.removal import remove_if_empty, remove_session
from lab.store.run import is_live, run_folders, run_order


@dataclass(frozen=True, slots=True)
class Removed:
    """A session that was removed (or would be). octets: what that made free, capture and JSON together."""

    run: str
    name: str
    octets: int


def prune(
    captures: Path, *, keep: int | None = None, max_bytes: int | None = None, dry_run: bool = False
) -> list[Removed]:
    """Removes the oldest finished sessions until both limits hold; returns what it removed, oldest first.

    keep: how many sessions may stay, 0 or more. max_bytes: how many octets all sessions may take, 0 or more.
    dry_run: only say. Raises ValueError for a negative limit, StoreError where a file cannot be removed.
    """
    for name, limit in (("keep", keep), ("max_bytes", max_bytes)):
        if limit is not None and limit < 0:
            raise ValueError(f"{name} must be 0 or more, not {limit}")
    entries = sessions(captures)
    count = len(entries)
    sizes = {(entry.run, entry.name): _octets(entry) for entry in entries}
    total_bytes = sum(sizes.values())
    removed = []
    live = {folder.name for folder in run_folders(captures) if is_live(folder)}
    for entry in _oldest_first(entries):
        if (keep is None or count <= keep) and (max_bytes is None or total_bytes <= max_bytes):
            break
        if entry.is_open or (not entry.verdict and entry.run in live):
            # Without a verdict it may be one whose JSON the tap is about to write.
            continue
        if not dry_run:
            remove_session(entry.pcapng_path.with_suffix(""))
        octets = sizes[entry.run, entry.name]
        removed.append(Removed(entry.run, entry.name, octets))
        count -= 1
        total_bytes -= octets
    if removed and not dry_run:
        for run in {one.run for one in removed} - live:
            remove_if_empty(captures, captures / run)
    return removed


def _oldest_first(entries: list[SessionEntry]) -> list[SessionEntry]:
    # Runs that began in the same second are taps side by side: there a session's own time decides.
    return sorted(entries, key=lambda entry: (entry.run[:20], entry.start_ns, run_order(entry.run), entry.ordinal))


def _octets(entry: SessionEntry) -> int:
    try:
        return entry.octets + entry.json_path.stat().st_size
    except OSError:
        return entry.octets

"""``echolab sessions``: the recorded sessions as a table of 80 columns, or as JSON; filtered and sorted.

The list is made from the files every time, so it cannot be out of date. A file that cannot be read stands in the list
with its problem.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from lab.report.text import duration
from lab.store.errors import CaptureFileError
from lab.store.index import SessionEntry
from lab.store.reader import CaptureReader
from lab.store.run import latest_run
from lab.wire.packet import Segment
from lab.wire.parse import parse


@dataclass(frozen=True)
class Filter:
    """Which sessions, and in which order. None: whatever it is."""

    run: str | None = None
    verdict: str | None = None
    client: str | None = None
    text: str | None = None
    sort: str = "time"
    reverse: bool = False


def chosen(entries: Iterable[SessionEntry], wanted: Filter, captures: Path) -> list[SessionEntry]:
    """The sessions that the filter lets through, in its order."""
    run = wanted.run
    if run == "latest":
        newest = latest_run(captures)
        run = newest.name if newest else run
    found = [
        entry
        for entry in entries
        if (run is None or entry.run.startswith(run))
        and (wanted.verdict is None or entry.verdict == wanted.verdict)
        and (wanted.client is None or wanted.client in (_of(entry, "client", "name"), _of(entry, "client", "address")))
        and (wanted.text is None or has_text(entry.pcapng_path, wanted.text.encode()))
    ]
    keys = {
        "time": lambda entry: (entry.start_ns, entry.run, entry.ordinal),
        "frames": lambda entry: _number(entry, "frames"),
        "octets": lambda entry: entry.octets,
        "duration": lambda entry: _number(entry, "duration_ns"),
    }
    return sorted(found, key=keys[wanted.sort], reverse=wanted.reverse)


def has_text(path: Path, text: bytes) -> bool:
    """Whether the payloads of a capture, each direction joined in the order of the file, contain these octets."""
    streams: dict[object, bytearray] = {}
    try:
        for packet in CaptureReader(path):
            segment = parse(packet.frame)
            if isinstance(segment, Segment):
                streams.setdefault(segment.source, bytearray()).extend(segment.payload)
    except CaptureFileError:
        return False
    return any(text in stream for stream in streams.values())


def as_table(entries: Sequence[SessionEntry]) -> str:
    """The sessions as lines of at most 80 columns; a problem stands below its session."""
    lines = [f"{'#':>5} {'started (UTC)':19} {'client':>21} {'verdict':9} {'frames':>7} {'took':>8} cert"]
    for entry in entries:
        lines.append(
            f"{entry.ordinal:>5} {_time(entry):19} {_end(entry, 'client'):>21} {entry.verdict or '?':9}"
            f" {_number(entry, 'frames'):>7} {_took(entry):>8} {'yes' if entry.certified else 'no'}"
        )
        if entry.problem:
            lines.append(f"      {entry.run}/{entry.name}: {entry.problem}")
    if not entries:
        lines = ["No session."]
    return "\n".join(lines)


def as_json(entries: Sequence[SessionEntry]) -> str:
    """The sessions as a JSON list: run, name, file, problem, and the session's own JSON under ``facts``."""
    found = [
        {
            "run": entry.run,
            "name": entry.name,
            "file": str(entry.pcapng_path),
            "problem": entry.problem,
            "facts": entry.facts,
        }
        for entry in entries
    ]
    return json.dumps(found, indent=2, ensure_ascii=False)


def _of(entry: SessionEntry, end: str, field: str) -> object:
    inner = entry.facts.get(end)
    return inner.get(field) if isinstance(inner, dict) else None


def _number(entry: SessionEntry, field: str) -> int:
    value = entry.facts.get(field)
    return value if isinstance(value, int) else 0


def _end(entry: SessionEntry, end: str) -> str:
    who = str(_of(entry, end, "name") or _of(entry, end, "address") or "?")
    return f"{who[-15:]}:{_of(entry, end, 'port') or '?'}"


def _time(entry: SessionEntry) -> str:
    if not entry.start_ns:
        return "?"
    try:
        return datetime.fromtimestamp(entry.start_ns / 1e9, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "?"


def _took(entry: SessionEntry) -> str:
    nanoseconds = _number(entry, "duration_ns")
    return duration(nanoseconds) if nanoseconds else "-"

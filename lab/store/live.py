"""What the store remembers of a session while its file is not finished."""

from __future__ import annotations

from pathlib import Path

from lab.store.blocks import FileHeader
from lab.store.errors import StoreError
from lab.store.facts import FileFacts, SessionFacts, count
from lab.store.files import DescriptorPool, read_json
from lab.store.pcapng import SessionFile


class LiveSession:
    """A session whose file is not finished.

    drops_before: what the kernel had dropped when it began; dropped: what it dropped while the session ran, known when
    that has ended. frames: recorded, also those not written.
    first_ns, last_ns: time of the first and of the last of them. told_open: whether its JSON says "open" already.
    wait_ns: for a session opened again, the moment before which it is not finished; None: at once.
    """

    __slots__ = (
        "dropped",
        "drops_before",
        "file",
        "first_ns",
        "frames",
        "json_path",
        "last_ns",
        "session",
        "told_open",
        "wait_ns",
    )

    def __init__(self, session: SessionFacts, file: SessionFile, json_path: Path, drops_before: int) -> None:
        self.session = session
        self.file = file
        self.json_path = json_path
        self.drops_before = drops_before
        self.dropped: int | None = None
        self.frames = 0
        self.first_ns: int | None = None
        self.last_ns = 0
        self.told_open = False
        self.wait_ns: int | None = None

    def file_facts(self, octets: int | None, sha256: str | None) -> FileFacts:
        """What its JSON says of the file. octets, sha256: None while it is open."""
        lost = self.file.frames_not_written
        frames = self.frames - lost
        return FileFacts(self.file.path.name, frames, lost, self.first_ns, self.last_ns or None, octets, sha256)


def reopened(
    session: SessionFacts, path: Path, header: FileHeader, pool: DescriptorPool, dropped: int
) -> LiveSession | None:
    """A session whose file was finished, for late frames. None where that is gone (pruned, removed).

    dropped: what the kernel has dropped so far; it counts only from now on.
    """
    json_path = path.with_suffix(".json")
    try:
        known = read_json(json_path)
        file = SessionFile.reopen(path, header, pool)
    except (StoreError, OSError, ValueError):
        return None
    live = LiveSession(session, file, json_path, dropped - count(known, "tap", "frames_dropped"))
    file.frames_not_written = count(known, "file", "frames_not_written")
    live.first_ns = count(known, "file", "first_frame_ns") or None
    live.last_ns = count(known, "file", "last_frame_ns")
    live.frames = count(known, "file", "frames") + file.frames_not_written
    return live


def is_due(now_ns: int, due_ns: int, wait_ns: int) -> bool:
    """Whether a moment has come that was set wait_ns ahead; also when the clock was set back to before that."""
    return now_ns >= due_ns or now_ns < due_ns - wait_ns

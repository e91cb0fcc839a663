"""How a session's two files are finished: the capture first; then, when it has been digested, the JSON.

A capture is read once more for its SHA-256. A long one takes seconds, and the ring must not wait so long: so the
finished ones stand in a queue, and each flush digests its share. Until then a session's JSON says that it is open.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.store.digest import FileDigest, digest_together, load_library, sign
from lab.store.errors import store_error
from lab.store.facts import (
    OPEN,
    STILL_OPEN,
    RunFacts,
    SessionFacts,
    section_comment,
    session_facts,
    statistics_comment,
    withheld,
)
from lab.store.files import json_text, write_whole
from lab.store.live import LiveSession

DIGESTED_A_FLUSH = 8 * 1024 * 1024
"""Octets that are digested between two flushes: some 50 ms."""


class DigestQueue:
    """Sessions whose capture is finished and not digested yet, oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[SessionFacts, tuple[LiveSession, FileDigest]] = {}
        self._digested = 0
        self._library = load_library()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, live: LiveSession) -> None:
        self._waiting[live.session] = (live, FileDigest(live.file.path))

    def remove(self, session: SessionFacts) -> LiveSession | None:
        """Take a session out again; None if it is not here."""
        return self._waiting.pop(session, (None,))[0]

    def next_share(self) -> None:
        """A flush begins: there is time for another share. What fits into it whole is digested together."""
        self._digested = 0
        if self._library is not None and len(self._waiting) > 1:
            digests = [digest for _live, digest in self._waiting.values()]
            self._digested = digest_together(digests, DIGESTED_A_FLUSH, self._library)

    def first(self) -> tuple[LiveSession, FileDigest] | None:
        """Whose turn it is; None if that is nobody, or the share is used up."""
        first = next(iter(self._waiting.values()), None)
        return first if first is not None and (first[1].whole or self._digested < DIGESTED_A_FLUSH) else None

    def go_on(self, digest: FileDigest) -> None:
        """Digest what is left of the share, or of the file. Raises StoreError."""
        if digest.whole:
            return
        try:
            self._digested += digest.go_on(DIGESTED_A_FLUSH - self._digested)
        except OSError as cause:
            raise store_error("read the finished capture", digest.path, cause) from cause


def finish_file(live: LiveSession, run: str, dropped: int, now_ns: int) -> None:
    """Closing statistics and verdict into the capture. dropped: by the kernel while it ran. Raises StoreError."""
    session, file = live.session, live.file
    live.dropped = dropped  # what is dropped from now on is none of its business
    reasons = withheld(session.certificate, file.frames_not_written)
    file.finish(
        start_ns=live.first_ns if live.first_ns is not None else now_ns,
        end_ns=live.last_ns or now_ns,
        received=live.frames,
        dropped=dropped,
        comment=section_comment(session.name, run, session.verdict, reasons),
        words=statistics_comment(live.frames, dropped, file.frames_not_written),
    )


def write_open(live: LiveSession, run: str, facts: RunFacts, dropped: int) -> None:
    """The JSON of a session that runs. Raises StoreError."""
    write_whole(live.json_path, json_text(_told(live, run, facts, OPEN, (STILL_OPEN,), dropped)))
    live.told_open = True


def write_final(live: LiveSession, run: str, facts: RunFacts, digest: FileDigest, key: bytes | None) -> None:
    """The JSON of a session whose capture is finished and digested. Raises StoreError."""
    session = live.session
    reasons = withheld(session.certificate, live.file.frames_not_written)
    told = _told(live, run, facts, session.verdict, reasons, live.dropped or 0, digest)
    told["digest"] = sign(key, digest.sha256, told)
    write_whole(live.json_path, json_text(told))


def _told(
    live: LiveSession,
    run: str,
    facts: RunFacts,
    verdict: str,
    reasons: Sequence[str],
    dropped: int,
    digest: FileDigest | None = None,
) -> dict[str, object]:
    return session_facts(
        name=live.session.name,
        ordinal=live.session.ordinal,
        verdict=verdict,
        reasons=reasons,
        summary=live.session.summary(),
        run=run,
        facts=facts,
        dropped=dropped,
        file=live.file_facts(digest.octets, digest.sha256) if digest else live.file_facts(None, None),
    )

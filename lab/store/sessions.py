"""The session store: the tracker's events in, files in captures/<run>/ out.

It never stops the tap. A full disk, a read-only mount or a folder that somebody removed is told once, in one sentence;
frames that find no room are counted, the sessions they belong to lose their certificate with the reason, and writing
goes on as soon as there is room. Finished files are never touched by any of it.

Nothing is written before flush(), which the tap calls after each batch: a session that begins and ends within one batch
costs one write for its capture and one for its JSON. Memory is bounded: what waits beyond ``buffer_limit_bytes`` is
flushed at once, and only open sessions are remembered.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.session.events import Closed, Event, Recorded
from lab.store.blocks import FileHeader, InterfaceFacts, SectionFacts
from lab.store.digest import FileDigest
from lab.store.errors import StoreError
from lab.store.facts import SERVER_TAP, RunFacts, SessionFacts, Totals, run_facts
from lab.store.files import DescriptorPool
from lab.store.finish import DigestQueue, finish_file, write_final, write_open
from lab.store.live import LiveSession, is_due, reopened
from lab.store.pcapng import SessionFile
from lab.store.run import RunFolder

_BUFFER_LIMIT_BYTES = 8 * 1024 * 1024
_UNFINISHED_LIMIT = 10_000
_TOLD_A_FLUSH = 64
_RUN_FACTS_EVERY_NS = 1_000_000_000
_RETRY_EVERY_NS = 250_000_000
_LATE_WAIT_NS = 250_000_000


class SessionStore:
    """Writes the sessions of one run. Make one when the tap is ready, close() it when the tap stops.

    captures: the folder, which must exist. run, section, interface, names: the facts that every file tells.
    clock_ns: the time in nanoseconds since 1970. tell: gets one sentence when writing fails, and one when it works
    again.
    key: for the digest; without it sessions are unsigned. Raises StoreError when the run's folder cannot be made.
    """

    def __init__(
        self,
        captures: Path,
        *,
        run: RunFacts,
        section: SectionFacts,
        interface: InterfaceFacts,
        clock_ns: Callable[[], int],
        names: Mapping[str, Sequence[str]] | None = None,
        tell: Callable[[str], None] | None = None,
        key: bytes | None = None,
        descriptor_limit: int = 256,
        buffer_limit_bytes: int = _BUFFER_LIMIT_BYTES,
    ) -> None:
        self.totals = Totals()
        self._facts = run
        self._interface = interface
        self._names = dict(names or {})
        self._clock_ns = clock_ns
        self._tell = tell or (lambda _sentence: None)
        self._key = key
        self._buffer_limit_bytes = buffer_limit_bytes
        self._header = FileHeader(section, interface, names)
        self._pool = DescriptorPool(descriptor_limit, self._make_folder_again)
        # By the session itself, not its name: making the name takes longer than writing the frame.
        self._live: dict[SessionFacts, LiveSession] = {}
        self._dirty: dict[SessionFacts, LiveSession] = {}
        self._untold: dict[SessionFacts, LiveSession] = {}  # their JSON does not say yet that they are open
        self._unfinished: dict[SessionFacts, LiveSession] = {}
        self._closing: dict[SessionFacts, LiveSession] = {}
        self._digesting = DigestQueue()
        self._pending_bytes = 0
        self._trouble: StoreError | None = None
        self._failed_lately = False
        self._lost_before_trouble = 0
        self._next_retry_ns = 0
        self._next_run_facts_ns = 0
        self.run = RunFolder.create(captures, run.start_ns, is_latest=run.tap == SERVER_TAP)
        self.run.write_facts(self._run_facts(None))

    @property
    def open_sessions(self) -> int:
        """How many sessions have a file that is not finished."""
        return len(self._live) + len(self._unfinished) + len(self._digesting)

    @property
    def digesting(self) -> bool:
        """Whether finished captures wait to be digested, with the next flush."""
        return bool(self._digesting)

    @property
    def pending_bytes(self) -> int:
        """Octets that wait for the next flush()."""
        return self._pending_bytes

    @property
    def trouble(self) -> StoreError | None:
        """Why writing fails at present; None while it works."""
        return self._trouble

    def kernel_dropped(self, frames: int) -> None:
        """The kernel dropped frames just now: every session open meanwhile carries the number."""
        self.totals.frames_dropped += frames

    def dropped_before(self, opened: Sequence[SessionFacts], frames: int) -> None:
        """Says that these sessions, though they opened since, may have lost of the frames that were dropped last."""
        for live in filter(None, map(self._live.get, opened)):
            live.drops_before -= frames

    def handle(self, event: Event, between: Callable[[], None] | None = None) -> None:
        """Acts on one event of the tracker. Never raises for a disk that fails: see ``trouble``.

        between: is called between two files if so much waits that everything must be written now.
        """
        session = event.session
        live = self._live.get(session)
        if isinstance(event, Recorded):
            if live is None:
                live = self._late(session)
                if live is None:
                    return
            if live.wait_ns is not None:
                self._closing.pop(session, None)
            frame = event.frame
            if live.first_ns is None:
                live.first_ns = frame.time_ns
            live.last_ns = frame.time_ns
            live.frames += 1
            self.totals.frames += 1
            self._pending_bytes += live.file.append(frame, event.note.comment)
            self._dirty[session] = live
            if self._pending_bytes > self._buffer_limit_bytes:
                self.flush(between)
        elif isinstance(event, Closed):
            if live is not None and live.wait_ns is not None:
                self._closing[session] = live
            elif live is not None:
                self._finish(live)
        elif live is None:
            path = self.run.path / f"{session.name}.pcapng"
            live = LiveSession(
                session,
                SessionFile(path, self._header, self._pool),
                path.with_suffix(".json"),
                self.totals.frames_dropped,
            )
            self._live[session] = self._dirty[session] = live
            self.totals.sessions += 1

    def handle_run(self, session: SessionFacts, octets: bytes | memoryview, frames: int, last_ns: int) -> None:
        """Takes many frames of an open session at once, as packet blocks that are built already, and writes them.

        octets: used only before this returns. frames: how many blocks. last_ns: the time of the last one.
        """
        live = self._live.get(session)
        if live is None:  # its file is gone, and so are its frames
            self.totals.frames += frames
            self.totals.frames_not_written += frames
            return
        if live.wait_ns is not None:
            self._closing.pop(session, None)
        live.last_ns = last_ns
        live.frames += frames
        self.totals.frames += frames
        if live.told_open and live.file.write_blocks(octets, frames):
            return
        self._pending_bytes = max(self._pending_bytes - live.file.pending_bytes, 0)
        live.file.append_blocks(octets, frames)
        self._dirty.pop(session, None)
        self._failed_lately |= not self._write_open(live)

    def flush(self, between: Callable[[], None] | None = None) -> None:
        """Writes everything that waits, so that a reader sees it; tries again what failed before.

        between: is called between two files, of which there may be thousands.
        """
        failed = False
        for live in self._dirty.values():
            failed |= not self._write_open(live)
            if between is not None:
                between()
        self._dirty.clear()
        self._pending_bytes = 0
        failed |= not self._tell_some()
        now_ns = self._clock_ns()
        for live in [one for one in self._closing.values() if is_due(now_ns, one.wait_ns or 0, _LATE_WAIT_NS)]:
            self._finish(live)
        self._digesting.next_share()
        failed |= not self._digest_some()
        if self._unfinished and is_due(now_ns, self._next_retry_ns, _RETRY_EVERY_NS):
            failed |= not self._retry(now_ns)
        if is_due(now_ns, self._next_run_facts_ns, _RUN_FACTS_EVERY_NS):
            self._next_run_facts_ns = now_ns + _RUN_FACTS_EVERY_NS
            if self._trouble is not None:
                self.run.forget_facts()
            failed |= not self._attempt(lambda: self.run.write_facts(self._run_facts(None)))
            # Well for a whole second, so that a disk with room for every other frame is not told about every time.
            if self._trouble is not None and not (failed or self._failed_lately or self._unfinished):
                self._works_again()
            self._failed_lately = False
        self._failed_lately |= failed

    def close(self) -> None:
        """The end of the run: everything out, totals written, the folder's lock given back. The tracker stops first."""
        self._next_retry_ns = self._next_run_facts_ns = 0
        for live in self._closing.values():
            live.wait_ns = 0
        self.flush()
        while self._digesting:
            self._digesting.next_share()
            self._digest_some()
        self._attempt(lambda: self.run.write_facts(self._run_facts(self._clock_ns())))
        self._pool.close()
        self.run.close()

    def _write_open(self, live: LiveSession) -> bool:
        before = live.file.frames_not_written
        worked = self._attempt(live.file.flush)
        self.totals.frames_not_written += live.file.frames_not_written - before
        if worked and not live.told_open:
            self._untold[live.session] = live
        return worked

    def _tell_some(self) -> bool:
        """Write the first JSON of sessions that have begun: a few at a time, for a thousand may begin at once."""
        worked = True
        for live in list(itertools.islice(self._untold.values(), _TOLD_A_FLUSH)):
            del self._untold[live.session]
            worked &= self._attempt(
                lambda live=live: write_open(live, self.run.name, self._facts, self._dropped(live))  # type: ignore[misc]
            )
        return worked

    def _dropped(self, live: LiveSession) -> int:
        """What the kernel dropped while the session ran."""
        return self.totals.frames_dropped - live.drops_before if live.dropped is None else live.dropped

    def _finish(self, live: LiveSession) -> None:
        for waiting in (self._live, self._dirty, self._untold, self._closing):
            waiting.pop(live.session, None)
        before = live.file.frames_not_written
        self._pending_bytes = max(self._pending_bytes - live.file.pending_bytes, 0)
        worked = self._attempt(lambda: self._finish_file(live))
        self.totals.frames_not_written += live.file.frames_not_written - before
        if worked:
            self._digesting.add(live)  # for the flush: many that end together are digested together
        else:
            self._not_finished(live)

    def _not_finished(self, live: LiveSession) -> None:
        """It could not be finished: _retry() tries again."""
        live.file.release()
        self._unfinished[live.session] = live
        while len(self._unfinished) > _UNFINISHED_LIMIT:
            # The next start marks it as cut: its JSON still says "open".
            del self._unfinished[next(iter(self._unfinished))]

    def _digest_some(self) -> bool:
        """Digest finished files as long as the share of this flush lasts, and write their JSON, until one fails."""
        while (first := self._digesting.first()) is not None:
            live, digest = first
            done = self._attempt(lambda live=live, digest=digest: self._digest(live, digest))  # type: ignore[misc]
            if done and not digest.whole:
                continue
            self._digesting.remove(live.session)
            if not done:
                self._not_finished(live)
                return False
            self.totals.sessions_finished += 1
        return True

    def _digest(self, live: LiveSession, digest: FileDigest) -> None:
        self._digesting.go_on(digest)
        if digest.whole:
            write_final(live, self.run.name, self._facts, digest, self._key)

    def _finish_file(self, live: LiveSession) -> None:
        finish_file(live, self.run.name, self._dropped(live), self._clock_ns())

    def _late(self, session: SessionFacts) -> LiveSession | None:
        """A frame after the end: the session's file is opened again. None where it is gone (pruned, removed)."""
        live = self._unfinished.pop(session, None)
        if live is None and (live := self._digesting.remove(session)) is not None:
            live.wait_ns = self._clock_ns() + _LATE_WAIT_NS
        if live is not None and live.dropped is not None:
            live.drops_before, live.dropped = self.totals.frames_dropped - live.dropped, None
        if live is None:
            path = self.run.path / f"{session.name}.pcapng"
            live = reopened(session, path, self._header, self._pool, self.totals.frames_dropped)
            if live is None:
                self.totals.frames += 1
                self.totals.frames_not_written += 1
                return None
            self.totals.sessions_finished -= 1
            # Finishing reads the whole file once more. Late frames can come in a flood: so not for each of them.
            live.wait_ns = self._clock_ns() + _LATE_WAIT_NS
        self._live[session] = live
        return live

    def _retry(self, now_ns: int) -> bool:
        """Finishes the sessions that could not be finished, until one fails again."""
        self._next_retry_ns = now_ns + _RETRY_EVERY_NS
        for session, live in list(self._unfinished.items()):
            if not self._attempt(lambda live=live: self._finish_file(live)):  # type: ignore[misc]
                return False
            del self._unfinished[session]
            self._digesting.add(live)
            if not self._digest_some():
                return False
        return True

    def _attempt(self, write: Callable[[], None]) -> bool:
        """Runs a write; a failure is told once, and not again before writing has worked again."""
        try:
            write()
        except StoreError as error:
            if self._trouble is None:
                self._lost_before_trouble = self.totals.frames_not_written
                self._tell(str(error))
            self._trouble = error
            if error.number == errno.ENOENT:
                # Somebody removed the folder under us: make it again, so that the next flush has a place to write to.
                self.run.make_again()
            return False
        return True

    def _make_folder_again(self) -> bool:
        """The run's folder was removed between two sessions: the next one shall lose no frame for that."""
        made = self.run.make_again()
        if made and self._trouble is None:
            self._tell(f"the folder of this run was removed ({self.run.path}): it is made again, and capturing goes on")
        return made

    def _works_again(self) -> None:
        self._trouble = None
        lost = self.totals.frames_not_written - self._lost_before_trouble
        self._tell(f"writing to {self.run.path} works again; {lost} frames were not written meanwhile")

    def _run_facts(self, end_ns: int | None) -> dict[str, object]:
        return run_facts(self.run.name, self._facts, self._interface, self._names, self.totals, end_ns)

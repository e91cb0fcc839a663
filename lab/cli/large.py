"""Files that do not fit into memory: only the frames of the session that is asked for are kept.

A first pass counts (``lab.analysis.stats``: a few microseconds a frame, no frame kept) and tells which sessions there
are; a second one takes the frames of one of them, and what may belong to it besides (ARP, NDP, ICMP, fragments) of the
same time. Small files are simply read.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.analysis.stats import Statistics
from lab.analysis.totals import SessionTotals
from lab.cli.errors import ASKED_WRONGLY, RefusedError
from lab.cli.progress import Progress
from lab.cli.spill import Spill
from lab.session.words import count
from lab.store.quick import quick_frames
from lab.store.reader import CaptureReader
from lab.wire.frame import Frame
from lab.wire.packet import Segment
from lab.wire.parse import parse

LARGE_BYTES = 8 * 1024 * 1024
MOST_FRAMES = 300_000
"""Of one session: each frame that is analysed takes some kilobytes."""
_AROUND_NS = 1_000_000_000
_REUSE_NS = 60_000_000_000
"""So long before a session one between the same ports matters: its TIME-WAIT may last (RFC 9293 §3.6.1)."""


def is_large(path: Path) -> bool:
    """Whether a file is read twice rather than kept."""
    try:
        return path.stat().st_size > LARGE_BYTES
    except OSError:
        return False


def counted(path: Path, left_over: Callable[[int], None] | None = None) -> Sequence[SessionTotals]:
    """Totals of every session of a file, in bounded memory. Progress is shown on a terminal. left_over: see
    ``quick_frames``."""
    ended = Spill()
    counting = Statistics(ended.put)
    gc.disable()  # millions of small tuples, none of them in a cycle: to look for cycles takes a tenth of the time
    try:
        with Progress(path) as progress:
            counting.take(quick_frames(path, progress.tell, left_over))
        if not ended:
            return counting.sessions()
        for session in counting.sessions():
            ended.put(session)
        return ended
    finally:
        gc.enable()


def several(path: Path, sessions: int) -> str:
    """The sentence that asks which of several sessions is meant."""
    listed = f"('echolab stats {path.name}' lists them)"
    return f"{path.name} has {sessions} sessions: say which with --session 1 to {sessions} {listed}"


def not_there(path: Path, sessions: int, number: int) -> RefusedError:
    """What is said where a session is asked for that a file does not have."""
    return RefusedError(f"{path.name} has {count(sessions, 'session')}: there is no session {number}", ASKED_WRONGLY)


def choose(path: Path, sessions: Sequence[SessionTotals], session: int | None) -> SessionTotals:
    """The session that is meant: the only one, or the one with this number (from 1). Raises RefusedError."""
    if not sessions:
        raise RefusedError(f"{path.name} has no TCP session in it: look at it with Wireshark")
    if session is None and len(sessions) > 1:
        raise RefusedError(several(path, len(sessions)), ASKED_WRONGLY)
    number = session or 1
    if not 1 <= number <= len(sessions):
        raise RefusedError(
            f"{path.name} has {count(len(sessions), 'session')}: there is no session {number}", ASKED_WRONGLY
        )
    chosen = sessions[number - 1]
    if chosen.frames > MOST_FRAMES:
        raise RefusedError(
            f"session {number} of {path.name} has {chosen.frames} frames, more than the {MOST_FRAMES} that are looked"
            " at one by one: cut a part out with 'editcap -r', or count with 'echolab stats'"
        )
    return chosen


def frames_of_session(path: Path, chosen: SessionTotals) -> tuple[list[Frame], CaptureReader]:
    """The frames of one session of a large file, and the reader that took them (for names)."""
    first_ns, last_ns = chosen.first_ns - _AROUND_NS, chosen.last_ns + _AROUND_NS
    ends = {chosen.client, chosen.server}
    found: list[Frame] = []
    reader = CaptureReader(path)
    with Progress(path) as progress:
        for packet in reader:
            progress.tell(reader.parser.whole_bytes)
            frame = packet.frame
            if not first_ns - _REUSE_NS <= frame.time_ns <= last_ns:
                continue
            read = parse(frame)
            if isinstance(read, Segment):
                wanted = {str(read.source), str(read.destination)} == ends
            else:
                wanted = frame.time_ns >= first_ns
            if wanted:
                found.append(frame)
    return found, reader

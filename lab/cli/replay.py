"""From a capture file back to sessions: the reader's frames through the same tracker that the tap uses.

So what a command says about a file is what the tap would have said about those frames, whoever captured them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.cli.large import choose, counted, frames_of_session, is_large, not_there
from lab.cli.naming import ordinal_in
from lab.session.events import Event, Opened, Recorded
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.store.reader import CaptureReader
from lab.wire.frame import Frame


@dataclass
class Replayed:
    """One session of a file, with its frames in the order in which the tracker recorded them. left_over_bytes: octets
    of the file's last block, if that is not all there."""

    session: Session
    frames: list[Recorded] = field(default_factory=list)
    left_over_bytes: int = 0


def replay(path: Path, session: int | None = None) -> list[Replayed]:
    """All sessions of a pcap or pcapng file, in the order in which they began; or only the one with this number.

    Raises CaptureFileError if the file is not a capture, RefusedError if there is no such session, or if the file is
    large and it is not said which of its sessions is meant.
    """
    if is_large(path):
        chosen = choose(path, counted(path), session)
        frames, reader = frames_of_session(path, chosen)
        found = _replay(frames, reader)
        found = [one for one in found if str(one.session.client) == chosen.client]
        if not found:
            return []
        nearest = min(found, key=lambda one: abs(one.session.first_ns - chosen.first_ns))
        _number(nearest.session, path, chosen.ordinal)
        return [nearest]
    reader = CaptureReader(path)
    found = _replay((packet.frame for packet in reader), reader)
    if len(found) == 1:
        _number(found[0].session, path, 1)
    if session is None:
        return found
    if not 1 <= session <= len(found):
        raise not_there(path, len(found), session)
    return [found[session - 1]]


def _number(session: Session, path: Path, ordinal: int) -> None:
    """Give it its number in the run, where the file's name says it; else that in the file."""
    session.ordinal = ordinal_in(path, session.name) or ordinal
    session.name = f"{session.ordinal:04d}-{session.name.partition('-')[2]}"


def _replay(frames: Iterable[Frame], reader: CaptureReader) -> list[Replayed]:
    tracker: Tracker | None = None
    found: dict[int, Replayed] = {}
    last_ns = 0
    for frame in frames:
        if tracker is None:  # the names stand before the packets
            tracker = Tracker(names={address: names[0] for address, names in reader.names.items() if names})
        last_ns = frame.time_ns
        _collect(tracker.feed(frame), found)
    if tracker is not None:
        _collect(tracker.tick(last_ns + _PAST_EVERY_LINGER_NS), found)
        _collect(tracker.stop(last_ns + _PAST_EVERY_LINGER_NS), found)
    for one in found.values():
        one.left_over_bytes = reader.left_over_bytes
    return list(found.values())


_PAST_EVERY_LINGER_NS = 1_000_000_000


def _collect(events: Sequence[Event], found: dict[int, Replayed]) -> None:
    for event in events:
        if isinstance(event, Opened):
            found[event.session.ordinal] = Replayed(event.session)
        elif isinstance(event, Recorded):
            found[event.session.ordinal].frames.append(event)

"""From a capture file back to sessions: the reader's frames through the same tracker that the tap uses.

So what a command says about a file is what the tap would have said about those frames, whoever captured them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.session.events import Event, Opened, Recorded
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.store.reader import CaptureReader


@dataclass
class Replayed:
    """One session of a file, with its frames in the order in which the tracker recorded them."""

    session: Session
    frames: list[Recorded] = field(default_factory=list)


def replay(path: Path) -> list[Replayed]:
    """All sessions of a pcap or pcapng file, in the order in which they began.

    Raises CaptureFileError if the file is not a capture.
    """
    reader = CaptureReader(path)
    tracker: Tracker | None = None
    found: dict[int, Replayed] = {}
    last_ns = 0
    for packet in reader:
        if tracker is None:  # the names stand before the packets
            tracker = Tracker(names={address: names[0] for address, names in reader.names.items() if names})
        last_ns = packet.frame.time_ns
        _collect(tracker.feed(packet.frame), found)
    if tracker is not None:
        _collect(tracker.tick(last_ns + _PAST_EVERY_LINGER_NS), found)
        _collect(tracker.stop(last_ns + _PAST_EVERY_LINGER_NS), found)
    return list(found.values())


_PAST_EVERY_LINGER_NS = 1_000_000_000


def _collect(events: Sequence[Event], found: dict[int, Replayed]) -> None:
    for event in events:
        if isinstance(event, Opened):
            found[event.session.ordinal] = Replayed(event.session)
        elif isinstance(event, Recorded):
            found[event.session.ordinal].frames.append(event)

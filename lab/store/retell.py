"""The facts of a session, told anew from the frames in its file.

The JSON of a session that was cut off says what was known when it was last written, at the session's beginning perhaps.
The frames say more. So recover() puts them through a tracker of its own, as the tap did, and takes its summary.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lab.session.events import Event, Opened, Recorded
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.store.reader import Packet

# What the frames do not know: which session of its run it was, and how it came to be cut.
_NOT_IN_THE_FRAMES = frozenset(("name", "id", "ordinal", "verdict", "certificate", "closed_because", "kernel_drops"))


def retell(packets: Iterable[Packet], names: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """The tracker's summary of the file's session, without the members that frames cannot tell; empty if there is none.

    names: address to names; may still be empty when this is called, and is read when the first packet has come. Where a
    file holds several sessions, the one with most frames is meant.
    """
    tracker: Tracker | None = None
    frames: dict[Session, int] = {}
    last_ns = 0
    for packet in packets:
        if tracker is None:
            tracker = Tracker(names={address: known[0] for address, known in names.items() if known})
        last_ns = packet.frame.time_ns
        _count(tracker.feed(packet.frame), frames)
    if tracker is not None:
        _count(tracker.stop(last_ns), frames)
    if not frames:
        return {}
    session = max(frames, key=frames.__getitem__)
    return {key: value for key, value in session.summary().items() if key not in _NOT_IN_THE_FRAMES}


def _count(events: list[Event], frames: dict[Session, int]) -> None:
    for event in events:
        if isinstance(event, Opened):
            frames.setdefault(event.session, 0)
        elif isinstance(event, Recorded):
            frames[event.session] = frames.get(event.session, 0) + 1

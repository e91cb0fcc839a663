"""The ways that frames go through the lab: the tracker, the tap's fast lane, the analysis; and files, the readers.

Each way takes frames one by one and does with them what the lab does. It holds no dice of its own: what happens beside
the frames (a tick, a drop of the kernel) follows from the frames themselves, so that any list of frames goes the same
way again, also a shorter one.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO

from lab.analysis import analyse
from lab.analysis.stats import stats
from lab.capture.lane import FastLane
from lab.session.events import Closed, Event, Opened, Recorded
from lab.session.limits import Limits
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.store.blocks import FileHeader, InterfaceFacts, SectionFacts, enhanced_packet
from lab.store.errors import CaptureFileError
from lab.store.quick import QuickParser
from lab.store.reader import CaptureReader, parse_capture
from lab.wire.frame import Frame
from tests.fuzz.bounds import check_bounds
from tests.unit.capture.library import Blocks
from tests.unit.capture.traffic import pile_of

SMALL = Limits(
    max_sessions=16,
    max_ended=8,
    max_holes=4,
    max_frames_per_finding=3,
    max_pairs=4,
    max_neighbours=2,
    max_datagrams=3,
    max_fragments=4,
)
"""So small that every one of them is reached again and again."""
_CHECK_EVERY = 500
_PILE_SIZES = (3000, 1, 700, 7, 90, 5000)
_BATCH = 100
_MS = 1_000_000


@dataclass
class TrackerWay:
    """Frame by frame through wire and session, with ticks between; what comes out is written and told as by the tap."""

    limits: Limits = field(default_factory=Limits)
    frames: int = 0

    def __post_init__(self) -> None:
        self.tracker = Tracker(self.limits)
        self.last_ns = 0

    def take(self, frame: Frame) -> None:
        self.frames += 1
        self.last_ns = frame.time_ns
        act(self.tracker.feed(frame))
        self.between(frame)
        if self.frames % _CHECK_EVERY == 0:
            check_bounds(self.tracker, self.limits)

    def seen(self, events: list[Event]) -> None:
        """What comes out."""
        act(events)

    def between(self, frame: Frame) -> None:
        """What else happens to a tracker: the clock goes on without frames, the kernel drops some."""
        dice = zlib.crc32(frame.data) % 4096
        if dice % 32 == 0:
            self.seen(self.tracker.tick(frame.time_ns + 60 * _MS))
        elif dice % 256 == 1:
            self.tracker.dropped(3, frame.time_ns)
        elif dice == 2:
            self.seen(self.tracker.tick(frame.time_ns + 100_000 * _MS))

    def close(self) -> None:
        act(self.tracker.stop(self.last_ns))
        check_bounds(self.tracker, self.limits)
        assert self.tracker.open_sessions == []


def act(events: list[Event]) -> None:
    """Do with events what the tap does: a packet block for each frame, the JSON of each session that has ended."""
    for event in events:
        if isinstance(event, Recorded):
            enhanced_packet(event.frame, event.note.comment)
        elif isinstance(event, Closed):
            json.dumps(event.session.summary())
        else:
            assert isinstance(event, Opened)


@dataclass
class LaneWay(TrackerWay):
    """In piles of one to some thousand frames through the tap's fast lane."""

    piles: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.lane = FastLane(self.tracker, act, self.bulk)
        self.waiting: list[Frame] = []
        self.booked = 0
        self.written: dict[Session, int] = {}

    def bulk(self, session: Session, octets: bytes | memoryview, frames: int, last_ns: int) -> None:
        assert octets
        self.written[session] = last_ns
        self.booked += frames

    def check_booked(self) -> None:
        """What was written of a session has reached the session as well, once it is booked."""
        for session, last_ns in self.written.items():
            assert last_ns <= session.last_ns
        self.written.clear()

    def take(self, frame: Frame) -> None:
        self.frames += 1
        self.waiting.append(frame)
        if len(self.waiting) >= _PILE_SIZES[self.piles % len(_PILE_SIZES)]:
            self.flush()

    def flush(self) -> None:
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        self.piles += 1
        self.last_ns = waiting[-1].time_ns
        self.lane.take(pile_of(waiting))
        self.check_booked()
        act(self.tracker.tick(self.last_ns))
        self.between(waiting[-1])
        check_bounds(self.tracker, self.limits)

    def close(self) -> None:
        self.flush()
        super().close()


class NativeWay(LaneWay):
    """The same through the lane in C."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.blocks = Blocks(self.tracker, self.seen, self.bulk, room=32 << 20)

    def seen(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Closed):
                self.blocks.lane.release(event.session)
        act(events)

    def flush(self) -> None:
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        self.piles += 1
        self.last_ns = waiting[-1].time_ns
        self.blocks.take(waiting)
        if self.piles % 3 and not self.tracker.is_due(self.last_ns):
            self.blocks.lane.write_all()
            return
        self.blocks.lane.book_all()
        self.check_booked()
        self.seen(self.tracker.tick(self.last_ns))
        self.between(waiting[-1])
        check_bounds(self.tracker, self.limits)

    def close(self) -> None:
        self.flush()
        self.blocks.lane.close()
        super().close()


class NotWholeError(Exception):
    """A finding tells of a frame that is not there, or of nothing at all."""


@dataclass
class AnalysisWay:
    """A hundred frames at a time as if they were a file: the deep analysis, and the cheap totals."""

    sessions: int = 0
    batch: int = _BATCH

    def __post_init__(self) -> None:
        self.waiting: list[Frame] = []

    def take(self, frame: Frame) -> None:
        self.waiting.append(frame)
        if len(self.waiting) >= self.batch:
            self.close()

    def close(self) -> None:
        waiting, self.waiting = self.waiting, []
        for analysis in analyse(waiting):
            self.sessions += 1
            for found in analysis.findings:
                if "None" in found.sentence or not all(1 <= n <= len(analysis.frames) for n in found.frames):
                    raise NotWholeError(f"{found.kind}, frames {found.frames}: {found.sentence}")
        stats(waiting)


Way = TrackerWay | AnalysisWay
WAYS: dict[str, Callable[[], Way]] = {
    "tracker": TrackerWay,
    "small": lambda: TrackerWay(SMALL),
    "lane": LaneWay,
    "native": NativeWay,
    "analysis": AnalysisWay,
}


def play(name: str, frames: list[Frame]) -> None:
    """All frames in one of the ways, from its beginning to its end. Raises what the lab raises."""
    way = WAYS[name]()
    if isinstance(way, AnalysisWay):
        way.batch = len(frames)  # a list that was shortened is still one file
    for frame in frames:
        way.take(frame)
    way.close()


def capture_octets(frames: list[Frame]) -> bytes:
    """The frames as a pcapng file."""
    header = FileHeader(SectionFacts(), InterfaceFacts("eth0"), {"192.0.2.10": ["server"]})
    blocks = [enhanced_packet(frame, f"Frame {number}.") for number, frame in enumerate(frames, 1)]
    return header.section_block("made by the fuzzer") + header.interface_blocks + b"".join(blocks)


def read_octets(octets: bytes, chance: random.Random) -> bool:
    """Read a file in every way the lab has, in pieces of any size; whether it is a capture.

    What the reader of everything takes, the quick one takes too, with the same frames. The other way round it need not
    be so: the quick one does not look at options, so it does not see that one is damaged.
    """
    size = chance.choice((1, 7, 64, 4096, 1 << 20)) if len(octets) < 20_000 else 1 << 16
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    readable = True
    try:
        parse_capture(pieces)
    except CaptureFileError:
        readable = False
    thorough = _frames_or_none(lambda: [p.frame[:3] for p in CaptureReader(BytesIO(octets), chunk_bytes=size)])
    quick = _frames_or_none(lambda: _quickly(pieces))
    assert thorough is None or thorough == quick, "the two readers differ"
    return readable


def _quickly(pieces: list[bytes]) -> list[tuple[int, bytes, int]]:
    parser = QuickParser()
    frames = [frame for piece in pieces for frame in parser.take(piece)]
    parser.end()
    return frames


def _frames_or_none(read: Callable[[], list[tuple[int, bytes, int]]]) -> list[tuple[int, bytes, int]] | None:
    try:
        return read()
    except CaptureFileError:
        return None

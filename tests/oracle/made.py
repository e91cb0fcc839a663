"""Sessions that no kernel sends on request: losses before the tap, frames in another order, damaged frames, frames that
are not in the capture.

The frames are made by tests/unit/capture/traffic.py, half of them over IPv6. Everything behind that is the lab's own:
the tracker, or one of the two fast lanes with the tracker behind it, and the store that writes the files.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable
from pathlib import Path

from lab.capture.lane import FastLane
from lab.session.events import Event
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.store.sessions import SessionStore
from lab.wire.frame import Direction, Frame
from tests.unit.capture.library import Blocks
from tests.unit.capture.traffic import Talk, checksum, pile_of
from tests.unit.store.scenes import INTERFACE, NAMES, RUN, SECTION

TROUBLES = (0.0, 0.05, 0.3, 1.0)
PILE_FRAMES = 500
FIRST_PORT, PORTS = 10_000, 50_000
AFTER_EVERY_LIMIT_NS = 400_000_000_000
LANES = ("NumPy", "C")
WAYS = ("the tracker", *LANES)
"""How frames get into files: one by one, by the lane in NumPy, by the lane in C (which is what a tap has)."""


def frames_of(seed: int, sessions: int) -> list[Frame]:
    """Frames of many sessions, interleaved, in the order of their times. Sessions without trouble, with some, with
    much."""
    chance = random.Random(seed)
    made: list[tuple[int, bytes, Direction]] = []
    for number in range(sessions):
        trouble = TROUBLES[number % len(TROUBLES)]
        talk = Talk(chance, FIRST_PORT + (seed * sessions + number) % PORTS, chance.choice((4, 6)), trouble)
        frames = talk.play(chance.randrange(0, 40), chance.choice(("fin", "fin", "rst", "open")))
        if number % 10 == 8:  # one without trouble
            frames = [(time_ns, with_checksum_ffff(o) if len(o) > 100 else o, d) for time_ns, o, d in frames]
        made += frames
    made.sort(key=lambda frame: frame[0])
    return [Frame(time_ns, octets, len(octets), 0, direction) for time_ns, octets, direction in made]


def with_checksum_ffff(octets: bytes) -> bytes:
    """The same segment with the first two octets of its text chosen so that its checksum is zero, written as 0xffff."""
    ip = 40 if octets[12:14] == b"\x86\xdd" else 20
    tcp = 14 + ip
    addresses = octets[tcp - 32 : tcp] if ip == 40 else octets[tcp - 8 : tcp]
    text = tcp + (octets[tcp + 12] >> 4) * 4
    blank = octets[:text] + b"\0\0" + octets[text + 2 :]
    body = blank[tcp : tcp + 16] + b"\0\0" + blank[tcp + 18 :]
    word = checksum(addresses + struct.pack("!II", len(body), 6) + body)  # what is missing to 0xffff
    return blank[: tcp + 16] + b"\xff\xff" + octets[tcp + 18 : text] + struct.pack("!H", word) + octets[text + 2 :]


def write(captures: Path, frames: list[Frame], way: str, stopped: bool = False) -> Path:
    """Put frames into files by one of WAYS. Returns the run's folder.

    stopped: whether the tap is stopped while sessions are open; else they are given up when they are silent for long.
    """
    store = SessionStore(
        captures, run=RUN, section=SECTION, interface=INTERFACE, names=NAMES, clock_ns=lambda: frames[-1].time_ns
    )
    tracker = Tracker(names={address: hosts[0] for address, hosts in NAMES.items()})

    def act(events: Iterable[Event]) -> None:
        for event in events:
            store.handle(event)

    taken: list[int] = []  # by a lane, run by run

    def bulk(session: Session, octets: bytes | memoryview, count: int, last_ns: int) -> None:
        taken.append(count)
        store.handle_run(session, octets, count, last_ns)

    piles = [frames[at : at + PILE_FRAMES] for at in range(0, len(frames), PILE_FRAMES)]
    if way == "NumPy":
        lane = FastLane(tracker, act, bulk)
        for pile in piles:
            lane.take(pile_of(pile))
    elif way == "C":
        blocks = Blocks(tracker, act, bulk)
        for pile in piles:
            blocks.take(pile)
        blocks.lane.close()
    else:
        for frame in frames:
            act(tracker.feed(frame))
    if bool(taken) != (way in LANES):
        raise ValueError(f"by {way}: the lane took {sum(taken)} of {len(frames)} frames")
    end_ns = max(frame.time_ns for frame in frames) + (0 if stopped else AFTER_EVERY_LIMIT_NS)
    act(tracker.stop(end_ns))
    store.close()
    return store.run.path

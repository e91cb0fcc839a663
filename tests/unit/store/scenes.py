"""What the store's tests share: frames, a session that is not the tracker's, a store on a temporary folder, and a
reader of blocks that knows nothing of the code under test."""

from __future__ import annotations

import resource
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lab.session.events import Closed, Note, Opened, Recorded
from lab.store.blocks import FileHeader, InterfaceFacts, SectionFacts
from lab.store.facts import RunFacts
from lab.store.sessions import SessionStore
from lab.wire.frame import Direction, Frame

if TYPE_CHECKING:
    from lab.session.session import Session

# 2026-11-23T10:15:02.123456789Z
START_NS = 1_795_428_902_123_456_789
NAMES = {"192.0.2.10": ["server"], "192.0.2.20": ["client"], "2001:db8:7::10": ["server6", "server"]}
SECTION = SectionFacts(hardware="x86_64", os="Linux 6.18", application="Echo Lab 0.1.0 (server-tap)")
INTERFACE = InterfaceFacts(
    name="eth0",
    description="eth0 of the echo server, offloads off",
    filter="tcp or arp",
    mac=bytes.fromhex("02420a00020a"),
    ipv4=(IPv4Interface("192.0.2.10/25"),),
    ipv6=(IPv6Interface("2001:db8:7::10/64"),),
    snaplen_bytes=262144,
    speed_bits_per_s=10_000_000_000,
    os="Linux 6.18",
)
RUN = RunFacts(
    start_ns=START_NS,
    lab_version="0.1.0",
    languages={"server": "python", "client": "c"},
    ring_bytes=1 << 25,
    offloads="offloads off",
)
HEADER = FileHeader(SECTION, INTERFACE, NAMES)


def frame(number: int = 0, data: bytes = b"\x02" * 60, direction: Direction = Direction.INBOUND) -> Frame:
    """The frame of that number: a microsecond and a nanosecond after the one before."""
    return Frame(START_NS + number * 1001, data, len(data), 0, direction)


@dataclass
class FakeCertificate:
    complete: bool = True
    reasons: tuple[str, ...] = ()


@dataclass(eq=False)
class FakeSession:
    """What the store asks of a session, without a tracker."""

    name: str = "0001-client-40000"
    ordinal: int = 1
    verdict: str = "complete"
    certificate: FakeCertificate = field(default_factory=FakeCertificate)
    facts: dict[str, object] = field(default_factory=lambda: {"client": {"name": "client", "port": 40000}})

    def summary(self) -> dict[str, object]:
        return dict(self.facts)


class Bench:
    """A store in a folder, a clock that tests turn, and what the store said."""

    def __init__(self, captures: Path, *, key: bytes | None = None, **settings: int) -> None:
        captures.mkdir(exist_ok=True)
        self.captures = captures
        self.now_ns = START_NS
        self.said: list[str] = []
        self.store = SessionStore(
            captures,
            run=RUN,
            section=SECTION,
            interface=INTERFACE,
            names=NAMES,
            clock_ns=lambda: self.now_ns,
            tell=self.said.append,
            key=key,
            **settings,
        )
        self.folder = self.store.run.path

    def open(self, session: FakeSession) -> None:
        self.store.handle(Opened(cast("Session", session)))

    def record(self, session: FakeSession, *numbers: int, comment: str = "a segment", size: int = 60) -> None:
        for number in numbers:
            note = Note("data", "client", f"{comment} {number}")
            self.store.handle(Recorded(cast("Session", session), frame(number, b"\x02" * size), note))

    def end(self, session: FakeSession) -> None:
        self.store.handle(Closed(cast("Session", session)))
        self.store.flush()

    def play(self, name: str, ordinal: int, frames: int = 3, *, finish: bool = True) -> FakeSession:
        """A whole session of so many frames."""
        session = FakeSession(name, ordinal)
        self.open(session)
        self.record(session, *range(frames))
        if finish:
            self.store.handle(Closed(cast("Session", session)))
        self.store.flush()
        return session

    def later(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1_000_000_000)


def walk(octets: bytes) -> list[tuple[int, bytes]]:
    """Type and body of each little-endian block; fails the test on anything that is not a whole block."""
    blocks = []
    while octets:
        block_type, length = struct.unpack_from("<II", octets)
        assert length % 4 == 0
        assert 12 <= length <= len(octets), f"a block of {length} octets, of which {len(octets)} are there"
        assert struct.unpack_from("<I", octets, length - 4) == (length,)
        blocks.append((block_type, octets[8 : length - 4]))
        octets = octets[length:]
    return blocks


def walk_options(octets: bytes) -> list[tuple[int, bytes]]:
    """Code and value of each option; fails the test unless the list is closed and nothing follows."""
    found: list[tuple[int, bytes]] = []
    while octets:
        code, length = struct.unpack_from("<HH", octets)
        padded = length + (-length & 3)
        assert len(octets) >= 4 + padded
        assert octets[4 + length : 4 + padded] == bytes(padded - length)
        if code == 0:
            assert (length, len(octets)) == (0, 4)
            return found
        found.append((code, octets[4 : 4 + length]))
        octets = octets[4 + padded :]
    return found


@contextmanager
def no_file_beyond(size_bytes: int) -> Iterator[None]:
    """Lets no file of this process grow beyond a size: a write is cut short there, then refused, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

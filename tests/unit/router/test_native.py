"""The quick ways, in C and with NumPy, beside the router proper: the same frames in, the same octets out, in the same
order. The ring is memory filled here as the kernel fills it; the link is a pair of sockets."""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import checksum as scapys

from lab.router import native
from lab.router.fast import FastWay
from lab.router.native import NativeWay, load
from lab.router.octets import hopped, hopped_checksum, with_dont_fragment, with_ip_checksum, with_ttl
from lab.router.port import MAC_AT, SLOT_BYTES, Port
from lab.router.router import Router
from lab.wire.checksum import checksum
from lab.wire.packet import Flags
from tests.marked import MARK
from tests.unit.router.made import ADDRESSES, MACS, START_NS, Talk, addressed, router, sent

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "images" / "lab" / "native" / "wire.c"
IN_IMAGE = "/usr/local/lib/echolab/lab/router/_wire.so"
SLOTS = 64
MTU_BYTES = 1500
WAYS = ("C", "NumPy")


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """Compiled here where there is a compiler, else taken out of the lab's image."""
    folder = ROOT / ".pytest_cache" / f"wire-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        path = folder / "_wire.so"
        compiler = shutil.which("cc") or shutil.which("gcc")
        words = [str(compiler), "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(path), str(SOURCE)]
        if not compiler:
            words = ["docker", "run", "--rm", *MARK, "--network", "none", "echolab/lab", "cat", IN_IMAGE]
        done = subprocess.run(words, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        if not compiler:
            path.write_bytes(done.stdout)
        found = load(path)
        assert found is not None
        return found
    finally:
        shutil.rmtree(folder)


class Ring(Port):
    """A port without an interface: frames are put into its ring by hand; what it sends is in ``sent``."""

    def __init__(self) -> None:
        self.slots, self.size_bytes, self._next, self._fill = SLOTS, SLOTS * SLOT_BYTES, 0, 0
        kind = socket.SOCK_SEQPACKET
        (self._in, self.bell), (self._out, self.link) = (socket.socketpair(socket.AF_UNIX, kind) for _ in range(2))
        self.link.settimeout(5)
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        self._prepare(mmap.mmap(-1, self.size_bytes))

    def put(self, data: bytes, length: int | None = None) -> None:
        """As the kernel does: the frame (cut, if its length is said to be more), its header, last the status."""
        at = self._fill * SLOT_BYTES
        assert self.memory[at] == 0, "the ring is full"
        self.memory[at + MAC_AT : at + MAC_AT + len(data)] = data
        struct.pack_into("=IIHHII", self.memory, at + 4, length or len(data), len(data), MAC_AT, MAC_AT + 14, 0, 0)
        struct.pack_into("=I", self.memory, at, 1)
        self._fill = (self._fill + 1) % self.slots

    @property
    def waiting(self) -> int:
        """Slots that the kernel has not got back."""
        return sum(self.memory[number * SLOT_BYTES] for number in range(self.slots))

    def sent(self) -> list[bytes]:
        """What has been put on the link since the last call."""
        self._out.send(b"end")
        frames = []
        while (data := self.link.recv(4096)) != b"end":
            frames.append(data)
        return frames

    def close(self) -> None:
        for sock in (self._in, self.bell, self._out, self.link):
            sock.close()


@pytest.fixture
def ring() -> Iterator[Ring]:
    made = Ring()
    yield made
    made.close()


def proper(made: Router, frames: list[tuple[bytes, int | None]]) -> list[bytes]:
    """What the router itself makes of these frames."""
    out = []
    for data, length in frames:
        if length is None:
            made.receive(data, START_NS)
        out += made.outgoing(START_NS)
    return out


def by(way: str, ring: Ring, made: Router) -> Callable[[], int]:
    """Something that deals with all that is in the ring. Its result: how many frames the quick way took itself."""
    if way == "NumPy":
        fast = FastWay(ring, made)

        def all_of_it() -> int:
            while fast.turn():
                continue
            return fast.forwarded

        return all_of_it
    quick = NativeWay(library(), ring, made)

    def by_library() -> int:
        while quick.turn():
            for data in ring.frames(1):
                made.receive(data, START_NS)
            ring.send(made.outgoing(START_NS))
        return quick.forwarded

    return by_library


def version4(**fields: int) -> bytes:
    """A frame from client to server whose IPv4 header has these octets changed, and its checksum right again."""
    data = bytearray(addressed(Talk().data("client", b"hello\n"), "client"))
    for name, value in fields.items():
        data[int(name[1:])] = value
    return with_ip_checksum(bytes(data))


def plain(chance: random.Random) -> bytes:
    version, side = chance.choice((4, 6)), chance.choice(("client", "server"))
    text = chance.randbytes(chance.choice((0, 1, 6, 100, 1400)))
    data = Talk(version, chance.randrange(1024, 65536)).data(side, text)  # type: ignore[arg-type]
    return addressed(with_ttl(data, chance.randrange(2, 256)), side)  # type: ignore[arg-type]


def odd(chance: random.Random) -> tuple[bytes, int | None]:
    """A frame that is not plain, or looks so."""
    good = plain(chance)
    at = chance.randrange(len(good))
    six = addressed(Talk(6).data("client", b"hello\n"), "client")
    client = "client"
    made: list[tuple[bytes, int | None]] = [
        (good[:at], None),
        (good + bytes(chance.randrange(1, 40)), None),
        (good[:at] + bytes((good[at] ^ 1 << chance.randrange(8),)) + good[at + 1 :], None),
        (good[:60], len(good) + 1),
        (b"\xff" * 6 + good[6:], None),
        (MACS["client"] + good[6:], None),
        (version4(b14=0x46), None),
        (version4(b14=0x55), None),
        (version4(b17=19), None),
        (version4(b22=1), None),
        (version4(b22=0), None),
        (version4(b23=17), None),
        (version4(b33=99), None),
        (version4(b29=99), None),
        (six[:14] + b"\x40" + six[15:], None),
        (six[:20] + b"\x3c" + six[21:], None),
        (six[:21] + b"\x01" + six[22:], None),
        (addressed(with_dont_fragment(Talk().data("client", bytes(1480)), False), client), None),
        (addressed(Talk(6).data("client", bytes(1480)), client), None),
        (chance.randbytes(chance.randrange(0, 200)), None),
        (MACS["wire"] + chance.randbytes(chance.randrange(8, 200)), None),
    ]
    return chance.choice(made)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(30))
def test_a_quick_way_sends_what_the_router_would_send(ring: Ring, way: str, seed: int) -> None:
    chance = random.Random(seed)
    share = (0.0, 0.02, 0.2, 0.9)[seed % 4]
    quick, slow = router()[0], router()[0]
    turn = by(way, ring, quick)
    for _ in range(8):
        frames = [
            odd(chance) if chance.random() < share else (plain(chance), None) for _ in range(chance.randrange(SLOTS))
        ]
        for data, length in frames:
            ring.put(data, length)
        turn()
        assert ring.sent() == proper(slow, frames)
        assert ring.waiting == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(3))
def test_plain_frames_never_reach_the_router_itself(ring: Ring, way: str, seed: int) -> None:
    chance = random.Random(seed)
    made, _ = router()
    turn = by(way, ring, made)
    for _ in range(50):
        ring.put(plain(chance))
    assert turn() == 50
    assert made.frames == 0
    ring.put(odd(chance)[0][:30])
    assert turn() == 50


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_sent_to_a_neighbour_that_is_not_known_yet(ring: Ring, way: str) -> None:
    made, _ = router()
    turn = by(way, ring, made)
    del made.neighbours.known[ADDRESSES[4]["server"]]
    data = addressed(Talk().syn(), "client")
    ring.put(data)
    assert turn() == 0
    assert [frame[12:14] for frame in ring.sent()] == [b"\x08\x06"]  # the question who that is
    made.neighbours.known[ADDRESSES[4]["server"]] = MACS["server"]
    ring.put(data)
    assert turn() == 1
    assert [frame[:6] for frame in ring.sent()] == [MACS["server"]]


@pytest.mark.parametrize("way", WAYS)
def test_the_checksum_after_a_hop_is_the_one_made_anew_for_every_value_it_can_have(ring: Ring, way: str) -> None:
    made, _ = router()
    turn = by(way, ring, made)
    seen = set()
    # Every checksum near the two carries, and a sample of the others.
    for step in (*range(-260, -250), *range(-40, 40), *range(0, 65536, 97)):
        data = version4(b18=0, b19=0)
        ip_id = (int.from_bytes(data[24:26], "big") - 0xFEFF + step) % 0xFFFF
        data = with_ip_checksum(data[:18] + ip_id.to_bytes(2, "big") + data[20:])
        seen.add(data[24:26])
        ring.put(data)
        turn()
        (out,) = ring.sent()
        anew = scapys(out[14:24] + b"\0\0" + out[26:34])
        assert out[24:26] == anew.to_bytes(2, "big"), data[24:26].hex()
        assert hopped(data)[24:26] == out[24:26]
    assert {b"\xfe\xff", b"\xff\x00", b"\xfe\xfe", b"\0\0"} <= seen


def test_a_checksum_is_what_scapy_makes_of_the_octets_the_other_zero_too() -> None:
    chance = random.Random(1)
    for octets in (
        b"\xff\xff",
        b"\0\0",
        b"\xff\xfe\0\x01",
        b"\x12\x34\xed\xcb",
        *(chance.randbytes(20) for _ in range(50)),
    ):
        assert checksum(octets) == scapys(octets), octets
    assert (hopped_checksum(0xFEFF), hopped_checksum(0xFF00), hopped_checksum(0)) == (0, 1, 0x0100)


def test_a_damaged_header_stays_damaged_and_is_not_forwarded(ring: Ring) -> None:
    made, _ = router()
    data = version4()
    damaged = data[:19] + bytes((data[19] ^ 1,)) + data[20:]
    for way in WAYS:
        ring.put(damaged)
        assert by(way, ring, made)() == 0
        assert ring.sent() == []
    assert sent(made, damaged) == []
    out = hopped(damaged)
    assert scapys(out[14:34]) != 0


def test_the_library_comes_back_for_an_odd_frame_the_door_the_time_and_a_signal(ring: Ring) -> None:
    made, _ = router()
    quick = NativeWay(library(), ring, made)
    door, knock = socket.socketpair()
    with door, knock:
        assert quick.run(door.fileno(), 0.0) == native.TIME_UP
        ring.put(plain(random.Random(1)))
        ring.put(b"\xff" * 60)
        ring.bell.send(b"!")
        assert quick.run(door.fileno(), 5.0) == native.ODD
        assert (quick.forwarded, ring.waiting) == (1, 1)
        assert list(ring.frames()) == [b"\xff" * 60]
        ring._in.recv(1)
        knock.send(b"?")
        assert quick.run(door.fileno(), 5.0) == native.DOOR
        door.recv(1)
        before = signal.signal(signal.SIGUSR1, lambda *_: None)
        try:
            timer = threading.Timer(0.1, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR1))
            timer.start()
            started = time.monotonic()
            assert quick.run(door.fileno(), 20.0) == native.SIGNAL
            assert time.monotonic() - started < 10
        finally:
            timer.join()
            signal.signal(signal.SIGUSR1, before)


def test_what_the_link_refuses_is_counted_and_passed_over(ring: Ring) -> None:
    made, _ = router()
    turn = by("C", ring, made)
    ring.link.close()
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        for _ in range(3):
            ring.put(plain(random.Random(1)))
        assert turn() == 3
    finally:
        signal.signal(signal.SIGPIPE, before)
    assert (ring.refused, ring.waiting) == (3, 0)


def test_many_frames_take_one_system_call_and_not_one_each(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    call = ring._sendmmsg

    def counted(number: int, messages: int, count: int, flags: int) -> int:
        counts.append(count)
        return int(call(number, messages, count, flags))

    monkeypatch.setattr(ring, "_sendmmsg", counted)
    frames = [plain(random.Random(seed)) for seed in range(20)]
    ring.send(frames)
    assert ring.sent() == frames
    assert counts == [20]


def test_where_nothing_was_compiled_there_is_no_library(tmp_path: Path) -> None:
    assert load(tmp_path / "_wire.so") is None
    broken: Any = tmp_path / "broken.so"
    broken.write_bytes(b"no library")
    assert load(broken) is None


def test_flags_are_left_alone(ring: Ring) -> None:
    made, _ = router()
    turn = by("C", ring, made)
    data = addressed(Talk().segment("server", Flags.RST | Flags.ACK, b"x"), "server")
    ring.put(data)
    turn()
    (out,) = ring.sent()
    assert out == MACS["client"] + MACS["wire"] + hopped(data)[12:]

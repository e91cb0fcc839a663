"""The fast lane in C: plain segments go from the ring into their sessions' blocks in one pass.

The library (images/lab/native/lane.c) looks at every frame of a block. Those that only go on in a session that is
*armed* (ready for a run, and the library knows where both its ends stand) are taken there: checked, added up, and their
packet blocks put together. Everything else comes here as a *slow* frame, in order, and goes to the tracker; before that
the run of its session is booked, so nothing changes places. A session that is ready after such a frame is armed anew.

``lab.capture.lane`` does the same with NumPy, pile by pile, where the library is not there; tests hold both to the
tracker's results.
"""

from __future__ import annotations

import ctypes
import itertools
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lab.capture.comments import FORMS
from lab.capture.ring import frame_at
from lab.session.bulk import Run, book, footing, ready
from lab.session.events import Event
from lab.session.observe import LINE_BYTES
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.store.forms import NUMBER
from lab.wire.frame import Frame
from lab.wire.packet import Arp, Fragment, Icmp, Segment, ends_of
from lab.wire.parse import parse

LIBRARY = Path(__file__).with_name("_lane.so")
MOST_SLOW = 512
MOST_SESSIONS = 1 << 14
MOST_WAITING_BYTES = 96 << 20
"""Blocks that wait to be written, at most; then all runs are booked."""
MOST_ROOM_BYTES = 160 << 20
"""Memory of the sessions' buffers above which it is given back."""
HOLD_S = 0.8
"""How long a run's frames may wait to be written."""
ARM_AFTER_FRAMES = 4
"""The handshake and the first text are looked at one by one: their comments say more."""
FEW_FRAMES = 4096
"""Fewer frames than this in HOLD_S are no load: then every session is given back to the tracker."""

_READ = 0x100  # PyBUF_READ: a memory view that cannot be written to
_END = 16  # numbers of struct End
_SESSION = struct.Struct(f"={2 * _END}q")
_WAITING = struct.Struct("=qqqqqq")  # frames, last_ns, unwritten, octets_from, octets_used, octets
_MOST_PARTS = 4  # of a comment: three numbers part it
_LETTERS = (("A", 1), ("D", 2), ("a", 4), ("d", 8))


class _Slow(ctypes.Structure):
    """struct Slow."""

    _fields_ = (("at", ctypes.c_int64), ("session", ctypes.c_int32), ("what", ctypes.c_int32))


def load(path: Path = LIBRARY) -> ctypes.CDLL | None:
    """The library, with the types of its functions; None where it is not there or not for this machine.

    It reads headers as a little-endian machine and shares a struct with an address of 64 bits (_SESSION).
    """
    if sys.byteorder != "little" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    try:
        library = ctypes.CDLL(str(path))
    except OSError:
        return None
    pointer, number, wide = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    for name, result, arguments in (
        ("lane_new", pointer, (ctypes.c_char_p, pointer)),
        ("lane_delete", None, (pointer,)),
        ("lane_look", number, (pointer, pointer, pointer, pointer, pointer, number, wide)),
        ("lane_try", number, (pointer, pointer, wide, pointer)),
        ("lane_arm", number, (pointer, pointer, wide, number, pointer, number)),
        ("lane_begin", None, (pointer, number)),
        ("lane_disarm", None, (pointer, number)),
        ("lane_trim", None, (pointer,)),
        ("lane_waiting", wide, (pointer,)),
        ("lane_room", wide, (pointer,)),
        ("lane_session", pointer, (pointer, number)),
        ("lane_touched", number, (pointer, pointer, number)),
        ("lane_written", None, (pointer, number)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class NativeLane:
    """Takes the frames of ring blocks.

    memory: the ring. tracker: for what is not plain. act: gets the tracker's events. bulk: gets a booked session with
    the octets of its blocks, how many frames they are, and the time of the last.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        memory: memoryview,
        tracker: Tracker,
        act: Callable[[list[Event]], None],
        bulk: Callable[[Session, memoryview, int, int], None],
    ) -> None:
        self._library = library
        self._view = memory
        self._memory = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        self._tracker = tracker
        self._act = act
        self._bulk = bulk
        texts = [[part.encode() for part in form.text.split(NUMBER)] for form in FORMS]
        lengths = [[len(part) for part in parts] + [-1] * (_MOST_PARTS - len(parts)) for parts in texts]
        sizes = (ctypes.c_int32 * (_MOST_PARTS * len(FORMS)))(*itertools.chain(*lengths))
        self._lane = library.lane_new(b"".join(itertools.chain(*texts)), sizes)
        if not self._lane:
            raise MemoryError("no memory for the fast lane")
        first = library.lane_session(self._lane, 0)
        self._stride = library.lane_session(self._lane, 1) - first
        self._sessions = (ctypes.c_char * (self._stride * MOST_SESSIONS)).from_address(first)
        self._slow = (_Slow * MOST_SLOW)()
        self._again = _Slow()
        self._numbers = (ctypes.c_int32 * MOST_SESSIONS)()
        self._armed: dict[int, Session] = {}
        self._number_of: dict[Session, int] = {}
        self._changes = 0
        self._frames = 0
        self._since = 0.0
        self._view_of = ctypes.pythonapi.PyMemoryView_FromMemory
        self._view_of.restype = ctypes.py_object
        self._view_of.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)

    @property
    def armed(self) -> int:
        """How many sessions the library takes segments of."""
        return len(self._armed)

    def take_aside(self, octets: bytearray, at: int, count: int) -> None:
        """Take the frames of a block that was copied: the header of the first lies at this offset of the copy."""
        ring = self._view, self._memory
        self._view, self._memory = memoryview(octets), ctypes.addressof(ctypes.c_char.from_buffer(octets))
        try:
            self.take(at, count)
        finally:
            self._view, self._memory = ring

    def take(self, at: int, count: int) -> None:
        """Take the frames of a block: the header of the first lies at this offset of the ring."""
        if not self._frames:
            self._since = time.monotonic()
        self._frames += count
        library, lane = self._library, self._lane
        place, left = ctypes.c_int64(at), ctypes.c_int32(count)
        where, rest, slow = ctypes.byref(place), ctypes.byref(left), ctypes.byref(self._slow)
        while left.value > 0:
            found = library.lane_look(lane, self._memory, where, rest, slow, MOST_SLOW, MOST_WAITING_BYTES)
            before = self._changes
            for number in range(found):
                self._take_slow(self._slow[number], fresh=self._changes == before)
            if library.lane_waiting(lane) >= MOST_WAITING_BYTES:
                self.write_all()

    def settle(self) -> None:
        """Between turns: write what has waited long enough; without load give every session back to the tracker."""
        if not self._frames or time.monotonic() - self._since < HOLD_S:
            return
        if self._frames < FEW_FRAMES:
            self.release_all()
        else:
            self.write_all()
        self._frames = 0

    def write_all(self) -> None:
        """Hand out the blocks of all runs. What they come to is booked later, once for many times of writing."""
        count = self._library.lane_touched(self._lane, self._numbers, False)
        for number in self._numbers[:count]:
            self._write(number, self._waiting(number))
        if self._library.lane_room(self._lane) > MOST_ROOM_BYTES:
            self.book_all()

    def book_all(self) -> None:
        """Book and hand out all runs."""
        count = self._library.lane_touched(self._lane, self._numbers, True)
        for number in self._numbers[:count]:
            self._book(number)
        if self._library.lane_room(self._lane) > MOST_ROOM_BYTES:
            self._library.lane_trim(self._lane)

    def release_all(self) -> None:
        """Book everything, and let the tracker have every session."""
        self.book_all()
        for number in list(self._armed):
            self._release(number)
        self._library.lane_trim(self._lane)
        self._frames = 0

    def release(self, session: Session) -> None:
        """Book a session, and let the tracker have it; nothing if it is not armed."""
        number = self._number_of.get(session)
        if number is not None:
            self._release(number)

    def close(self) -> None:
        """Book everything and give the memory back."""
        self.release_all()
        self._library.lane_delete(self._lane)

    def _take_slow(self, slow: _Slow, *, fresh: bool) -> None:
        """A frame that the library left to us. fresh: whether nothing was armed or given back since it was seen."""
        if slow.what and not fresh:
            if self._library.lane_try(self._lane, self._memory, slow.at, ctypes.byref(self._again)):
                return
            slow = self._again
        frame, _ = frame_at(self._view, slow.at)
        if slow.session >= 0:
            self._release(slow.session)
        elif not slow.what:
            self._make_way(frame)
        elif self._tracker.full:
            self.release_all()  # a new session may push out any
        events = self._tracker.feed(frame, expire=False)
        self._act(events)
        if slow.what and events:
            session = events[-1].session
            if session.frames >= ARM_AFTER_FRAMES and ready(session):
                self._arm(session, slow.at, frame)

    def _make_way(self, frame: Frame) -> None:
        """A frame that is no plain TCP: book the session that it belongs to, or all if only the tracker knows which."""
        packet = parse(frame)
        ends = ends_of(packet)
        if ends is not None:
            session = self._tracker.session_between(*ends)
            if session is not None:
                self.release(session)
        elif isinstance(packet, (Arp, Fragment)) or (isinstance(packet, Icmp) and packet.neighbour is not None):
            self.release_all()

    def _arm(self, session: Session, at: int, frame: Frame) -> None:
        packet = parse(frame)
        if not isinstance(packet, Segment):
            return
        from_server = packet.source != session.client
        stands = (ctypes.c_int64 * 12)(*footing(session, session.client_side), *footing(session, session.server_side))
        letters = sum(bit for letter, bit in _LETTERS if letter in session.history_counts)
        number = self._library.lane_arm(self._lane, self._memory, at, from_server, stands, letters)
        if number >= 0:
            self._armed[number] = session
            self._number_of[session] = number
            self._changes += 1

    def _waiting(self, number: int) -> tuple[int, ...]:
        return _WAITING.unpack_from(self._sessions, number * self._stride + _SESSION.size)

    def _write(self, number: int, waiting: tuple[int, ...]) -> None:
        _frames, last_ns, unwritten, begin, end, octets = waiting
        if unwritten:
            blocks = self._view_of(octets + begin, end - begin, _READ)  # written before the library goes on
            self._bulk(self._armed[number], blocks, unwritten, last_ns)
            self._library.lane_written(self._lane, number)

    def _book(self, number: int) -> None:
        waiting = self._waiting(number)
        frames, last_ns, *_, octets = waiting
        if not frames:
            return
        self._write(number, waiting)
        session = self._armed[number]
        fields = _SESSION.unpack_from(self._sessions, number * self._stride)
        book(session, self._run(fields[:_END], octets), self._run(fields[_END:], octets), last_ns)
        self._tracker.booked(session, last_ns)
        self._library.lane_begin(self._lane, number)

    @staticmethod
    def _run(end: tuple[int, ...], octets: int) -> Run:
        (_seq, ack_rel, _limit, _shift, _seq_raw, _ack_raw, frames, data_frames, sent, largest, window, edge, last,
         payload_at, payload_bytes, unanswered) = end  # fmt: skip
        payload = b"" if payload_bytes > LINE_BYTES else ctypes.string_at(octets + payload_at, payload_bytes)
        return Run(frames, data_frames, sent, largest, ack_rel, window, edge, last, payload, unanswered)

    def _release(self, number: int) -> None:
        self._book(number)
        session = self._armed.pop(number)
        del self._number_of[session]
        self._changes += 1
        self._library.lane_disarm(self._lane, number)

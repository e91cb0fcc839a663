"""The quick way in C (images/lab/native/wire.c): what ``fast`` does with NumPy, and the waiting as well.

A wire with nothing to do but forward should not be slower than it must be. Python needs 60 µs from waking up to sending
one frame, most of what it may add at all; the library needs two or three. It comes back for what it does not know: a
frame that is not plain, somebody at the control socket, a signal, the time. Where nothing was compiled, ``fast`` does
the same; tests hold the library, ``fast`` and the router to the same octets.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

from lab.router.fast import pairs
from lab.router.port import Port
from lab.router.router import Router

LIBRARY = Path(__file__).with_name("_wire.so")
TIME_UP, ODD, DOOR, SIGNAL = range(4)
MOST_PAIRS = 8


class _Pair(ctypes.Structure):
    """struct Pair."""

    _fields_ = (
        ("version", ctypes.c_uint8),
        ("mac", ctypes.c_uint8 * 6),
        ("filler", ctypes.c_uint8),
        ("ends", ctypes.c_uint8 * 32),
    )


class _Wire(ctypes.Structure):
    """struct Wire."""

    _fields_ = (
        ("ring", ctypes.c_void_p),
        ("forwarded", ctypes.c_uint64),
        ("refused", ctypes.c_uint64),
        ("slots", ctypes.c_uint32),
        ("next", ctypes.c_uint32),
        ("mtu", ctypes.c_uint32),
        ("pair_count", ctypes.c_uint32),
        ("arm", ctypes.c_int32),
        ("out", ctypes.c_int32),
        ("mac", ctypes.c_uint8 * 6),
        ("filler", ctypes.c_uint8 * 2),
        ("pairs", _Pair * MOST_PAIRS),
    )


def load(path: Path = LIBRARY) -> ctypes.CDLL | None:
    """The library; None where it is not there or not for this machine."""
    try:
        library = ctypes.CDLL(str(path))
    except OSError:
        return None
    library.wire_turn.restype = ctypes.c_uint32
    library.wire_turn.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    library.wire_run.restype = ctypes.c_int32
    library.wire_run.argtypes = (ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32)
    return library


class NativeWay:
    """Forwards what it can for a router without a script."""

    def __init__(self, library: ctypes.CDLL, port: Port, router: Router) -> None:
        self._library = library
        self._port = port
        self._router = router
        self._wire = _Wire(
            ring=port.base, slots=port.slots, mtu=router.around.mtu_bytes, arm=port.fileno(), out=port.out_fileno()
        )
        self._wire.mac[:] = router.around.mac
        self._at = ctypes.addressof(self._wire)
        self._odd = ctypes.c_int32()

    @property
    def forwarded(self) -> int:
        """Frames that it has taken so far."""
        return int(self._wire.forwarded)

    def turn(self) -> bool:
        """Forward a burst of what is there, and tell whether the next frame is there and not plain."""
        self._begin()
        self._library.wire_turn(self._at, ctypes.addressof(self._odd))
        self._end()
        return bool(self._odd.value)

    def run(self, door: int, patience_s: float) -> int:
        """Forward until something else is to be done. Returns ODD, DOOR, SIGNAL or TIME_UP."""
        self._begin()
        # Rounded up: who comes back a little early would come again and again.
        why = int(self._library.wire_run(self._at, door, int(patience_s * 1000) + 1))
        self._end()
        return why

    def _begin(self) -> None:
        wire = self._wire
        wire.next = self._port.next_slot
        wire.pair_count = 0
        for version, octets in ((4, 4), (6, 16)):
            for source, destination, mac in pairs(self._router, octets)[: MOST_PAIRS // 2]:
                pair = wire.pairs[wire.pair_count]
                pair.version = version
                pair.mac[:] = mac
                pair.ends[: 2 * octets] = source + destination
                wire.pair_count += 1

    def _end(self) -> None:
        port, wire = self._port, self._wire
        port.skip((wire.next - port.next_slot) % port.slots)
        port.refused += wire.refused
        wire.refused = 0

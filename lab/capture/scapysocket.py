"""A ring for Scapy: ``sniff(opened_socket=RingSocket("eth0"))`` loses no frame that the ring does not count.

Scapy's own sockets read frame by frame and never ask what the kernel dropped. This one has a ring below, so everything
in Scapy that reads from a socket (sniff, AsyncSniffer, sessions) can work on a complete capture, and ``statistics()``
tells whether it is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scapy.layers.l2 import Ether
from scapy.supersocket import SuperSocket

from lab.capture.filter import EXPRESSION
from lab.capture.ring import MTU_MAX, Ring, Statistics
from lab.wire.frame import Frame


class RingSocket(SuperSocket):
    """A Scapy socket that reads from a TPACKET_V3 ring. The arguments are those of Ring."""

    desc = "read Ethernet frames from a TPACKET_V3 ring"

    def __init__(self, iface: str, size_bytes: int = 32 << 20, expression: str = EXPRESSION) -> None:
        self.closed = True  # until the ring is there: Scapy also closes an object that was never finished
        self.ring = Ring(iface, size_bytes, MTU_MAX, expression)
        self.iface = iface
        self.ins = self.ring  # type: ignore[assignment]
        self.outs = None
        self._pending: Iterator[Frame] = iter(())
        self._next: Frame | None = None
        self.closed = False

    def recv_raw(self, x: int = MTU_MAX) -> tuple[Any, bytes | None, float | None]:
        """One frame: (its lowest layer, octets, time in seconds since the epoch); Nones if there is none now."""
        if not self.has_frame():
            return None, None, None
        frame, self._next = self._next, None
        assert frame is not None
        return Ether, frame.data[:x], frame.time_ns / 1e9

    def has_frame(self) -> bool:
        """Whether there is one to be read now. A block of the ring brings many: poll(2) tells of the block only."""
        if self._next is None:
            self._next = next(self._pending, None)
        if self._next is None and self.ring.ready:
            self._pending = self.ring.frames()
            self._next = next(self._pending, None)
        return self._next is not None

    def statistics(self) -> Statistics:
        """What the kernel counted since the last call."""
        return self.ring.statistics()

    @staticmethod
    def select(sockets: list[Any], remain: float | None = None) -> list[Any]:
        """Those of the sockets that have a frame, after at most ``remain`` seconds."""
        waiting = [s for s in sockets if isinstance(s, RingSocket) and s.has_frame()]
        return waiting or SuperSocket.select(sockets, remain)

    def close(self) -> None:
        """Give the ring back."""
        if not self.closed:
            self.closed = True
            self._pending, self._next = iter(()), None
            self.ring.close()

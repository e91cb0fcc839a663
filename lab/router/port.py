"""The wire's one arm: frames in through a ring that the kernel fills, frames out many with one system call.

The tap's ring (``lab.capture.ring``) hands over blocks, up to 10 ms old: right for a recorder, wrong for a router,
whose delay is what it is judged by. This one is TPACKET_V2: every frame has a slot and is there the moment it comes.
Frames leave through a second socket with ``sendmmsg``, straight out of the ring where nothing but a few header octets
had to change. Needs NET_RAW to open and nothing afterwards.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import struct
from collections.abc import Iterator, Sequence

from lab.router.errors import WireError

SLOT_BYTES = 2048
SLOTS = 1 << 14  # 32 MiB: a burst, or a sixth of a second in which the machine has other things to do
BLOCK_BYTES = 1 << 17
SOL_PACKET, PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION = 263, 5, 6, 10
PACKET_QDISC_BYPASS, PACKET_IGNORE_OUTGOING = 20, 23
TPACKET_V2 = 1
ETH_P_ALL = 3
STATUS_USER = 1
MAC_AT = 66
"""Where a frame begins in its slot: TPACKET2_HDRLEN (52) and 16 octets aligned to 16, less an Ethernet header."""

MOST_AT_ONCE = 512
_HEADER = struct.Struct("=IIIHHIIHH")  # status, length, captured, mac, net, seconds, nanoseconds, VLAN tag and type


class Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Header(ctypes.Structure):
    """struct msghdr. A structure of its own: it ends with four octets of padding, which must not be lost."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class Message(ctypes.Structure):
    """struct mmsghdr: one frame for sendmmsg."""

    _fields_ = (("header", Header), ("sent", ctypes.c_uint))


class Port:
    """Sockets and ring on one interface. Raises WireError if they cannot be had."""

    def __init__(self, interface: str, slots: int = SLOTS) -> None:
        self.slots = slots
        self.size_bytes = slots * SLOT_BYTES
        self._next = 0
        try:
            self._in = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._in.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
            blocks = self.size_bytes // BLOCK_BYTES
            self._in.setsockopt(
                SOL_PACKET, PACKET_RX_RING, struct.pack("=IIII", BLOCK_BYTES, blocks, SLOT_BYTES, slots)
            )
            self._optional(self._in, PACKET_IGNORE_OUTGOING)
            self._optional(self._out, PACKET_QDISC_BYPASS)
            memory = mmap.mmap(self._in.fileno(), self.size_bytes)
            self._in.bind((interface, ETH_P_ALL))
            self._out.bind((interface, 0))
        except PermissionError as error:
            raise WireError("the wire may not open a packet socket: start it with the capability NET_RAW") from error
        except OSError as error:
            raise WireError(
                f"the wire cannot work on {interface!r} ({error.strerror}): 'ip link' shows what there is"
            ) from error
        self._prepare(memory)

    def _prepare(self, memory: mmap.mmap) -> None:
        """What reading from this ring and sending needs."""
        self.memory = memory
        self._view = memoryview(memory)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        libc = ctypes.CDLL(None, use_errno=True)
        self._sendmmsg = libc.sendmmsg
        self._sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        self.vectors = (Vector * MOST_AT_ONCE)()
        self._messages = (Message * MOST_AT_ONCE)()
        for number in range(MOST_AT_ONCE):
            self._messages[number].header.vectors = ctypes.addressof(self.vectors[number])
            self._messages[number].header.vector_count = 1
        self.refused = 0

    @staticmethod
    def _optional(sock: socket.socket, option: int) -> None:
        """Better with it, right without (kernels before 4.20 and 3.14 lack them)."""
        try:
            sock.setsockopt(SOL_PACKET, option, 1)
        except OSError:
            return

    def fileno(self) -> int:
        """Readable when a frame is there."""
        return self._in.fileno()

    def out_fileno(self) -> int:
        """Where frames are sent."""
        return self._out.fileno()

    @property
    def next_slot(self) -> int:
        """The slot that the kernel fills next."""
        return self._next

    def frames(self, most: int = MOST_AT_ONCE) -> Iterator[bytes]:
        """The frames that are there, as octets; each slot goes back at once. Left out are those that were cut
        (larger than a slot), and our own where the kernel shows them."""
        view = self._view
        for _ in range(most):
            at = self._next * SLOT_BYTES
            status, length, captured, mac = _HEADER.unpack_from(view, at)[:4]
            if not status & STATUS_USER:
                return
            data = bytes(view[at + mac : at + mac + captured])
            outgoing = view[at + 32 + 10] == socket.PACKET_OUTGOING
            struct.pack_into("=I", view, at, 0)
            self._next = (self._next + 1) % self.slots
            if captured == length and not outgoing:
                yield data

    def skip(self, count: int) -> None:
        """So many frames have been dealt with in place, and their slots given back."""
        self._next = (self._next + count) % self.slots

    def send(self, frames: Sequence[bytes]) -> None:
        """Put frames on the link, in order."""
        if len(frames) == 1:
            try:
                self._out.send(frames[0])
            except OSError:
                self.refused += 1
            return
        for first in range(0, len(frames), MOST_AT_ONCE):
            part = frames[first : first + MOST_AT_ONCE]
            kept = [ctypes.c_char_p(frame) for frame in part]
            for number, pointer in enumerate(kept):
                vector = self.vectors[number]
                vector.base = ctypes.cast(pointer, ctypes.c_void_p).value
                vector.length = len(part[number])
            self.send_vectors(len(part))

    def send_vectors(self, count: int) -> None:
        """Send what the first ``count`` vectors point at. What the kernel refuses is counted and passed over."""
        done = 0
        while done < count:
            sent = self._sendmmsg(self._out.fileno(), ctypes.addressof(self._messages[done]), count - done, 0)
            if sent > 0:
                done += sent
            elif ctypes.get_errno() not in (errno.EINTR, errno.EAGAIN):
                self.refused += 1
                done += 1

    def dropped(self) -> int:
        """Frames that found no slot free since the last call."""
        return int(struct.unpack("=II", self._in.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1])

    def close(self) -> None:
        """Give everything back."""
        self._in.close()
        os.close(self._out.detach())

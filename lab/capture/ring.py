"""The ring: frames from the kernel without one system call or one copy per frame.

An AF_PACKET socket with a TPACKET_V3 ring shares memory with the kernel. The kernel fills *blocks* of it with frames
and hands a block over when it is full or its time is up; we read the block and hand it back. While we are busy the
kernel goes on in the next block, so a burst fits into the ring instead of being lost. What does not fit is *counted*
(PACKET_STATISTICS), and that count is what lets a capture be called complete: Scapy's own sockets never read it.

With lab.capture.scapysocket Scapy can read from a ring: ``sniff(opened_socket=RingSocket("eth0"))``. This module
itself loads neither
Scapy nor NumPy before they are needed: the ring must be bound quickly when the lab starts.

Theory of operation (Documentation/networking/packet_mmap.rst in the kernel's source):

    block:  | header: status, number of frames, offset of the first | frame | frame | ... |
    frame:  | tpacket3_hdr (48 octets) | sockaddr_ll (20) | padding | the frame, from its destination MAC on |

    status 0: the block is the kernel's. The kernel sets bit 0 when it hands it to us; we write 0 to hand it back.
"""

from __future__ import annotations

import ctypes
import mmap
import select
import socket
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from lab.capture.errors import TapError
from lab.capture.filter import EXPRESSION, NOT_OURS, SockFilter, compile_program
from lab.wire.frame import Direction, Frame

if TYPE_CHECKING:
    from lab.capture.batch import Batch

ETH_P_ALL = 0x0003
SOL_PACKET = 263
SO_ATTACH_FILTER = 26
PACKET_RX_RING = 5
PACKET_STATISTICS = 6
PACKET_VERSION = 10
TPACKET_V3 = 2
PACKET_OUTGOING = 4
STATUS_USER = 1
STATUS_LOSING = 4
"""In a block: frames were dropped since the statistics were read last, and before this block was closed."""

BLOCK_BYTES = 128 * 1024
"""Small blocks: a trickle of frames takes a whole block every RETIRE_MS, and the ring must outlast a stall of the
reader then too: 256 blocks of 10 ms are 2.5 s."""
RETIRE_MS = 10
"""The kernel hands over a block that is not full after so many milliseconds: how late we may see a frame."""
MTU_MAX = 65535

_BLOCK_HEADER = struct.Struct("=IIIII")  # version, offset_to_priv, status, number of frames, offset of the first
_USED_AT = 20  # blk_len: octets of the block that are used, from its start on
_FRAME_HEADER = struct.Struct("=IIIIIIHH")  # next_offset, sec, nsec, captured, length, status, mac, net
_PACKET_TYPE_AT = 48 + 10  # sll_pkttype in the sockaddr_ll behind the 48 octets of tpacket3_hdr
_STATUS_AT = 8
_LAST_FRAME = struct.Struct("=II")
_LAST_FRAME_AT = 40  # ts_last_pkt of struct tpacket_hdr_v1


class Statistics(NamedTuple):
    """What the kernel counted since the last time it was asked. received includes dropped."""

    received: int
    dropped: int


class Block(NamedTuple):
    """A block of the ring that is ready.

    first_at: where the first frame's header lies in the ring's memory. frames: how many. last_ns: the last one's time.
    end_at: where the last frame has ended.
    """

    first_at: int
    frames: int
    last_ns: int
    end_at: int


def frame_at(memory: memoryview, at: int) -> tuple[Frame, int]:
    """The frame whose header lies at this offset, a copy; and how far behind it the next one's header lies."""
    step, seconds, nanoseconds, captured, length, _status, mac, _net = _FRAME_HEADER.unpack_from(memory, at)
    data = at + mac
    outgoing = memory[at + _PACKET_TYPE_AT] == PACKET_OUTGOING
    frame = Frame(
        seconds * 1_000_000_000 + nanoseconds,
        bytes(memory[data : data + captured]),
        length,
        0,
        Direction.OUTBOUND if outgoing else Direction.INBOUND,
    )
    return frame, step


def frames_in(memory: memoryview, first_at: int, count: int) -> Iterator[Frame]:
    """So many frames, one behind the other. first_at: where the first one's header lies."""
    at = first_at
    for _ in range(count):
        frame, step = frame_at(memory, at)
        yield frame
        at += step


class SockFprog(ctypes.Structure):
    """A classic BPF program with its length (linux/filter.h, struct sock_fprog)."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.POINTER(SockFilter)))


class Ring:
    """A TPACKET_V3 ring bound to one interface. Frames are there from the moment the constructor returns.

    iface: the interface's name.
    size_bytes: memory of the ring, a multiple of BLOCK_BYTES.
    snaplen_bytes: octets kept of a frame.
    expression: the capture filter, in pcap-filter(7) syntax.
    Raises TapError: no such interface, no NET_RAW, not enough memory.
    """

    def __init__(
        self,
        iface: str,
        size_bytes: int = 32 << 20,
        snaplen_bytes: int = MTU_MAX,
        expression: str = EXPRESSION,
    ) -> None:
        self.iface = iface
        self.blocks = max(4, size_bytes // BLOCK_BYTES)
        self.size_bytes = self.blocks * BLOCK_BYTES
        self._next = 0
        program = compile_program(expression, snaplen_bytes)
        try:
            # Protocol 0: nothing arrives before bind(), so no frame from before the filter slips in.
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError as error:
            raise TapError("the tap may not open a packet socket: start it with the capability NET_RAW") from error
        try:
            self._attach(program)
            self._map()
            self._socket.bind((iface, ETH_P_ALL))
        except OSError as error:
            self._socket.close()
            raise TapError(self._why(error)) from error
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN | select.POLLERR)
        self.closed = False

    def _why(self, error: OSError) -> str:
        if isinstance(error, FileNotFoundError) or error.errno == 19:  # ENODEV
            return f"there is no interface {self.iface!r} here: name one of those that 'ip link' shows"
        if error.errno == 12:  # ENOMEM
            return f"no memory for a ring of {self.size_bytes >> 20} MiB: set ECHO_RING_MIB to less"
        return (
            f"the ring on {self.iface!r} cannot be set up ({error.strerror}): this needs a Linux kernel of 3.2 or newer"
        )

    def _attach(self, program: list[SockFilter]) -> None:
        whole = [*(SockFilter(*words) for words in NOT_OURS), *program]
        array = (SockFilter * len(whole))(*whole)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(SockFprog(len(whole), array)))

    def _map(self) -> None:
        self._socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        frame_bytes = 2048  # only has to divide the block: V3 packs frames of any size
        request = struct.pack(
            "=IIIIIII", BLOCK_BYTES, self.blocks, frame_bytes, self.size_bytes // frame_bytes, RETIRE_MS, 0, 0
        )
        self._socket.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
        self._map_memory = mmap.mmap(self._socket.fileno(), self.size_bytes)
        self._memory = memoryview(self._map_memory)

    def wait(self, timeout_s: float) -> bool:
        """Sleep until a block is ready or the time is up. Returns whether there is one."""
        return self._ready() or (bool(self._poll.poll(max(0, int(timeout_s * 1000)))) and self._ready())

    def _ready(self) -> bool:
        at = self._next * BLOCK_BYTES
        return bool(_BLOCK_HEADER.unpack_from(self._memory, at)[2] & STATUS_USER)

    def frames(self) -> Iterator[Frame]:
        """The frames of the next block that is ready, in the order of their arrival; none if no block is.

        The block goes back to the kernel when its last frame has been taken.
        """
        block = self.block()
        if block is not None:
            yield from frames_in(self._memory, block.first_at, block.frames)
            self.release(1)

    @property
    def filling(self) -> bool:
        """Whether a quarter of the blocks is ready: the reader is behind."""
        return bool(self._status((self._next + self.blocks // 4) % self.blocks) & STATUS_USER)

    @property
    def losing(self) -> bool:
        """Whether the next block is ready and the kernel marked it: it had to drop frames before it closed it."""
        return self._status(self._next) & (STATUS_USER | STATUS_LOSING) == STATUS_USER | STATUS_LOSING

    def _status(self, number: int) -> int:
        return int(_BLOCK_HEADER.unpack_from(self._memory, number * BLOCK_BYTES)[2])

    @property
    def memory(self) -> memoryview:
        """The ring's octets, as the kernel fills them."""
        return self._memory

    def block(self) -> Block | None:
        """The next block, if it is ready; ``release(1)`` gives it back."""
        start = self._next * BLOCK_BYTES
        _, _, status, count, first = _BLOCK_HEADER.unpack_from(self._memory, start)
        if not status & STATUS_USER:
            return None
        seconds, nanoseconds = _LAST_FRAME.unpack_from(self._memory, start + _LAST_FRAME_AT)
        (used,) = struct.unpack_from("=I", self._memory, start + _USED_AT)
        return Block(start + first, count, seconds * 1_000_000_000 + nanoseconds, start + used)

    def batch(self, most_blocks: int) -> Batch:
        """The frames of the blocks that are ready now, at most so many blocks, and none behind the ring's end.

        Give it back with ``release``; until then its frames stay where they are.
        """
        import numpy as np

        from lab.capture.batch import read_batch, walk

        octets = np.frombuffer(self._map_memory, np.uint8)
        words = octets.view(np.uint32)
        headers = []
        first = number = self._next
        while number < min(first + most_blocks, self.blocks):
            start = number * BLOCK_BYTES
            status, count, offset = _BLOCK_HEADER.unpack_from(self._memory, start)[2:]
            if not status & STATUS_USER or (number > first and status & STATUS_LOSING):
                break  # drops are charged before the first marked block is taken, not after
            headers.append(walk(words, start + offset, count))
            number += 1
        return read_batch(octets, headers, (first * BLOCK_BYTES, number * BLOCK_BYTES), number - first)

    def release(self, blocks: int) -> None:
        """So many blocks go back to the kernel: their frames are gone."""
        for _ in range(blocks):
            self.give_back(self.advance())

    def advance(self) -> int:
        """The next block from here on is the one behind it; returns the block's number, for ``give_back``."""
        number = self._next
        self._next = (number + 1) % self.blocks
        return number

    def give_back(self, number: int) -> None:
        """This block goes back to the kernel. Later ones may have gone before it."""
        struct.pack_into("=I", self._memory, number * BLOCK_BYTES + _STATUS_AT, 0)

    def statistics(self) -> Statistics:
        """What the kernel counted since the last call: frames that passed the filter, and how many of them found no
        room."""
        received, dropped, _freezes = struct.unpack("=III", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12))
        return Statistics(received, dropped)

    def fileno(self) -> int:
        """The socket's descriptor: it is readable when a block is ready."""
        return self._socket.fileno()

    @property
    def ready(self) -> bool:
        """Whether a block is ready now."""
        return self._ready()

    def close(self) -> None:
        """Give the ring and the socket back. The memory goes when the last array that looks into it is gone."""
        if not self.closed:
            self.closed = True
            self._memory.release()
            self._socket.close()

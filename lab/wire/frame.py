"""A frame: the octets of one Ethernet frame with the moment they passed the tap.

Everything above this module works on frames, wherever they came from: the ring of a live tap, a pcapng file or a test.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Direction(IntEnum):
    """Which way a frame crossed the interface: the two low bits of pcapng's epb_flags (draft-ietf-opsawg-pcapng
    §4.3)."""

    UNKNOWN = 0
    INBOUND = 1
    OUTBOUND = 2


class Frame(NamedTuple):
    """One captured Ethernet frame.

    time_ns: nanoseconds since the Unix epoch (UTC), as the kernel stamped it.
    data: the captured octets, from the destination MAC address on, without the frame check sequence.
    length_bytes: how long the frame was on the wire; more than ``len(data)`` when the capture cut it.
    interface: which interface description of the file it belongs to, from 0.
    direction: seen from the host whose interface it is.
    """

    time_ns: int
    data: bytes
    length_bytes: int
    interface: int = 0
    direction: Direction = Direction.UNKNOWN

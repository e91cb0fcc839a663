"""Capture files made of frames, for the commands' tests."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from lab.wire.frame import Frame


def pcap(frames: Iterable[Frame]) -> bytes:
    """A pcap file with times in nanoseconds, Ethernet."""
    parts = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)]
    for frame in frames:
        seconds, nanoseconds = divmod(frame.time_ns, 10**9)
        parts.append(struct.pack("<IIII", seconds, nanoseconds, len(frame.data), frame.length_bytes) + frame.data)
    return b"".join(parts)

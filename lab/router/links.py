"""The link behind the wire: how large a packet it takes, how fast it is, how many may wait for it.

A slow link has one queue. A frame that finds it full is lost (drop-tail), which is what congestion is; one that waits
has its delay from the frames before it. All of it is reckoned when a frame arrives, so no clock is needed but the
argument: the frame's moment of leaving is known at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from lab.router.fragments import fragments, may_fragment
from lab.router.octets import IP, ip_end, version_of
from lab.router.script import Rate

LEAST_MTU6_BYTES = 1280  # RFC 8200 §5: every link that carries IPv6 takes 1280 octets
_SECOND_NS = 1_000_000_000


def fitted(data: bytes, mtu_bytes: int) -> tuple[list[bytes], int]:
    """The frames to send for this one on a link of this MTU, and the MTU to report.

    One frame if it fits; its fragments if it is IPv4 with DF clear; none if it is too big (then the second value is
    what the ICMP error must say).
    """
    version = version_of(data)
    mtu = max(mtu_bytes, LEAST_MTU6_BYTES) if version == 6 else mtu_bytes
    if ip_end(data) - IP <= mtu:
        return [data], mtu
    if version == 4 and may_fragment(data):
        return fragments(data, mtu), mtu
    return [], mtu


@dataclass(frozen=True, slots=True)
class Place:
    """What the queue did with a frame. leave_ns: when it has left; None if it found the queue full. depth: how many
    frames (or octets) were waiting when it came."""

    leave_ns: int | None
    depth: int


class Queue:
    """The drop-tail queue of one direction. The frame that is being sent is no longer in it."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._free_ns = 0
        self._waiting: deque[tuple[int, int]] = deque()  # when its sending begins, and its octets
        self._octets = 0

    def offer(self, length_bytes: int, now_ns: int) -> Place:
        """A frame of this length comes."""
        while self._waiting and self._waiting[0][0] <= now_ns:
            self._octets -= self._waiting.popleft()[1]
        in_frames = self._rate.unit == "frames"
        depth = len(self._waiting) if in_frames else self._octets
        if self._free_ns > now_ns and depth + (1 if in_frames else length_bytes) > self._rate.queue:
            return Place(None, depth)
        begin_ns = max(now_ns, self._free_ns)
        # Rounded up: a link is never faster than it says.
        self._free_ns = begin_ns - (-length_bytes * 8 * _SECOND_NS // self._rate.bits_s)
        if begin_ns > now_ns:
            self._waiting.append((begin_ns, length_bytes))
            self._octets += length_bytes
        return Place(self._free_ns, depth)

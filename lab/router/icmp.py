"""The ICMP errors that a router sends: time exceeded, too big, no way there. From its own address, about one packet.

RFC 1812 §4.3 says for IPv4 what RFC 4443 §2.4 says for IPv6: when to keep silent (about an ICMP error, about a later
fragment, about anything that went to many), how much of the packet to quote, and that errors are limited in rate, so
that a router cannot be used to flood somebody.
"""

from __future__ import annotations

from lab.router.octets import IP, addresses, ip_end, ip_packet
from lab.wire.checksum import checksum, pseudo_sum
from lab.wire.icmp import ERRORS4, HEADER, TIME_EXCEEDED4, TIME_EXCEEDED6, TOO_BIG6, UNREACHABLE4, UNREACHABLE6
from lab.wire.parse import IP4

_ICMP4, _ICMP6 = 1, 58
_QUOTE4_END_BYTES = 576  # RFC 1812 §4.3.2.3: as much as fits into 576 octets
_QUOTE6_END_BYTES = 1280  # RFC 4443 §2.4 (c): as much as fits into the least MTU of IPv6
_INTERNETWORK_CONTROL = 0xC0  # RFC 1812 §4.3.2.5: precedence 6
_ROUTER_TTL = 64


def time_exceeded(about: bytes, router: bytes) -> bytes | None:
    """TTL or hop limit ran out here. about: the frame. router: our own packed address of its IP version."""
    return _error(about, router, (TIME_EXCEEDED4, 0), (TIME_EXCEEDED6, 0), 0)


def too_big(about: bytes, router: bytes, mtu_bytes: int) -> bytes | None:
    """The packet does not fit the next link: fragmentation needed (RFC 1191 §4), Packet Too Big (RFC 4443 §3.2)."""
    return _error(about, router, (UNREACHABLE4, 4), (TOO_BIG6, 0), mtu_bytes)


def no_route(about: bytes, router: bytes) -> bytes | None:
    """There is no way to that address: network unreachable (RFC 1812 §5.2.7.1), no route (RFC 4443 §3.1)."""
    return _error(about, router, (UNREACHABLE4, 0), (UNREACHABLE6, 0), 0)


def host_unreachable(about: bytes, router: bytes) -> bytes | None:
    """Nobody answers at that address: host unreachable (RFC 1812 §5.2.7.1), address unreachable (RFC 4443 §3.1)."""
    return _error(about, router, (UNREACHABLE4, 1), (UNREACHABLE6, 3), 0)


def _error(about: bytes, router: bytes, four: tuple[int, int], six: tuple[int, int], rest: int) -> bytes | None:
    """The error's frame without hardware addresses; None when a router must keep silent."""
    if not may_complain(about):
        return None
    source, _ = addresses(about)
    packet = about[IP : ip_end(about)]
    if about[12:14] == IP4:
        room = _QUOTE4_END_BYTES - 20 - HEADER.size
        body = HEADER.pack(*four, 0, rest) + packet[:room]
        body = body[:2] + checksum(body).to_bytes(2, "big") + body[4:]
        return ip_packet(router, source, _ICMP4, body, ttl=_ROUTER_TTL, traffic=_INTERNETWORK_CONTROL)
    body = HEADER.pack(*six, 0, rest) + packet[: _QUOTE6_END_BYTES - 40 - HEADER.size]
    pseudo = pseudo_sum(router, source, _ICMP6, len(body))
    body = body[:2] + checksum(body, pseudo).to_bytes(2, "big") + body[4:]
    return ip_packet(router, source, _ICMP6, body, ttl=_ROUTER_TTL)


def may_complain(about: bytes) -> bool:
    """Whether an ICMP error may be sent about this frame (RFC 1812 §4.3.2.7, RFC 4443 §2.4 (e))."""
    source, destination = addresses(about)
    if about[0] & 1 or not any(source):
        return False  # it went to many on the link, or came from nobody
    if about[12:14] == IP4:
        start = IP + (about[14] & 15) * 4
        later_fragment = int.from_bytes(about[20:22], "big") & 0x1FFF
        error = about[23] == _ICMP4 and len(about) > start and about[start] in ERRORS4
        return not (later_fragment or error or source[0] >= 224 or destination[0] >= 224)
    error = about[20] == _ICMP6 and len(about) > IP + 40 and about[IP + 40] < 128
    return not (error or source[0] == 0xFF or destination[0] == 0xFF)


class Allowance:
    """A bucket of tokens: at most ``burst`` errors at once and ``a_second`` on the average (RFC 4443 §2.4 (f))."""

    def __init__(self, a_second: int = 1000, burst: int = 100) -> None:
        self._step_ns = 1_000_000_000 // a_second
        self._burst_ns = burst * self._step_ns
        self._full_ns: int | None = None

    def take(self, now_ns: int) -> bool:
        """Whether one more may be sent now."""
        empty_ns = now_ns if self._full_ns is None else max(self._full_ns, now_ns)
        if empty_ns - now_ns + self._step_ns > self._burst_ns:
            return False
        self._full_ns = empty_ns + self._step_ns
        return True

"""The ledgers of the cheap way, and what is said of a session in the end: see ``lab.analysis.stats``."""

from __future__ import annotations

from typing import NamedTuple

from lab.session.limits import Limits
from lab.session.side import Side
from lab.wire.packet import Endpoint

_LIMITS = Limits()
_STRAGGLERS_NS = 2_000_000_000
"""So long after its end a session's last segment may be sent again."""


class Half:
    """What one end sent. next: the raw number after the highest seen. flags: all that ever stood in one of its headers.
    octets_old: of its octets those that had come before. waiting: the client's ACK that ends the handshake is still to
    come.
    """

    __slots__ = (
        "ack",
        "again",
        "fin_end",
        "fins",
        "flags",
        "frames",
        "is_client",
        "isn",
        "last_ns",
        "next",
        "octets",
        "octets_old",
        "out_of_order",
        "peer",
        "rsts",
        "side",
        "started",
        "syns",
        "totals",
        "waiting",
        "zero_windows",
    )

    def __init__(self, totals: Running, is_client: bool, time_ns: int) -> None:
        self.totals = totals
        self.is_client = is_client
        self.peer: Half = self
        self.frames = self.octets = self.octets_old = self.again = self.out_of_order = 0
        self.flags = self.syns = self.fins = self.rsts = self.zero_windows = 0
        self.next = self.ack = 0
        self.last_ns = time_ns
        self.started = self.waiting = False
        self.isn: int | None = None
        self.fin_end: int | None = None
        self.side: Side | None = None  # keeps the gaps, once there is one


class Running:
    """A session while frames come."""

    __slots__ = (
        "client",
        "first_ns",
        "halves",
        "order",
        "reset_by",
        "rtt_ns",
        "server",
        "stray_syn",
        "syn_ns",
    )

    def __init__(self, order: int, client: Endpoint, server: Endpoint, time_ns: int) -> None:
        self.order, self.client, self.server = order, client, server
        self.first_ns = time_ns
        self.syn_ns: int | None = None
        self.rtt_ns: int | None = None
        self.reset_by = ""
        self.stray_syn: tuple[Half, int, int] | None = None  # whose, its number and time
        one, other = Half(self, True, time_ns), Half(self, False, time_ns)
        one.peer, other.peer = other, one
        self.halves = (one, other)

    @property
    def last_ns(self) -> int:
        """The time of the latest frame."""
        one, other = self.halves
        return max(one.last_ns, other.last_ns)


class Totals(NamedTuple):
    """What one end sent: segments, octets of payload (all, and counted once), and how often each thing happened."""

    frames: int
    octets: int
    octets_new: int
    retransmissions: int
    out_of_order: int
    syns: int
    fins: int
    rsts: int
    zero_windows: int
    isn: int | None


class SessionTotals(NamedTuple):
    """One session in numbers. verdict: as in lab.session, as far as flags and numbers tell."""

    ordinal: int
    client: str
    server: str
    ip_version: int
    verdict: str
    first_ns: int
    last_ns: int
    frames: int
    initial_rtt_ns: int | None
    from_client: Totals
    from_server: Totals


def summed(session: Running, end_ns: int) -> SessionTotals:
    """A session's totals. end_ns: when the capture ended."""
    client, server = session.halves
    return SessionTotals(
        session.order,
        str(session.client),
        str(session.server),
        4 if len(session.client.address) == 4 else 6,
        _verdict(session, end_ns),
        session.first_ns,
        session.last_ns,
        client.frames + server.frames,
        session.rtt_ns,
        _half(client),
        _half(server),
    )


def lives(session: Running) -> bool:
    """Whether its handshake is over, or was before the capture began, and its end has not come."""
    return (_midstream(session) or _opened(session)) and not is_over(session)


def is_over(session: Running) -> bool:
    """Whether it was reset, or both FINs are acknowledged."""
    return bool(session.reset_by) or _closed(session)


def is_settled(session: Running, now_ns: int) -> bool:
    """Whether nothing that matters is to be expected of it any more."""
    silent_ns = now_ns - session.last_ns
    if is_over(session):
        return silent_ns > _STRAGGLERS_NS
    client, server = session.halves
    patient = (server.syns and not client.waiting) or not client.syns
    return silent_ns > (_LIMITS.idle_ns if patient else _LIMITS.half_open_idle_ns)


def _midstream(session: Running) -> bool:
    return not any(half.syns for half in session.halves)


def _opened(session: Running) -> bool:
    client, server = session.halves
    return bool(server.syns) and not client.waiting


def _closed(session: Running) -> bool:
    return all(half.fin_end is not None and half.peer.ack == half.fin_end for half in session.halves)


def _half(half: Half) -> Totals:
    return Totals(
        half.frames,
        half.octets,
        half.octets - half.octets_old,
        half.again,
        half.out_of_order,
        half.syns,
        half.fins,
        half.rsts,
        half.zero_windows,
        half.isn,
    )


def _verdict(session: Running, end_ns: int) -> str:
    server = session.halves[1]
    midstream = _midstream(session)
    closed = _closed(session)
    established = midstream or _opened(session)
    patience_ns = _LIMITS.idle_ns if established else _LIMITS.half_open_idle_ns
    if not closed and not session.reset_by and end_ns - session.last_ns < patience_ns:
        return "cut"  # the capture ended before the session did
    if midstream:
        return "midstream"
    if closed:
        return "complete"
    if session.reset_by:
        return "refused" if session.reset_by == "server" and not server.syns and not established else "reset"
    return "cut" if established else "half-open"

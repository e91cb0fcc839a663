"""The tracker: puts every frame to its session, and says when sessions begin and end.

It is fed frames and asked from time to time whether anything is due; it has no clock, opens no file, and remembers
no more than its Limits allow. The time of a frame drives it too, so that a capture read from a file ends its
sessions just as a live one does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lab.session.attach import record_fragment, record_icmp, record_neighbour, record_other, record_segment
from lab.session.events import Closed, Event, Opened
from lab.session.fragments import Fragments
from lab.session.limits import Limits
from lab.session.neighbours import Neighbours, Pair, announces, pair, pair_of
from lab.session.schedule import Schedule
from lab.session.session import Session
from lab.session.states import State
from lab.wire.packet import Arp, Endpoint, Fragment, Icmp, Other, Segment
from lab.wire.parse import parse

if TYPE_CHECKING:
    from lab.wire.frame import Frame

SYN, RST, ACK = 2, 4, 16
_SERVER_PORTS = (7, 8080)
"""The lab's own ports: who has one of them is the server of a conversation whose beginning was not seen."""

_MOST_TOLD = 8
"""An announcement is put into so many open sessions at most; of a crowd it is nobody's story."""


class Tracker:
    """Frames in, events out.

    limits: its bounds. names: host names by address text, such as "192.0.2.10" -> "server"; used in the names of
    sessions.
    """

    def __init__(self, limits: Limits | None = None, names: Mapping[str, str] | None = None) -> None:
        self._limits = limits or Limits()
        self._names = dict(names or {})
        self._count = 0
        self._by_ends: dict[tuple[Endpoint, Endpoint], Session] = {}
        self._open: dict[int, Session] = {}
        self._ended: OrderedDict[int, Session] = OrderedDict()
        self._opening: OrderedDict[Pair, Session] = (
            OrderedDict()
        )  # the last session of a pair of hosts, for NDP in its handshake
        self._neighbours = Neighbours(self._limits)
        self._fragments = Fragments(self._limits)
        self._schedule = Schedule(self._limits)

    @property
    def open_sessions(self) -> list[Session]:
        """The sessions that run, oldest first."""
        return list(self._open.values())

    @property
    def full(self) -> bool:
        """Whether the next session to open would push out one that runs."""
        return len(self._open) >= self._limits.max_sessions

    def is_due(self, now_ns: int) -> bool:
        """Whether ``tick`` might close something now."""
        return self._schedule.is_due(now_ns)

    @property
    def first_due_ns(self) -> int | None:
        """Before this ``tick`` closes nothing; None while nothing is open."""
        return self._schedule.first_ns

    def session_between(self, source: Endpoint, destination: Endpoint) -> Session | None:
        """The session of these two ends, in either direction, also one that has ended lately; None if none is known."""
        return self._by_ends.get((source, destination))

    def booked(self, session: Session, time_ns: int) -> None:
        """A run of this session's segments, the last of them at this time, was booked past ``feed``."""
        self._schedule.touch(session, time_ns)

    def feed(self, frame: Frame, *, expire: bool = True) -> list[Event]:
        """Take one frame. Returns what follows from it, in the order in which it must be handled. Never raises.

        expire: whether sessions that are due by the frame's time are closed first. Without, frames of different
        sessions may come in any order among each other; the next ``tick`` closes what is due.
        """
        events: list[Event] = []
        time_ns = frame.time_ns
        if expire and self._schedule.is_due(time_ns):
            self._expire(time_ns, events)
        packet = parse(frame)
        if type(packet) is Segment:
            self._segment(packet, events)
        elif isinstance(packet, Arp):
            self._neighbour(packet, events)
        elif isinstance(packet, Icmp):
            self._icmp(packet, events)
        elif isinstance(packet, Fragment):
            self._fragment(packet, events)
        elif isinstance(packet, Other):
            self._other(packet, events)
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Close what is due. now_ns: the time, by the same clock as the frames'."""
        events: list[Event] = []
        if self._schedule.is_due(now_ns):
            self._expire(now_ns, events)
        return events

    def stop(self, now_ns: int) -> list[Event]:
        """Close everything: the tap ends. What has not come to its own end is ``cut``."""
        events = self.tick(now_ns)
        for session in self.open_sessions:
            self._close(session, "ended" if session.over else "stop", events)
        return events

    def dropped(self, count: int, time_ns: int, *, only_spared: bool = False) -> list[Session]:
        """The kernel lost ``count`` frames just now: any open session may have lost them. Returns which ones.

        only_spared: charge only those that have lost none before.
        """
        if count <= 0:
            return []
        charged = [one for one in self._open.values() if not (only_spared and one.kernel_drops)]
        for session in charged:
            session.kernel_drops += count
            session.findings_by_rule.add(
                "kernel-drop",
                f"The kernel dropped frames at {time_ns} ns; some may be of this session.",
                session.frames,
            )
        return charged

    def _segment(self, segment: Segment, events: list[Event]) -> None:
        session = self._by_ends.get((segment.source, segment.destination))
        flags = int(segment.flags)
        if session is None:
            session = self._open_session(segment, events)
        elif flags & (SYN | RST) == SYN and _begins_anew(session, segment):
            old = session
            syn = old.stray_syn if flags & ACK and not (old.over or old.closed_because) else None
            self._replace(old, syn or segment, events)
            session = self._open_session(syn or segment, events)
            _note_reuse(old, session, segment.frame.time_ns)
            if syn is not None:  # it stands in the file of the older one, too, whose it was until it was answered
                self._record(session, record_segment(session, syn, False), syn.frame.time_ns, events)
        self._record(
            session, record_segment(session, segment, bool(session.closed_because)), segment.frame.time_ns, events
        )

    def _record(self, session: Session, recorded: Event, time_ns: int, events: list[Event]) -> None:
        """Hand out a recorded frame; a late one closes its session again, unless it shows that the session goes on."""
        events.append(recorded)
        if not session.closed_because:
            self._schedule.touch(session, time_ns)
        elif session.over:
            events.append(Closed(session))
        else:
            self._ended.pop(session.ordinal, None)
            session.closed_because = ""
            self._make_room(events)
            self._open[session.ordinal] = session
            self._schedule.touch(session, time_ns)

    def _open_session(self, segment: Segment, events: list[Event]) -> Session:
        self._make_room(events)
        self._count += 1
        client, server, opened = _roles(segment)
        time_ns = segment.frame.time_ns
        session = Session(self._count, client, server, self._names, self._limits, time_ns)
        session.opened_by_syn = opened
        if not opened:
            session.client_side.state = session.server_side.state = State.ESTABLISHED
            session.findings_by_rule.add("midstream", "The beginning of the connection was not captured.", 0)
        elif int(segment.flags) & ACK:
            session.client_side.state = State.SYN_SENT
            session.findings_by_rule.add(
                "syn-unseen", "The client's SYN is not in the capture, but a SYN-ACK answers it.", 0
            )
        self._by_ends[(client, server)] = self._by_ends[(server, client)] = session
        self._open[session.ordinal] = session
        events.append(Opened(session))
        for packet in self._neighbours.take(client.address, server.address, time_ns):
            session.first_ns = min(session.first_ns, packet.frame.time_ns)
            events.append(record_neighbour(session, packet))
        key = pair(client.address, server.address)
        self._opening[key] = session
        self._opening.move_to_end(key)
        if len(self._opening) > self._limits.max_pairs:
            self._opening.popitem(last=False)
        return session

    def _make_room(self, events: list[Event]) -> None:
        if len(self._open) >= self._limits.max_sessions:
            session = self._schedule.next_due(self._open) or next(iter(self._open.values()))
            session.findings_by_rule.add(
                "evicted", "Too many sessions were open at once, and this one had been silent longest.", 0
            )
            self._close(session, "ended" if session.over else "evicted", events)

    def _replace(self, old: Session, segment: Segment, events: list[Event]) -> None:
        """A new SYN takes over the 4-tuple of an older session."""
        if not old.closed_because:
            if not old.over:
                old.findings_by_rule.add(
                    "replaced",
                    f"A new SYN with initial sequence number {segment.seq} took over the same addresses and ports.",
                    0,
                )
            self._close(old, "ended" if old.over else "replaced", events)
        self._ended.pop(old.ordinal, None)
        self._forget(old)

    def _expire(self, now_ns: int, events: list[Event]) -> None:
        for session in self._schedule.due(now_ns):
            if not session.closed_because:
                self._close(session, "ended" if session.over else "idle", events)

    def _close(self, session: Session, because: str, events: list[Event]) -> None:
        session.closed_because = because
        self._open.pop(session.ordinal, None)
        self._ended[session.ordinal] = session
        if len(self._ended) > self._limits.max_ended:
            _, oldest = self._ended.popitem(last=False)
            self._forget(oldest)
        events.append(Closed(session))

    def _forget(self, session: Session) -> None:
        for ends in ((session.client, session.server), (session.server, session.client)):
            if self._by_ends.get(ends) is session:
                del self._by_ends[ends]

    def _neighbour(self, packet: Arp | Icmp, events: list[Event]) -> None:
        session = self._opening.get(pair_of(packet))
        if session is not None and not session.closed_because and not session.established and not session.over:
            # The server looks for the client's address before it can answer the SYN: that belongs to this session.
            self._record(session, record_neighbour(session, packet), packet.frame.time_ns, events)
        elif not (announces(packet) and self._announced(packet, events)):
            self._neighbours.remember(packet)

    def _announced(self, packet: Arp | Icmp, events: list[Event]) -> bool:
        """An announcement concerns who is talking just now, the more so if it is false. Whether there is anybody."""
        version = 4 if isinstance(packet, Arp) else 6
        talking = [s for s in self._open.values() if s.established and not s.over and s.ip_version == version]
        if len(talking) > _MOST_TOLD:
            return False
        for session in talking:
            self._record(session, record_neighbour(session, packet), packet.frame.time_ns, events)
        return bool(talking)

    def _icmp(self, icmp: Icmp, events: list[Event]) -> None:
        if icmp.neighbour is not None:
            self._neighbour(icmp, events)
        elif icmp.quoted is not None:
            session = self._by_ends.get((icmp.quoted.source, icmp.quoted.destination))
            if session is not None:
                self._record(session, record_icmp(session, icmp), icmp.frame.time_ns, events)

    def _fragment(self, fragment: Fragment, events: list[Event]) -> None:
        datagram = self._fragments.take(fragment)
        if datagram.ends is None:
            return
        session = self._by_ends.get(datagram.ends)
        whole = self._fragments.whole(fragment, datagram)
        if session is None:
            if whole is None:
                return
            session = self._open_session(whole, events)
        untold, datagram.untold = datagram.untold, []
        for piece in untold:
            if piece is not fragment:
                self._record(session, record_fragment(session, piece, None), piece.frame.time_ns, events)
        self._record(session, record_fragment(session, fragment, whole), fragment.frame.time_ns, events)

    def _other(self, other: Other, events: list[Event]) -> None:
        if other.source is not None and other.destination is not None:
            session = self._by_ends.get((other.source, other.destination))
            if session is not None:
                self._record(session, record_other(session, other), other.frame.time_ns, events)


def _roles(segment: Segment) -> tuple[Endpoint, Endpoint, bool]:
    """Client, server, and whether the segment itself says so: a SYN is from the client, a SYN-ACK from the server."""
    flags = int(segment.flags)
    if flags & SYN and not flags & RST:
        if flags & ACK:
            return segment.destination, segment.source, True
        return segment.source, segment.destination, True
    for port in _SERVER_PORTS:
        if segment.destination.port == port != segment.source.port:
            return segment.source, segment.destination, False
        if segment.source.port == port != segment.destination.port:
            return segment.destination, segment.source, False
    if segment.source.port < segment.destination.port:
        return segment.destination, segment.source, False
    return segment.source, segment.destination, False


def _begins_anew(session: Session, segment: Segment) -> bool:
    """Whether a SYN opens another session than the one known: its ISN is another, and it is no simultaneous open.

    RFC 9293 §3.10.7.4: in a connection that lives, a SYN is answered with a challenge ACK, and the connection goes on.
    So there it is the SYN-ACK that shows that the other end has opened a new one. After the end of the one known a
    SYN-ACK does so without its SYN, which then was not captured.
    """
    if segment.checksum_status == "bad" or not segment.ip_checksum_ok:
        return False
    side = session.side_of(segment.source)
    over = session.over or bool(session.closed_because)
    if int(segment.flags) & ACK:
        return side.isn_seen and side.isn != segment.seq and (over or _answers(segment, session.stray_syn))
    if side.isn_seen:
        if side.isn != segment.seq and session.established and not over:
            session.stray_syn = segment
            return False
        return side.isn != segment.seq
    if not session.opened_by_syn:
        return True
    # The other end's SYN: a simultaneous open while the first is unanswered, else a connection the other way round.
    return over or session.established


def _answers(segment: Segment, syn: Segment | None) -> bool:
    return syn is not None and syn.source == segment.destination and segment.ack == (syn.seq + 1) % (1 << 32)


def _note_reuse(old: Session, session: Session, time_ns: int) -> None:
    holder = old.summary()["time_wait"]
    if holder is None:
        return
    session.findings_by_rule.add(
        "reuse",
        f"The same addresses and ports were used again {(time_ns - old.last_ns) / 1e9:.3f} s after the session"
        f" {old.name} ended,"
        f" while its {'ends' if holder == 'both' else holder} held TIME_WAIT; the new initial sequence number"
        " tells the two apart.",
        0,
    )

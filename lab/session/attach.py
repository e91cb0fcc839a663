"""Puts a frame to a session: counts it, works out its note, and returns the Recorded event. One function for each kind
of frame.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from lab.session.events import Note, Recorded
from lab.session.explain_others import (
    REFUSING,
    explain_arp,
    explain_fragment,
    explain_icmp,
    explain_ndp,
    explain_other,
)
from lab.session.limits import SECOND_NS
from lab.session.observe import observe
from lab.wire.packet import Arp, Fragment, Icmp, Other, Segment

if TYPE_CHECKING:
    from lab.session.session import Session
    from lab.wire.frame import Frame


def _count(session: Session, frame: Frame) -> None:
    session.frames += 1
    if frame.time_ns > session.last_ns:
        session.last_ns = frame.time_ns
    elif session.first_ns - SECOND_NS < frame.time_ns < session.first_ns:  # more than that: the clock was set back
        session.first_ns = frame.time_ns
    if session.closed_because:
        session.late_frames += 1
        session.findings_by_rule.add("late", "Frames came after the session had been closed.", session.frames)


def record_segment(session: Session, segment: Segment, late: bool) -> Recorded:
    """A TCP segment of this session."""
    _count(session, segment.frame)
    return Recorded(session, segment.frame, observe(session, segment, late))


def record_neighbour(session: Session, packet: Arp | Icmp) -> Recorded:
    """An ARP or neighbour discovery frame of the two hosts."""
    _count(session, packet.frame)
    sender = packet.sender_address if isinstance(packet, Arp) else packet.source
    if isinstance(packet, Arp):
        return _recorded(session, packet.frame, "arp", "ARP", explain_arp(packet), sender)
    return _recorded(session, packet.frame, "ndp", "NDP", explain_ndp(packet), sender)


def record_icmp(session: Session, icmp: Icmp) -> Recorded:
    """An ICMP error that quotes a packet of this session."""
    _count(session, icmp.frame)
    session.icmp_errors += 1
    comment = explain_icmp(icmp)
    session.findings_by_rule.add("icmp", comment, session.frames)
    refuses = (icmp.ip_version, icmp.type, icmp.code) in REFUSING
    if refuses and not session.server_side.syn_count and not session.midstream and _quotes_the_syn(session, icmp):
        session.refused_by_icmp = True
        session.end(icmp.frame.time_ns)
    return _recorded(session, icmp.frame, "icmp", "ICMP" if icmp.ip_version == 4 else "ICMPv6", comment, icmp.source)


def _quotes_the_syn(session: Session, icmp: Icmp) -> bool:
    quoted = icmp.quoted
    return quoted is not None and quoted.source == session.client and quoted.seq in (None, session.client_side.isn)


def record_fragment(session: Session, fragment: Fragment, whole: Segment | None) -> Recorded:
    """A fragment of a packet of this session; ``whole`` is the segment, if this fragment completes it."""
    _count(session, fragment.frame)
    session.findings_by_rule.add("fragment", "IP fragmented packets of this session on their way.", session.frames)
    if whole is None:
        comment = explain_fragment(fragment, "")
        if len(fragment.frame.data) < fragment.frame.length_bytes:
            session.cut_frames += 1
        return _recorded(session, fragment.frame, "fragment", "FRAGMENT", comment, fragment.source)
    note = observe(session, whole, bool(session.closed_because))
    comment = explain_fragment(fragment, note.comment)
    trouble = (*note.trouble, "fragment")
    return Recorded(session, fragment.frame, replace(note, comment=comment, trouble=trouble))


def record_other(session: Session, other: Other) -> Recorded:
    """A frame of this session that can't be read whole."""
    _count(session, other.frame)
    comment = explain_other(other)
    session.findings_by_rule.add("unreadable", comment, session.frames)
    cut = len(other.frame.data) < other.frame.length_bytes
    if cut:
        session.cut_frames += 1
    address = other.source.address if other.source is not None else b""
    return _recorded(session, other.frame, "other", "", comment, address, ("cut",) if cut else ("unreadable",))


def _recorded(
    session: Session, frame: Frame, kind: str, flags: str, comment: str, sender: bytes, trouble: tuple[str, ...] = ()
) -> Recorded:
    role: Literal["client", "server"] | None = None
    if sender == session.client.address:
        role = "client"
    elif sender == session.server.address:
        role = "server"
    if session.closed_because:
        trouble = (*trouble, "late")
    states = (session.client_side.state.value, session.server_side.state.value)
    return Recorded(
        session,
        frame,
        Note(kind, role, comment, flags, trouble=trouble, client_state=states[0], server_state=states[1]),
    )

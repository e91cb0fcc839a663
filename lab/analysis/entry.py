"""Frames in, understanding out: the entry to the deep analysis.

The tracker decides what a session is; this module keeps the frames of each, and when all are there, walks over them and
asks each of the other modules what it has found. For a file's totals alone, ``lab.analysis.stats`` is many times
cheaper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from lab.analysis.acks import ack_findings, judge_delays
from lab.analysis.closing import Endings
from lab.analysis.kinds import KINDS, finding
from lab.analysis.losses import loss_findings, retransmissions_of
from lab.analysis.messages import message_findings, messages_of
from lab.analysis.model import Analysis, Finding, FrameRecord, Message, Role, Stream
from lab.analysis.opening import handshake_of, opening_findings
from lab.analysis.records import records_of
from lab.analysis.rooms import room_findings
from lab.analysis.roundtrips import rtt_findings
from lab.analysis.routers import icmp_errors_of, icmp_findings
from lab.analysis.walk import Walk
from lab.analysis.wireshark import wireshark_findings
from lab.session.events import Event, Opened, Recorded
from lab.session.limits import Limits
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.wire.frame import Frame

_PAST_EVERY_LINGER_NS = 1_000_000_000
_OWN_RULES = frozenset(
    (
        "retransmission",
        "out-of-order",
        "gap",
        "dup-ack",
        "d-sack",
        "zero-window",
        "zero-window-probe",
        "keep-alive",
        "rst-not-acceptable",
        "challenge-ack",
        "simultaneous-open",
        "simultaneous-close",
        "icmp",
        "bad-checksum",
    )
)
"""Rules of the tracker that the analysis tells better itself."""


class _Gathering:
    """The frames of each session, with their numbers in the file, while the tracker works."""

    def __init__(self) -> None:
        self.sessions: dict[int, tuple[Session, list[Recorded]]] = {}
        self._numbers: dict[int, int] = {}
        self._count = 0

    def number(self, frame: Frame) -> None:
        """The next frame of the file. A frame that lives keeps its identity, so that can be the key."""
        self._count += 1
        self._numbers[id(frame)] = self._count

    def number_of(self, frame: Frame) -> int:
        """The number of a frame of the file."""
        return self._numbers.get(id(frame), 0)

    def take(self, events: Iterable[Event]) -> None:
        """Put recorded frames to their sessions."""
        for event in events:
            if isinstance(event, Opened):
                self.sessions[event.session.ordinal] = (event.session, [])
            elif isinstance(event, Recorded):
                self.sessions[event.session.ordinal][1].append(event)


def analyse(
    frames: Iterable[Frame], *, names: Mapping[str, str] | None = None, limits: Limits | None = None
) -> list[Analysis]:
    """All sessions of a capture, in the order in which they began.

    frames: in the order of the file. names: host names by address text, for the sessions' names. limits: of the
    tracker.
    """
    tracker = Tracker(limits, names)
    gathering = _Gathering()
    last_ns = 0
    for frame in frames:
        gathering.number(frame)
        last_ns = max(last_ns, frame.time_ns)
        gathering.take(tracker.feed(frame))
    gathering.take(tracker.tick(last_ns + _PAST_EVERY_LINGER_NS))
    gathering.take(tracker.stop(last_ns + _PAST_EVERY_LINGER_NS))
    return [
        analyse_session(session, recorded, gathering.number_of) for session, recorded in gathering.sessions.values()
    ]


def analyse_session(
    session: Session, recorded: Sequence[Recorded], file_number: Callable[[Frame], int] | None = None
) -> Analysis:
    """One session that a tracker has followed.

    recorded: its frames in the order in which the tracker recorded them. file_number: of a frame, 0 if not known.
    """
    records = records_of(recorded, file_number or (lambda _frame: 0))
    handshake = handshake_of(session, records)
    errors = icmp_errors_of(session, records)
    too_big = {error.frame: error.side for error, _ in errors if error.meaning == "too-big" and error.side is not None}
    walk = Walk(records, sack=bool(handshake.sack), first_rtt_ns=handshake.initial_rtt_ns, too_big=too_big).go()
    judge_delays(walk, handshake)
    protocol, asked, answered = messages_of(session, records)
    endings = Endings(session, walk)
    found: list[Finding] = [
        *opening_findings(session, records, handshake),
        *message_findings(records, protocol, asked, answered),
        *ack_findings(walk, handshake),
        *rtt_findings(walk),
        *loss_findings(session, walk),
        *room_findings(walk),
        *endings.findings(),
        *icmp_findings(records, errors),
        *_bad_checksums(records),
        *_from_tracker(session),
    ]
    analysis = Analysis(
        name=session.name,
        ordinal=session.ordinal,
        ip_version=session.ip_version,
        verdict=session.verdict,
        vantage=_vantage(records),
        protocol=protocol,
        start_ns=session.first_ns,
        end_ns=session.last_ns,
        frames=tuple(_with_roles(record, walk) for record in records),
        handshake=handshake,
        client=_stream(session, walk, "client", asked),
        server=_stream(session, walk, "server", answered),
        teardown=endings.teardown,
        resets=tuple(endings.resets),
        icmp_errors=tuple(error for error, _ in errors),
        findings=tuple(found),
        summary=session.summary(),
    )
    return replace(analysis, findings=(*found, *wireshark_findings(walk, analysis)))


def _with_roles(record: FrameRecord, walk: Walk) -> FrameRecord:
    roles = walk.roles.get(record.number, [])
    if record.kind in ("syn", "syn-ack", "handshake-ack"):
        roles = ["handshake", *roles]
    if record.payload_bytes and record.is_tcp:
        roles = [*roles, "data"]
        if record.bits & 8:
            roles.append("push")
    if "gap" in record.trouble:
        roles = [*roles, "gap-before"]
    return replace(record, roles=tuple(dict.fromkeys(roles))) if roles else record


def _stream(session: Session, walk: Walk, role: Role, messages: tuple[Message, ...]) -> Stream:
    side = session.client_side if role == "client" else session.server_side
    mine = [record for record in walk.records if record.sender == role and record.is_tcp]
    data = [record for record in mine if record.payload_bytes]
    return Stream(
        role=role,
        address=str(side.endpoint),
        isn=side.isn if side.isn_seen else None,
        frames=tuple(record.number for record in mine),
        data_frames=tuple(record.number for record in data),
        push_frames=tuple(record.number for record in data if record.bits & 8),
        segments_bytes=tuple(record.payload_bytes for record in data),
        octets=side.octets_new,
        octets_again=side.octets_again,
        messages=messages,
        rtt_samples=tuple(walk.flows[role].samples),
        in_flight=tuple(walk.flows[role].in_flight),
        retransmissions=retransmissions_of(walk, role),
        acks=tuple(walk.acks[role]),
        windows=tuple(walk.windows[role]),
        out_of_order=tuple(number for number, _, _ in walk.out_of_order[role]),
        missing_octets=side.missing_octets,
    )


def _vantage(records: list[FrameRecord]) -> Role | None:
    """At which end the tap was: there, that end's frames go out."""
    ways = {(record.sender, record.toward) for record in records if record.is_tcp and record.toward and record.sender}
    at_client = ways <= {("client", "out"), ("server", "in")}
    at_server = ways <= {("server", "out"), ("client", "in")}
    if not ways or at_client == at_server:
        return None
    return "client" if at_client else "server"


def _bad_checksums(records: list[FrameRecord]) -> list[Finding]:
    found = []
    roles: tuple[Role, Role] = ("client", "server")
    for role in roles:
        bad = [record.number for record in records if record.sender == role and record.checksum == "bad"]
        if bad:
            found.append(finding("bad-checksum", bad, role, count=len(bad)))
    return found


def _from_tracker(session: Session) -> list[Finding]:
    """What the tracker found and nobody here tells better."""
    return [
        finding(told.rule, told.frames, said=told.sentence, count=told.count)
        for told in session.findings
        if told.rule not in _OWN_RULES and told.rule in KINDS
    ]

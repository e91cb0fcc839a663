"""What an analysis says: the types that a report, a plot, a grader and the command read.

All are frozen and hold plain values, so they can be compared, printed and turned into JSON. Three levels: a
``FrameRecord`` for every frame, a ``Stream`` for what each end sent, and an ``Analysis`` for the session. What is worth
a sentence is a ``Finding``. Frames are named by their number in the session, from 1: in a file that holds one session
(as the lab writes them) that is Wireshark's number too; in any other file ``FrameRecord.file_number`` is.

Offsets (``_rel``) count from the ISN of the end that they belong to and never wrap: SYN is 0, the first octet is 1.
Times are nanoseconds since 1970, durations nanoseconds. Where something is not known, it is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.analysis.parts import (
    Acknowledgment,
    Handshake,
    IcmpError,
    InFlight,
    Message,
    Opening,
    Reset,
    Retransmission,
    Role,
    RttSample,
    Stream,
    Teardown,
    WindowPoint,
)
from lab.wire.packet import TcpOptions

__all__ = [
    "ROLE_WORDS",
    "Acknowledgment",
    "Analysis",
    "Finding",
    "FrameRecord",
    "Handshake",
    "IcmpError",
    "InFlight",
    "Message",
    "Opening",
    "Reset",
    "Retransmission",
    "Role",
    "RttSample",
    "Stream",
    "Teardown",
    "Value",
    "WindowPoint",
]

Value = int | float | str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One result, with its proof.

    kind: a stable slug, one of ``lab.analysis.kinds.KINDS``. frames: numbers in the session, from 1, in the order in
    which the sentence speaks of them. rfc: the rule, ``RFC 6298 §5.4``; empty for what is about the capture and not the
    protocol. sentence: the result in plain English. side: whose doing it is; None if of neither or of both.
    facts: the same in numbers, for programs; the names are those of the kind's row in docs/analysis.md.
    """

    kind: str
    frames: tuple[int, ...]
    rfc: str
    sentence: str
    side: Role | None = None
    facts: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame and all that its headers say.

    number: in the session, from 1. file_number: in the file that was read, from 1 (0 if not known).
    sender: which end sent it; None where neither did (a router) or it is not known.
    toward: which way it crossed the tap's interface, ``in``, ``out`` or empty, seen from the host of the tap.
    kind: ``syn``, ``syn-ack``, ``handshake-ack``, ``data``, ``ack``, ``fin``, ``rst``, ``keep-alive``,
        ``window-update``, ``arp``, ``ndp``, ``icmp``, ``fragment`` or ``other`` (lab.session.events.Note). is_tcp:
    whether it is a segment. roles: what it is besides, in words that are stable: see ROLE_WORDS. trouble: the tracker's
    tags. flags: in words, ``SYN, ACK``; bits: the nine flag bits. window_raw: as in the header; window_bytes: scaled.
    options: parsed; None for what is no whole segment. sack_blocks: (left_rel, right_rel), offsets of the peer;
    d_sack: whether the first of them reports octets that arrived twice (RFC 2883).
    checksum: ``good``, ``bad``, ``partial``, ``unknown``, or empty for what has none. ip_id: None for IPv6.
    payload: the captured octets of payload; payload_bytes: how many there were on the wire.
    data: the captured frame; length_bytes: how long it was on the wire.
    client_state, server_state: RFC 9293 §3.3.2, after this frame. comment: what it means, in one or two sentences.
    """

    number: int
    file_number: int
    time_ns: int
    sender: Role | None
    toward: str
    kind: str
    flags: str
    comment: str
    client_state: str
    server_state: str
    data: bytes = field(repr=False)
    length_bytes: int
    is_tcp: bool = False
    bits: int = 0
    seq_raw: int | None = None
    ack_raw: int | None = None
    seq_rel: int | None = None
    ack_rel: int | None = None
    payload_bytes: int = 0
    payload: bytes = field(default=b"", repr=False)
    window_raw: int | None = None
    window_bytes: int | None = None
    options: TcpOptions | None = None
    sack_blocks: tuple[tuple[int, int], ...] = ()
    d_sack: bool = False
    ip_version: int = 0
    ip_ttl: int | None = None
    ip_id: int | None = None
    dont_fragment: bool | None = None
    checksum: str = ""
    ip_checksum_ok: bool = True
    mac_source: bytes = b""
    mac_destination: bytes = b""
    trouble: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    @property
    def end_rel(self) -> int | None:
        """The offset after its last sequence number (SYN and FIN take one each)."""
        if self.seq_rel is None:
            return None
        return self.seq_rel + self.payload_bytes + (self.bits >> 1 & 1) + (self.bits & 1)

    @property
    def cut(self) -> bool:
        """Whether the capture holds less of it than there was (snaplen)."""
        return len(self.data) < self.length_bytes

    @property
    def damaged(self) -> bool:
        """Whether a checksum is wrong, so that its receiver drops it unread."""
        return self.checksum == "bad" or not self.ip_checksum_ok


@dataclass(frozen=True, slots=True)
class Analysis:
    """One session, understood.

    vantage: at which end's host the tap was (``client`` or ``server``), None if the file does not say. A round trip
        measured beside its own receiver is short: the samples of the end at the vantage are the true ones.
    protocol: ``echo`` where the server answers lines in capital letters, else ``unknown``. summary: the tracker's
        facts, as in the session's JSON.
    """

    name: str
    ordinal: int
    ip_version: int
    verdict: str
    vantage: Role | None
    protocol: str
    start_ns: int
    end_ns: int
    frames: tuple[FrameRecord, ...]
    handshake: Handshake
    client: Stream
    server: Stream
    teardown: Teardown
    resets: tuple[Reset, ...]
    icmp_errors: tuple[IcmpError, ...]
    findings: tuple[Finding, ...]
    summary: Mapping[str, object] = field(repr=False, default_factory=dict)

    def frame(self, number: int) -> FrameRecord:
        """The frame with this number (from 1). Raises IndexError where there is none."""
        if not 1 <= number <= len(self.frames):
            raise IndexError(f"the session has {len(self.frames)} frames, there is no frame {number}")
        return self.frames[number - 1]

    def stream(self, role: Role) -> Stream:
        """What the client or the server sent."""
        return self.client if role == "client" else self.server

    def findings_of(self, kind: str) -> tuple[Finding, ...]:
        """The findings of one kind, in their order."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    def findings_at(self, number: int) -> tuple[Finding, ...]:
        """The findings that name this frame."""
        return tuple(finding for finding in self.findings if number in finding.frames)


ROLE_WORDS: Mapping[str, str] = {
    "handshake": "one of the segments that open the connection",
    "data": "carries payload",
    "push": "carries PSH",
    "ack-of-data": "acknowledges new payload",
    "ack-of-syn": "acknowledges a SYN",
    "ack-of-fin": "acknowledges a FIN",
    "piggybacked-ack": "acknowledges new payload and carries some too",
    "delayed-ack": "acknowledges after waiting on purpose",
    "duplicate-ack": "acknowledges the same once more while data is under way",
    "sack": "reports blocks received out of order",
    "d-sack": "reports octets that arrived twice",
    "retransmission": "sequence numbers sent again (or lost before they passed this tap)",
    "spurious": "sent again though it had arrived",
    "duplicate-frame": "the same packet passed twice: the network copied it",
    "out-of-order": "was overtaken on its way",
    "gap-before": "octets before it have not passed",
    "zero-window": "closes its sender's window",
    "window-opened": "opens a closed window again",
    "window-update": "changes nothing but the window",
    "window-full": "fills what the peer has room for",
    "zero-window-probe": "asks whether a closed window has opened",
    "probe-answer": "answers that",
    "keep-alive": "asks whether the peer is there",
    "keep-alive-answer": "answers that",
    "challenge-ack": "answers a segment that was not accepted",
    "reset": "carries RST",
    "teardown": "carries FIN",
    "rtt-sample": "ends a measured round trip",
    "damaged": "has a wrong checksum: the receiver drops it",
}
"""What ``FrameRecord.roles`` may hold."""

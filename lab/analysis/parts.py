"""The parts of an analysis that belong to one end or to one event: what was sent, measured, acknowledged, sent again.

They are the building blocks of ``lab.analysis.model``, which re-exports them; the units and the way of counting are
explained there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["client", "server"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an end: a line, as the echo protocol has it; for another protocol, what it sent in one go.

    number: from 1, for each end by itself. octets: with the line's end. start_rel, end_rel: where, [start, end).
    frames: that brought its octets first. line_end: ``LF``, ``CRLF``, or empty for text that was not ended.
    sent_ns: time of its first octet; whole_ns: when its last one had passed.
    reply_of: number of the client's message that this one answers (server only). answered_by: number of the server's
        message that answers this one (client only). reply_ns: from whole_ns of the one to sent_ns of the other.
    """

    number: int
    octets: bytes = field(repr=False)
    start_rel: int
    end_rel: int
    frames: tuple[int, ...]
    line_end: str
    sent_ns: int
    whole_ns: int
    reply_of: int | None = None
    answered_by: int | None = None
    reply_ns: int | None = None


@dataclass(frozen=True, slots=True)
class RttSample:
    """A round trip measured at this tap, and what RFC 6298 §2 makes of it.

    data_frame, ack_frame: from which to which. end_rel: the acknowledged offset. rtt_ns: the time between them.
    srtt_ns, rttvar_ns: smoothed round trip time and its variation after this sample. rto_ns: the retransmission
    time-out with RFC 6298's least of one second; rto_raw_ns: without it (Linux: at least 200 ms).
    No sample is taken of what was sent twice (Karn, RFC 6298 §3).
    """

    data_frame: int
    ack_frame: int
    end_rel: int
    time_ns: int
    rtt_ns: int
    srtt_ns: int
    rttvar_ns: int
    rto_ns: int
    rto_raw_ns: int


@dataclass(frozen=True, slots=True)
class InFlight:
    """After a frame of either end: how many octets of payload were sent and not yet acknowledged (as seen at the tap).

    limit_rel: up to where the peer lets it send (None if not known). next_rel: the highest offset sent so far.
    acked_rel: the highest offset acknowledged so far.
    """

    frame: int
    time_ns: int
    in_flight_bytes: int
    next_rel: int
    acked_rel: int
    limit_rel: int | None


@dataclass(frozen=True, slots=True)
class Retransmission:
    """Sequence numbers sent again.

    frame: the copy. original: the frame that had them before; None where that did not pass this tap.
    cause: ``syn``, ``timeout``, ``fast``, ``rack``, ``recovery``, ``tail-loss-probe``, ``path-mtu`` (a router had
        dropped what was too big), ``duplicate`` (the network's copy, nobody sent it again) or ``unknown``.
    attempt: 1 for the first time these numbers were sent again.
    gap_ns: since these numbers were sent before (None without an original). rto_ns: the time-out that the observer
        would have expected then (at least 200 ms, doubled for each attempt). dup_acks: duplicate ACKs that had asked
    for it. already_acked: whether an acknowledgment for all of it had passed before. d_sack_frame: the frame that
        reports it as not needed. payload_bytes: what it carried.
    """

    frame: int
    original: int | None
    cause: str
    attempt: int
    gap_ns: int | None
    rto_ns: int | None
    dup_acks: int
    already_acked: bool
    start_rel: int
    end_rel: int
    payload_bytes: int
    d_sack_frame: int | None = None

    @property
    def spurious(self) -> bool:
        """Whether it was not needed: the octets had arrived (as a D-SACK or an earlier ACK shows)."""
        return self.cause != "duplicate" and (self.already_acked or self.d_sack_frame is not None)


@dataclass(frozen=True, slots=True)
class Acknowledgment:
    """A frame that acknowledges new sequence numbers of the peer; listed with the end that acknowledges.

    acks: the frames that brought what it acknowledges now. up_to_rel: offset of the peer. octets: of payload, new with
    it. delay_ns: since the last of them passed; oldest_ns: since the first of them. piggybacked: whether it carries
    data too. delayed: whether its sender waited on purpose (RFC 9293 §3.8.6.3), as far as the tap can tell.
    """

    frame: int
    time_ns: int
    acks: tuple[int, ...]
    up_to_rel: int
    octets: int
    delay_ns: int
    oldest_ns: int
    piggybacked: bool
    delayed: bool


@dataclass(frozen=True, slots=True)
class WindowPoint:
    """What an end has room for, as it says in a frame. edge_rel: up to which offset the peer may send."""

    frame: int
    time_ns: int
    raw: int
    window_bytes: int | None
    edge_rel: int | None


@dataclass(frozen=True, slots=True)
class Stream:
    """What one end sent, and what came back for it.

    address: ``192.0.2.20:40312``. isn: raw, None if its SYN was not seen. frames: numbers of all its segments.
    data_frames: those with payload; push_frames: those of them with PSH. octets: of payload, each counted once;
    octets_again: sent again. segments_bytes: payload of each data frame, in the same order as data_frames.
    rtt_samples: how long its octets took to be acknowledged (seen from the tap). in_flight: after every frame of either
    end that changed it. retransmissions: its own. acks: acknowledgments that it sent. windows: that it advertised.
    out_of_order: its frames that the network overtook. missing_octets: that the tap never
    saw.
    """

    role: Role
    address: str
    isn: int | None
    frames: tuple[int, ...] = ()
    data_frames: tuple[int, ...] = ()
    push_frames: tuple[int, ...] = ()
    segments_bytes: tuple[int, ...] = ()
    octets: int = 0
    octets_again: int = 0
    messages: tuple[Message, ...] = ()
    rtt_samples: tuple[RttSample, ...] = ()
    in_flight: tuple[InFlight, ...] = ()
    retransmissions: tuple[Retransmission, ...] = ()
    acks: tuple[Acknowledgment, ...] = ()
    windows: tuple[WindowPoint, ...] = ()
    out_of_order: tuple[int, ...] = ()
    missing_octets: int = 0


@dataclass(frozen=True, slots=True)
class Opening:
    """What one end's SYN said. window_bytes: never scaled in a SYN (RFC 7323 §2.2)."""

    frame: int
    isn: int
    window_bytes: int
    mss_bytes: int | None
    window_scale: int | None
    sack_permitted: bool
    timestamps: bool
    data_bytes: int


@dataclass(frozen=True, slots=True)
class Handshake:
    """How the connection was opened (RFC 9293 §3.5), and what both ends agreed on.

    client, server: their SYNs, None where not in the capture. ack_frame: the ACK that completes it.
    mss_client_bytes, mss_server_bytes: the most payload that client and server may put into a segment, before options:
        what the other announced (536 for IPv4 or 1220 for IPv6 where it announced nothing, RFC 9293 §3.7.1).
    window_scaling, sack, timestamps: in use, which takes both SYNs; None if one is not known.
    client_shift, server_shift: by how many bits each one's windows are shifted.
    initial_rtt_ns: from the SYN to the ACK; syn_ns: from the SYN to the SYN-ACK; ack_ns: from there to the ACK.
    """

    complete: bool
    client: Opening | None
    server: Opening | None
    ack_frame: int | None
    mss_client_bytes: int | None
    mss_server_bytes: int | None
    window_scaling: bool | None
    sack: bool | None
    timestamps: bool | None
    client_shift: int | None
    server_shift: int | None
    initial_rtt_ns: int | None
    syn_ns: int | None
    ack_ns: int | None
    simultaneous: bool = False


@dataclass(frozen=True, slots=True)
class Teardown:
    """How it ended.

    way: ``fin`` (both sides closed), ``half`` (one FIN only), ``rst``, ``refused`` or ``open``.
    first_closer: who sent the first FIN. packets: 3 where the second FIN came with the ACK of the first, else 4; None
        if they are not all there. half_close_ns: how long one side went on after the other's FIN; half_close_octets:
        what it sent then. time_wait: who holds TIME_WAIT: ``client``, ``server``, ``both`` or None.
    client_fin, server_fin: frames of the first FIN of each; client_fin_acked, server_fin_acked: frames of their ACKs.
    """

    way: str
    first_closer: Role | None
    packets: int | None
    simultaneous: bool
    half_close_ns: int | None
    half_close_octets: int
    time_wait: str | None
    client_fin: int | None
    server_fin: int | None
    client_fin_acked: int | None
    server_fin_acked: int | None


@dataclass(frozen=True, slots=True)
class Reset:
    """A RST, and what most likely led to it.

    cause: ``refused``, ``unread-data``, ``write-after-close``, ``linger``, ``after-close``, ``not-acceptable``,
    ``again`` or ``unknown``. because: the frame that explains it, None without one. lost_octets: of payload sent to
    its sender and not acknowledged when it came.
    """

    frame: int
    side: Role
    cause: str
    because: int | None
    lost_octets: int


@dataclass(frozen=True, slots=True)
class IcmpError:
    """An ICMP error about this session.

    meaning: ``too-big``, ``ttl-exceeded``, ``port-unreachable``, ``host-unreachable``, ``filtered`` or ``other``.
    about: the frame that it quotes, None if that is not in the capture. side: whose packet that was. mtu_bytes: of the
    next link, for too-big.
    """

    frame: int
    source: str
    type: int
    code: int
    meaning: str
    about: int | None
    side: Role | None
    mtu_bytes: int | None

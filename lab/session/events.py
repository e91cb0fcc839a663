"""What the tracker says: one event for every change that somebody outside has to act on.

The tracker never writes and never prints. It is fed frames and returns these events, in the order in which they must be
handled; the store turns them into files, the tap's log into a ladder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lab.session.session import Session
    from lab.wire.frame import Frame

Role = Literal["client", "server"]


@dataclass(frozen=True, slots=True)
class Note:
    """What one frame means in its session: the words and numbers for a packet comment or a line of the ladder.

    kind: what the frame is, in the field's words: ``arp``, ``ndp``, ``icmp``, ``syn``, ``syn-ack``, ``handshake-ack``,
        ``data``,
        ``ack``, ``fin``, ``rst``, ``keep-alive``, ``window-update``, ``fragment``, ``other``.
    sender: which end sent it; None where neither end did (a router's ICMP error) or it is not known.
    comment: one or two plain English sentences, naming the rule (RFC section) where one explains it.
    flags: the TCP flags in words, ``SYN, ACK``; for other frames the protocol, ``ARP``.
    seq_raw, ack_raw: the 32-bit numbers of the header; None where there is none (no ACK flag, not TCP).
    seq_rel, ack_rel: the same as offsets from the ISN of the end they count, unwrapped past 2**32 (SYN is 0).
    length_bytes: octets of TCP payload; 0 for anything else.
    payload: the captured octets of TCP payload.
    window_bytes: the advertised window after scaling; None where unknown.
    trouble: short tags of what is unusual: ``retransmission``, ``out-of-order``, ``gap``, ``bad-checksum``,
        ``zero-window``,
        ``dup-ack``, ``late``, ``cut`` ...
    client_state, server_state: the RFC 9293 state of both ends after this frame.
    """

    kind: str
    sender: Role | None
    comment: str
    flags: str = ""
    seq_raw: int | None = None
    ack_raw: int | None = None
    seq_rel: int | None = None
    ack_rel: int | None = None
    length_bytes: int = 0
    payload: bytes = b""
    window_bytes: int | None = None
    trouble: tuple[str, ...] = ()
    client_state: str = ""
    server_state: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session has begun; its frames follow as Recorded events (first the ARP or NDP exchange that went
    before)."""

    session: Session


@dataclass(frozen=True, slots=True)
class Recorded:
    """A frame belongs to this session. After Closed it is a late one: the file is opened again, and Closed comes once
    more."""

    session: Session
    frame: Frame
    note: Note


@dataclass(frozen=True, slots=True)
class Closed:
    """The session has ended (``session.verdict`` and ``session.summary()`` are final unless a late frame follows)."""

    session: Session


Event = Opened | Recorded | Closed

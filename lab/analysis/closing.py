"""How it ended: FINs, RSTs and why, TIME_WAIT.

Why a RST came can be read from what went before and from its own form. A RST without ACK answers a segment (RFC 9293
§3.10.7.1): nobody is there any more. A RST with ACK is a program's doing: it closed with text unread, or it chose to
abort.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.analysis.kinds import finding
from lab.analysis.model import Finding, FrameRecord, Reset, Role, Teardown, Value
from lab.analysis.walk import Walk, peer_of
from lab.session.session import Session

FIN, SYN, RST, ACK = 1, 2, 4, 16
_SLUGS = {
    "refused": "reset-refused",
    "unread-data": "reset-unread-data",
    "write-after-close": "reset-write-after-close",
    "linger": "reset-linger",
    "after-close": "reset-after-close",
    "not-acceptable": "reset-not-acceptable",
    "again": "reset-again",
    "unknown": "reset",
}


@dataclass(slots=True)
class _End:
    """What one end had done before a frame: number of its FIN, of its last data, and whether that was acknowledged."""

    fin: FrameRecord | None = None
    fin_acked_by: int | None = None
    data: FrameRecord | None = None
    acked_rel: int = 0
    next_rel: int = 0


class Endings:
    """Reads the end of a session from its frames, once, in order."""

    def __init__(self, session: Session, walk: Walk) -> None:
        self.session, self.walk = session, walk
        self.ends: dict[Role, _End] = {"client": _End(), "server": _End()}
        self.resets: list[Reset] = []
        self.challenges: list[tuple[FrameRecord, FrameRecord | None]] = []
        self._after_fin: dict[Role, list[FrameRecord]] = {"client": [], "server": []}
        self._refused_last: FrameRecord | None = None
        self._reset_by: Role | None = None
        for record in walk.records:
            if record.is_tcp and record.sender is not None and not record.damaged:
                self._take(record, record.sender)
        self.teardown = self._teardown()

    def _take(self, record: FrameRecord, role: Role) -> None:
        own, peer = self.ends[role], self.ends[peer_of(role)]
        if record.bits & RST:
            self.walk.roles[record.number].append("reset")
            self._reset(record, role, own, peer)
            return
        if "challenge-ack" in record.trouble:
            self.walk.roles[record.number].append("challenge-ack")
            self.challenges.append((record, self._refused_last))
        elif record.bits & SYN and "state" in record.trouble:
            self._refused_last = record
            return
        if (
            record.ack_rel is not None
            and record.ack_rel > peer.acked_rel
            and "handshake-ack-number" not in record.trouble
        ):
            peer.acked_rel = record.ack_rel
            if peer.fin is not None and peer.fin_acked_by is None and record.ack_rel >= (peer.fin.end_rel or 0):
                peer.fin_acked_by = record.number
        new = (record.end_rel or 0) > own.next_rel
        own.next_rel = max(own.next_rel, record.end_rel or 0)
        if record.payload_bytes and new and record.kind != "keep-alive":
            own.data = record
            if peer.fin is not None and (record.ack_rel or 0) >= (peer.fin.end_rel or 0):
                self._after_fin[role].append(record)
        if record.bits & FIN and own.fin is None:
            own.fin = record
            self.walk.roles[record.number].append("teardown")

    def _reset(self, record: FrameRecord, role: Role, own: _End, peer: _End) -> None:
        cause, because = self._cause(record, role, own, peer)
        flight = peer.next_rel - max(peer.acked_rel, 1)
        if peer.fin is not None and peer.acked_rel < (peer.fin.end_rel or 0):
            flight -= 1
        self.resets.append(Reset(record.number, role, cause, because, max(0, flight)))
        if cause == "not-acceptable":
            self._refused_last = record
        elif self._reset_by is None:
            self._reset_by = role

    def _cause(self, record: FrameRecord, role: Role, own: _End, peer: _End) -> tuple[str, int | None]:
        if "rst-not-acceptable" in record.trouble:
            return "not-acceptable", None
        if self._reset_by is not None:
            return "again", None
        session = self.session
        if role == "server" and not session.server_side.syn_count and not session.midstream:
            syn = next((r.number for r in self.walk.records if r.sender == "client" and r.bits & SYN), None)
            return "refused", syn
        if own.fin_acked_by is not None and peer.fin_acked_by is not None:
            return "after-close", self._frame_before(record, role)
        data = peer.data
        after_fin = data is not None and own.fin is not None and data.number > own.fin.number
        if not record.bits & ACK:
            if after_fin and data is not None:
                return "write-after-close", data.number
            return "after-close", self._frame_before(record, role)
        if data is not None and (after_fin or self._unread(role, own, peer, data)):
            return "unread-data", data.number
        if own.fin is None:
            return "linger", None
        return "unknown", None

    def _unread(self, role: Role, own: _End, peer: _End, data: FrameRecord) -> bool:
        """Whether its program had most likely not read the peer's last data: a server had not answered it, or it was
        not even acknowledged."""
        if peer.acked_rel < (data.seq_rel or 0) + data.payload_bytes:
            return True
        return role == "server" and (own.data is None or own.data.number < data.number)

    def _frame_before(self, record: FrameRecord, role: Role) -> int | None:
        for earlier in reversed(self.walk.records[: record.number - 1]):
            if earlier.is_tcp and earlier.sender == peer_of(role):
                return earlier.number
        return None

    def _teardown(self) -> Teardown:
        """The end in facts."""
        session = self.session
        client, server = self.ends["client"], self.ends["server"]
        first = session.first_closer
        packets = half_ns = None
        octets = 0
        if first is not None:
            closer, other = self.ends[first], self.ends[peer_of(first)]
            if closer.fin_acked_by is not None and other.fin is not None and other.fin_acked_by is not None:
                packets = 3 if closer.fin_acked_by == other.fin.number else 4
            after = self._after_fin[peer_of(first)]
            octets = sum(record.payload_bytes for record in after)
            if after and closer.fin is not None:
                end = other.fin.time_ns if other.fin is not None else after[-1].time_ns
                half_ns = end - closer.fin.time_ns
        time_wait = session.summary()["time_wait"]
        return Teardown(
            self._way(),
            first,
            packets,
            session.simultaneous_close,
            half_ns,
            octets,
            time_wait if isinstance(time_wait, str) else None,
            client.fin.number if client.fin else None,
            server.fin.number if server.fin else None,
            client.fin_acked_by,
            server.fin_acked_by,
        )

    def _way(self) -> str:
        client, server = self.ends["client"], self.ends["server"]
        if any(reset.cause == "refused" for reset in self.resets):
            return "refused"
        if self._reset_by is not None and not (client.fin_acked_by and server.fin_acked_by):
            return "rst"
        if client.fin and server.fin:
            return "fin"
        return "half" if client.fin or server.fin else "open"

    def findings(self) -> list[Finding]:
        """What is to be said of the end."""
        found: list[Finding] = []
        teardown = self.teardown
        fins = (teardown.client_fin, teardown.server_fin, teardown.client_fin_acked, teardown.server_fin_acked)
        numbers = sorted({number for number in fins if number is not None})
        if teardown.packets is not None:
            why = "the second FIN carried the ACK of the first"
            if teardown.packets == 4:
                why = "the first FIN was acknowledged before the second was sent"
            if teardown.simultaneous:
                why = "the FINs crossed"
            found.append(finding("teardown", numbers, teardown.first_closer, packets=teardown.packets, why=why))
        if teardown.half_close_ns is not None and teardown.first_closer is not None:
            found.append(self._half_close(teardown, teardown.first_closer))
        if teardown.simultaneous:
            found.append(finding("simultaneous-close", (teardown.client_fin, teardown.server_fin)))
        if teardown.time_wait is not None:
            found.append(self._time_wait(teardown))
        if teardown.way in ("fin", "half"):
            for role, end in self.ends.items():
                if end.fin is None:
                    found.append(finding("fin-missing", (), role))
                elif end.fin_acked_by is None:
                    found.append(finding("fin-unacknowledged", (end.fin.number,), role))
        found += [self._of_reset(reset) for reset in self.resets]
        for ack, challenged in self.challenges:
            number = challenged.number if challenged is not None else None
            what = f"frame {number}" if number is not None else "a segment"
            frames = (number, ack.number)
            found.append(finding("challenge-ack", frames, ack.sender, challenged=number, what=what, ack=ack.number))
        return found

    def _half_close(self, teardown: Teardown, first: Role) -> Finding:
        after = self._after_fin[peer_of(first)]
        fin = self.ends[first].fin
        frames = (fin.number if fin else None, *(record.number for record in after))
        facts = {"open_ns": teardown.half_close_ns, "octets": teardown.half_close_octets}
        return finding("half-close", frames, peer_of(first), facts)

    def _time_wait(self, teardown: Teardown) -> Finding:
        both = teardown.time_wait == "both"
        holder = "both ends, because their FINs crossed" if both else f"the {teardown.time_wait}, which closed first"
        side = None if both else teardown.first_closer
        frames = (teardown.client_fin, teardown.server_fin)
        return finding("time-wait", sorted(number for number in frames if number), side, holder=holder)

    def _of_reset(self, reset: Reset) -> Finding:
        record = self.walk.records[reset.frame - 1]
        expected_rel = self._expected(reset)
        facts: dict[str, Value] = {
            "because": reset.because,
            "lost_octets": reset.lost_octets,
            "seq_rel": record.seq_rel,
            "expected_rel": expected_rel,
        }
        if reset.cause == "not-acceptable":
            # RFC 9293 §3.10.7.3: before the server's SYN there is no offset to expect; its ACK must fit the SYN.
            facts["flaw"] = f"with offset {record.seq_rel}, where {expected_rel} was expected,"
            if record.seq_rel is None:
                facts["flaw"] = "that does not acknowledge the SYN"
        return finding(_SLUGS[reset.cause], (reset.because, reset.frame), reset.side, facts)

    def _expected(self, reset: Reset) -> int:
        """The offset that the receiver of the RST expected: after all that its sender had sent until then."""
        before = self.walk.records[: reset.frame - 1]
        return max((r.end_rel or 0 for r in before if r.sender == reset.side and not r.bits & RST), default=0)

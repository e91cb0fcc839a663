"""The walk: once over the frames of a session, with a ledger for each end.

For every segment first what it acknowledges, then what it carries, as a receiver does (RFC 9293 §3.10.7.4). A damaged
segment changes nothing; a RST ends nothing here (the tracker knows about that). What comes out are lists of plain
events; the other modules make findings of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from lab.analysis.cause import (
    after_too_big,
    cause,
    counts_ids,
    is_network_copy,
    is_probe_time,
    recover,
    sent_after,
    timeout_ns,
)
from lab.analysis.flow import Again, Flow, Sent
from lab.analysis.model import FrameRecord, Role
from lab.analysis.parts import Acknowledgment, WindowPoint
from lab.analysis.sightings import Copy, Differs, DupRun, order_differs

FIN, SYN, RST, ACK = 1, 2, 4, 16


def peer_of(role: Role) -> Role:
    """The other end."""
    return "server" if role == "client" else "client"


class Walk:
    """records: those of the session, in order. sack: whether both SYNs permit it. first_rtt_ns: of the handshake.
    too_big: frame numbers of the ICMP errors "too big", each with the end whose packet it was."""

    def __init__(
        self,
        records: list[FrameRecord],
        *,
        sack: bool,
        first_rtt_ns: int | None,
        too_big: Mapping[int, Role] | None = None,
    ) -> None:
        self.records = records
        self.sack = sack
        self._too_big = too_big or {}
        self.roles: dict[int, list[str]] = defaultdict(list)
        self.flows: dict[Role, Flow] = {"client": Flow("client"), "server": Flow("server")}
        self.acks: dict[Role, list[Acknowledgment]] = {"client": [], "server": []}
        self.windows: dict[Role, list[WindowPoint]] = {"client": [], "server": []}
        self.dup_runs: list[DupRun] = []
        self.copies: list[Copy] = []
        self.out_of_order: dict[Role, list[tuple[int, int, int]]] = {"client": [], "server": []}
        self.differs: list[Differs] = []
        self.d_sacks: list[tuple[FrameRecord, int, int, Again | None]] = []
        self.sacks: list[FrameRecord] = []
        self.new_probes: list[tuple[Role, int, int, int]] = []
        self._path_rtt_ns = first_rtt_ns or 0
        by_role = {r: [x for x in records if x.sender == r] for r in ("client", "server")}
        self.ids_count = {role: counts_ids(by_role[role]) for role in ("client", "server")}
        self._recent: dict[tuple[Role, int | None, int | None, int, int, int | None], FrameRecord] = {}

    def go(self) -> Walk:
        """Walk over all frames."""
        for record in self.records:
            if record.is_tcp and record.sender is not None and record.seq_rel is not None:
                self._step(record, record.sender)
            elif record.number in self._too_big:
                self.flows[self._too_big[record.number]].too_big = record
        return self

    def _step(self, record: FrameRecord, role: Role) -> None:
        if record.damaged:
            self.roles[record.number].append("damaged")
            return
        if record.bits & RST:
            return
        own, peer = self.flows[role], self.flows[peer_of(role)]
        before = (own.next, peer.una, peer.next)
        copy = self._note_copy(record, role)
        if record.ack_rel is not None and "handshake-ack-number" not in record.trouble:
            self._acknowledge(record, role, peer, copied=copy is not None)
        self._window(record, role, peer)
        if record.kind != "keep-alive":
            self._carry(record, role, own, copy)
        if own.next != before[0]:
            own.note_flight(record)
        if (peer.una, peer.next) != before[1:]:
            peer.note_flight(record)

    def _note_copy(self, record: FrameRecord, role: Role) -> FrameRecord | None:
        """Whether the very same packet passed before; that is the network's doing."""
        key = (role, record.seq_raw, record.ack_raw, record.bits, record.payload_bytes, record.ip_id)
        earlier = self._recent.get(key)
        self._recent[key] = record
        if earlier is None or not is_network_copy(record, earlier, ids_count=self.ids_count[role]):
            return None
        if record.ip_id is None and not record.payload_bytes and not record.bits & (SYN | FIN):
            return None  # equal pure ACKs without a number: a receiver says the same twice for its own reasons
        self.copies.append(Copy(role, earlier.number, record.number, record.time_ns - earlier.time_ns))
        self.roles[record.number].append("duplicate-frame")
        return earlier

    # What it acknowledges

    def _acknowledge(self, record: FrameRecord, role: Role, flow: Flow, *, copied: bool) -> None:
        ack = record.ack_rel or 0
        if flow.probe is not None and flow.probe.start >= ack and not record.payload_bytes:
            flow.take_back()  # the receiver had no room for the octet: it is still to be sent
            return
        flow.probe = None
        if record.sack_blocks:
            self._sack(record, flow)
        if ack > flow.una or not flow.started:
            self._advance(record, role, flow, ack)
        elif "dup-ack" in record.trouble and not copied:
            flow.dup_acks += 1
            self.roles[record.number].append("duplicate-ack")
            if flow.dup_acks == 1 or not self.dup_runs or self.dup_runs[-1].side != role:
                self.dup_runs.append(DupRun(role, ack))
            self.dup_runs[-1].frames.append(record.number)

    def _advance(self, record: FrameRecord, role: Role, flow: Flow, ack: int) -> None:
        midstream = not flow.started and not flow.by_start
        gone = flow.take_off(ack, record.number)
        before = flow.una
        flow.una, flow.dup_acks, flow.probed, flow.started = ack, 0, False, True
        flow.progress_ns = record.time_ns
        if flow.una >= flow.recovery_to:
            flow.recovery = ""
        if midstream:
            return
        sample = flow.sample(gone, record)
        if sample is not None:
            self._path_rtt_ns = max(self._path_rtt_ns, min(sample.rtt_ns, 10 * max(1_000_000, self._path_rtt_ns)))
            self.roles[record.number].append("rtt-sample")
        data = [entry for entry in gone if entry.payload]
        end = ack if flow.fin_at is None else min(ack, flow.fin_at)
        octets = max(0, end - max(before, 1))
        if before < 1 <= ack:
            self.roles[record.number].append("ack-of-syn")
        if flow.fin_at is not None and before <= flow.fin_at < ack:
            self.roles[record.number].append("ack-of-fin")
        if not octets:
            return
        piggybacked = bool(record.payload_bytes)
        self.roles[record.number].append("piggybacked-ack" if piggybacked else "ack-of-data")
        times = [entry.last_ns for entry in data] or [record.time_ns]
        first, last = min(times), max(times)
        self.acks[role].append(
            Acknowledgment(
                record.number,
                record.time_ns,
                tuple(entry.last_frame for entry in data),
                ack,
                octets,
                max(0, record.time_ns - last),
                max(0, record.time_ns - first),
                piggybacked,
                False,
            )
        )

    def _sack(self, record: FrameRecord, flow: Flow) -> None:
        blocks = record.sack_blocks
        if record.d_sack:
            left, right = blocks[0]
            self.roles[record.number].append("d-sack")
            guilty = None
            for again in reversed(flow.again):
                if again.d_sack_frame is None and again.start < right and left < again.end:
                    again.d_sack_frame = record.number
                    guilty = again
                    break
            self.d_sacks.append((record, left, right, guilty))
            blocks = blocks[1:]
        if blocks:
            self.roles[record.number].append("sack")
            self.sacks.append(record)
            for left, right in blocks:
                flow.sacked(left, right)

    def _window(self, record: FrameRecord, role: Role, peer: Flow) -> None:
        if record.window_raw is None:
            return
        edge = None
        if record.window_bytes is not None and record.ack_rel is not None:
            edge = record.ack_rel + record.window_bytes
            if record.ack_rel >= peer.una:
                peer.limit = edge if peer.limit is None else max(peer.limit, edge)
        point = WindowPoint(record.number, record.time_ns, record.window_raw, record.window_bytes, edge)
        self.windows[role].append(point)

    # What it carries

    def _carry(self, record: FrameRecord, role: Role, own: Flow, copy: FrameRecord | None) -> None:
        start, end = record.seq_rel or 0, record.end_rel or 0
        if end <= start:
            if own.started and start > own.next and {*record.trouble} <= {"gap"}:
                own.ahead.append((record.number, start))
            return
        if "state" in record.trouble and record.bits & SYN:
            return  # a stray SYN inside the connection takes no numbers
        if not own.started:
            own.started = True
            own.una = own.next = start
        if record.bits & FIN and own.fin_at is None:
            own.fin_at = end - 1
        known = own.originals(start, end)
        if record.bits & SYN and record.bits & ACK and known and not self.records[known[0].frame - 1].bits & ACK:
            return  # in a simultaneous open: the SYN's number once more, because its ACK stands in the same segment
        own.ahead = [(frame, at) for frame, at in own.ahead if at > own.una]
        probes = record.payload_bytes == 1 and self._closed(peer_of(role)) and start >= own.una
        if start >= own.next and not any(at >= end for _, at in own.ahead):
            waited_ns = record.time_ns - own.progress_ns
            due = self.sack and bool(own.unacked) and is_probe_time(own, waited_ns, self._path_rtt_ns)
            sent = own.add(record, start, end)
            if due and record.payload_bytes:
                own.maybe_probes.append((sent, waited_ns))
            if probes and not record.bits & FIN:
                own.probe = sent
                self.roles[record.number].append("zero-window-probe")
            own.progress_ns = record.time_ns
            return
        if not known:
            self._fill(record, role, own, start, end)
        elif probes:
            self.roles[record.number].append("zero-window-probe")
            for entry in known:
                entry.copies += 1
                entry.last_ns, entry.last_frame = record.time_ns, record.number
        else:
            self._repeat(record, own, known, start, end, copy)
        if end > own.next:
            own.add(record, max(start, own.next), end)
        own.progress_ns = max(own.progress_ns, record.time_ns)

    def _closed(self, role: Role) -> bool:
        """Whether this end's window is closed just now."""
        windows = self.windows[role]
        return bool(windows) and windows[-1].raw == 0

    def _fill(self, record: FrameRecord, role: Role, own: Flow, start: int, end: int) -> None:
        """Octets that come after later ones, or after an ACK that counts them as sent: overtaken on the way, or lost
        before the tap and sent again?"""
        passed = [entry.frame for entry in (own.by_start[at] for at in own.starts) if entry.start >= end]
        passed += [frame for frame, at in own.ahead if at >= end]
        first = self.records[min(passed) - 1] if passed else None
        by_tracker = "retransmission" in record.trouble
        later = None
        if first is not None:
            later = sent_after(record, first, ids_count=self.ids_count[role])
        again = by_tracker if later is None else later
        if again:
            self._sent_again(record, own, None, start, end, 1)
        sent = own.add(record, start, end)
        if again:
            sent.copies = 2  # the first copy was lost before the tap: Karn's rule holds for it as well
        else:
            overtakers = [frame for frame in passed if frame < record.number]
            lateness_ns = record.time_ns - first.time_ns if first is not None else 0
            self.out_of_order[role].append((record.number, len(overtakers), lateness_ns))
            self.roles[record.number].append("out-of-order")
        if again != by_tracker:
            self.differs.append(order_differs(role, record.number, again))

    def _repeat(
        self,
        record: FrameRecord,
        own: Flow,
        known: list[Sent],
        start: int,
        end: int,
        copy: FrameRecord | None,
    ) -> None:
        original = known[0]
        if copy is not None:
            gap_ns = record.time_ns - copy.time_ns
            same = Again(record.number, original, copy.number, "duplicate", 0, gap_ns, gap_ns, None, 0, 0,
                         end <= own.una, start, end, record.payload_bytes)  # fmt: skip
            own.again.append(same)
            return
        self._sent_again(record, own, original, start, end, original.copies)
        for entry in known:
            entry.copies += 1
            entry.last_ns, entry.last_frame = record.time_ns, record.number

    def _sent_again(
        self, record: FrameRecord, own: Flow, original: Sent | None, start: int, end: int, attempt: int
    ) -> None:
        waited_ns = record.time_ns - own.progress_ns
        acked = end <= own.una
        rto_ns = timeout_ns(own, self._path_rtt_ns) << min(attempt - 1, 8)
        dup_acks, outstanding = own.dup_acks, len(own.unacked)
        if original is not None and own.too_big is not None and after_too_big(own, own.too_big, record, original):
            why = recover(own, "path-mtu")
        else:
            why = cause(own, record, start, end, sack=self.sack, path_rtt_ns=self._path_rtt_ns, attempt=attempt)
        own.again.append(
            Again(
                record.number,
                original,
                original.last_frame if original is not None else None,
                why,
                attempt,
                record.time_ns - original.last_ns if original is not None else None,
                waited_ns,
                rto_ns,
                dup_acks,
                outstanding,
                acked,
                start,
                end,
                record.payload_bytes,
                original.acked_by if original is not None and acked else 0,
            )
        )
        self.roles[record.number].append("retransmission")
        if why in ("rack", "fast"):
            for sent, since_ns in own.maybe_probes:
                if sent.sacked and sent.start >= end:  # it was the SACK of the new octets that told of the loss
                    self.new_probes.append((own.role, sent.frame, since_ns, record.number))
            own.maybe_probes.clear()

"""The cheap way: totals of every session of a large file, without a finding and without a sentence.

A million frames want a microsecond or two each, so there is one loop here that reads only the header fields it needs,
at fixed places, and keeps two small ledgers a session. Nearly every segment is the next one in order; whatever is not
(SYN, FIN, RST, a gap, numbers seen before) goes a slower way. Checksums are not looked at, options neither; for what a
session *means* there is ``analyse``. What a session is, who is client, and what counts as sent again is as in
``lab.session``; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct

from lab.analysis.totals import Half, Running, SessionTotals, is_over, is_settled, lives, summed
from lab.session.fragments import Fragments
from lab.session.limits import Limits
from lab.session.observe import YOUNG_GAP_NS
from lab.session.side import Place, Side
from lab.session.states import State
from lab.wire.frame import Frame
from lab.wire.packet import Endpoint, Fragment, Packet, Segment
from lab.wire.parse import parse

FIN, SYN, RST, ACK = 1, 2, 4, 16
_MASK = 0xFFFFFFFF
_SERVER_PORTS = (7, 8080)
# What the loop reads of a frame: EtherType; of IPv4 version and IHL, total length, flags and fragment offset, protocol;
# the addresses with the ports behind them (the key); TCP's numbers, offset and flags, window.
_IPV4 = Struct("!12xHBxH2xHxB2x12sIIHH").unpack_from
_IPV6 = Struct("!18xH2x36sIIHH").unpack_from
MOST_RUNNING = 16_384
"""Sessions after which those that have ended are given away."""
AFTER_NS = 1_000_000_000
"""So long after its last frame a capture is taken to have ended (see ``lab.analysis.entry``)."""
_MAX_HOLES = Limits().max_holes


class Statistics:
    """Frames in, totals out. others: frames that are no TCP segment, or not one that can be read
    (of fragments, all but the one that completes it).

    keep: takes the totals of sessions that have ended for good, when there are many: then these are forgotten here.
    """

    def __init__(self, keep: Callable[[SessionTotals], None] | None = None) -> None:
        self._by_key: dict[bytes, Half] = {}
        self._running: dict[int, Running] = {}
        self._opened = 0
        self._keep = keep
        self._settle_at = MOST_RUNNING
        self._fragments = Fragments(Limits())
        self.frames = self.others = 0

    def take(self, frames: Iterable[tuple[int, bytes, int]]) -> None:
        """Count frames. Each is (time in ns, octets, length on the wire), as the first three members of a Frame."""
        by_key, ipv4, ipv6 = self._by_key, _IPV4, _IPV6
        count = 0
        for time_ns, data, length_bytes in frames:
            count += 1
            size = len(data)
            if size < 54:
                self._other(Frame(time_ns, data, length_bytes))
                continue
            ethertype, first, total, fragment, protocol, key, seq, ack, offset_flags, window = ipv4(data)
            if ethertype == 0x0800 and first == 0x45 and protocol == 6 and not fragment & 0x3FFF:
                length = total - 20 - (offset_flags >> 10 & 0x3C)
            elif ethertype == 0x86DD and size >= 74 and data[20] == 6:
                total, key, seq, ack, offset_flags, window = ipv6(data)
                length = total - (offset_flags >> 10 & 0x3C)
            else:
                self._other(Frame(time_ns, data, length_bytes))
                continue
            flags = offset_flags & 0xFF
            half = by_key.get(key)
            if half is None or flags & 7:
                half = self._control(half, key, time_ns, seq, ack, flags, length)
            elif length > 0:
                half.octets += length
                if seq == half.next and half.side is None:
                    half.next = (seq + length) & _MASK
                else:
                    _place(half, seq, length, length, time_ns)
            half.frames += 1
            half.ack = ack
            half.last_ns = time_ns
            if not window and not flags & 7:
                half.zero_windows += 1
            if half.waiting and flags & ACK and half.peer.syns:
                half.waiting = False
                session = half.totals
                if session.syn_ns is not None and half.syns == half.peer.syns == 1:
                    session.rtt_ns = time_ns - session.syn_ns
        self.frames += count

    def _other(self, frame: Frame) -> None:
        """IP options, extension headers, fragments, cut headers, other protocols: the parser knows them."""
        packet: Packet | None = parse(frame)
        if isinstance(packet, Fragment):
            packet = self._fragments.whole(packet, self._fragments.take(packet))
        if not isinstance(packet, Segment):
            self.others += 1
            return
        source, destination = packet.source, packet.destination
        key = (
            source.address + destination.address + source.port.to_bytes(2, "big") + destination.port.to_bytes(2, "big")
        )
        flags, length = int(packet.flags) & 0xFF, packet.payload_length
        half = self._control(self._by_key.get(key), key, frame.time_ns, packet.seq, packet.ack, flags, length)
        half.frames += 1
        half.ack = packet.ack
        half.last_ns = frame.time_ns

    def _control(
        self, half: Half | None, key: bytes, time_ns: int, seq: int, ack: int, flags: int, length: int
    ) -> Half:
        """A segment that opens, ends or is the first of its end; or any other that comes this way."""
        begins = flags & (SYN | ACK | RST) == SYN
        if half is None:
            half = self._open(key, time_ns, flags)
        elif begins and half.isn is not None and half.isn != seq and lives(half.totals):
            half.totals.stray_syn = (half, seq, time_ns)  # RFC 9293 §3.10.7.4: a challenge ACK, and it goes on
            return half
        elif begins and _begins_anew(half, seq):
            half = self._open(key, time_ns, flags)
        elif flags & (SYN | ACK | RST) == SYN | ACK and half.isn not in (None, seq):
            half = self._answered(half, key, time_ns, flags, ack)
        before = half.flags
        half.flags |= flags
        if flags & RST:
            half.rsts += 1
            if not half.totals.reset_by and _acceptable(half, seq, ack, flags):
                half.totals.reset_by = "client" if half.is_client else "server"
            return half
        if flags & SYN:
            half.syns += 1
            if half.isn is None:
                half.isn, half.next, half.started = seq, (seq + 1) & _MASK, True
            if half.is_client and half.totals.syn_ns is None:
                half.totals.syn_ns = time_ns
                half.waiting = True
            seq = (seq + 1) & _MASK
        if length > 0:
            half.octets += length
        if flags & FIN:
            half.fins += 1
            if half.fin_end is None:
                half.fin_end = (seq + max(0, length) + 1) & _MASK
        taken = max(0, length) + (1 if flags & FIN else 0)
        if taken:
            _place(half, seq, taken, max(0, length), time_ns)
        elif flags & SYN and half.syns > 1 and (before & ACK or not flags & ACK):
            half.again += 1
        return half

    def _open(self, key: bytes, time_ns: int, flags: int) -> Half:
        size = (len(key) - 4) // 2
        source = Endpoint(key[:size], int.from_bytes(key[-4:-2], "big"))
        destination = Endpoint(key[size:-4], int.from_bytes(key[-2:], "big"))
        from_client = _is_client(source.port, destination.port, flags)
        client, server = (source, destination) if from_client else (destination, source)
        if self._keep is not None and len(self._running) >= self._settle_at:
            self._settle(self._keep, time_ns)
        self._opened += 1
        session = self._running[self._opened] = Running(self._opened, client, server, time_ns)
        back = key[size : 2 * size] + key[:size] + key[-2:] + key[-4:-2]
        one, other = session.halves
        self._by_key[key], self._by_key[back] = (one, other) if from_client else (other, one)
        return self._by_key[key]

    def _answered(self, half: Half, key: bytes, time_ns: int, flags: int, ack: int) -> Half:
        """A SYN-ACK with another number: after the end, or if it answers a SYN that came while the session lived, a
        new one begins."""
        if is_over(half.totals):
            return self._open(key, time_ns, flags)
        whose, seq, syn_ns = half.totals.stray_syn or (half, 0, 0)
        if whose is half or ack != (seq + 1) & _MASK:
            return half
        half = self._open(key, syn_ns, flags)
        asker = half.peer
        asker.isn, asker.next, asker.started = seq, (seq + 1) & _MASK, True
        asker.frames, asker.syns, asker.flags = 1, 1, SYN
        half.totals.syn_ns, asker.waiting = syn_ns, True
        return half

    def sessions(self) -> list[SessionTotals]:
        """All sessions so far that were not given away, in the order in which they began."""
        end_ns = max((session.last_ns for session in self._running.values()), default=0) + AFTER_NS
        return [summed(session, end_ns) for session in self._running.values()]

    def _settle(self, keep: Callable[[SessionTotals], None], now_ns: int) -> None:
        """Give away what has ended, or has been silent so long that it is taken to have ended."""
        for session in [one for one in self._running.values() if is_settled(one, now_ns)]:
            keep(summed(session, now_ns))
            del self._running[session.order]
            ports = session.client.port.to_bytes(2, "big") + session.server.port.to_bytes(2, "big")
            key = session.client.address + session.server.address + ports
            back = session.server.address + session.client.address + ports[2:] + ports[:2]
            for one in (key, back):
                half = self._by_key.get(one)
                if half is not None and half.totals is session:  # the ports may have been used again
                    del self._by_key[one]
        self._settle_at = max(MOST_RUNNING, 2 * len(self._running))


def stats(frames: Iterable[Frame]) -> list[SessionTotals]:
    """The totals of every session of a capture."""
    statistics = Statistics()
    statistics.take(frame[:3] for frame in frames)
    return statistics.sessions()


def _is_client(source: int, destination: int, flags: int) -> bool:
    if flags & SYN and not flags & RST:
        return not flags & ACK
    for port in _SERVER_PORTS:
        if (source == port) != (destination == port):
            return destination == port
    return source >= destination


def _begins_anew(half: Half, seq: int) -> bool:
    if half.isn is not None:
        return half.isn != seq
    session = half.totals
    opened = any(end.syns for end in session.halves)
    return not opened or bool(session.reset_by) or all(end.syns for end in session.halves)


def _acceptable(half: Half, seq: int, ack: int, flags: int) -> bool:
    """As lab.session.control has it: the number is the next one, or what the peer has acknowledged up to it."""
    peer = half.peer
    if not half.started and peer.isn is not None:
        return bool(flags & ACK) and ack == peer.next
    if not half.started:
        return True
    acked = peer.ack if peer.frames else half.next
    return (seq - acked) & _MASK <= (half.next - acked) & _MASK or seq == half.next


def _place(half: Half, seq: int, taken: int, length: int, time_ns: int) -> None:
    """Numbers that are not simply the next ones: a side of lab.session keeps the gaps and says what they are."""
    if not half.started:
        half.started, half.next = True, seq
    side = half.side
    if side is None:
        if seq == half.next:
            half.next = (seq + taken) & _MASK
            return
        side = half.side = Side("", Endpoint(b"", 0), State.ESTABLISHED, _MAX_HOLES)
        side.isn = half.isn if half.isn is not None else (half.next - 1) & _MASK
        side.next_seq = 1
        side.next_seq = side.offset_of(half.next)
    start = side.offset_of(seq)
    probe = length == taken == 1 and start == side.next_seq - 1 and half.peer.ack == half.next
    if probe and half.fin_end is None:
        half.octets_old += length
        return  # a keep-alive with its octet
    place, new, since_ns = side.place(start, taken, time_ns)
    half.next = ((side.isn or 0) + side.next_seq) & _MASK
    half.octets_old += length - min(new, length)
    young_ns = max(YOUNG_GAP_NS, half.totals.rtt_ns or 0)
    if place is Place.FILLS and time_ns - since_ns <= young_ns:
        half.out_of_order += 1
    elif place in (Place.FILLS, Place.AGAIN):
        half.again += 1
    if not side.holes:
        half.side = None  # back to the quick way

"""What one TCP segment means for its session: the heart of the tracker.

The order is that of RFC 9293 §3.10.7.4: is it valid, is it a reset, a SYN; what does it acknowledge; what does it
carry; is it a FIN. The observer believes what he sees, but keeps the receiver's rules: a segment with a wrong
checksum changes nothing, a RST that is not acceptable does not end the session. Whatever doesn't fit is tagged and
becomes a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.session.acknowledge import acknowledge, window
from lab.session.control import is_garbage_probe, pure_ack, reset
from lab.session.events import Note
from lab.session.explain import explain
from lab.session.facts import Facts
from lab.session.side import Place
from lab.session.states import Happening, State

if TYPE_CHECKING:
    from lab.session.session import Session
    from lab.wire.packet import Segment

FIN, SYN, RST, ACK = 1, 2, 4, 16
_FLAG_WORDS: dict[int, str] = {}
LINE_BYTES = 4_096  # a longer segment is not kept for comparison with its echo
YOUNG_GAP_NS = 3_000_000
"""A gap filled within 3 ms (or the initial RTT): a frame out of order; later, one sent again, as Wireshark has it."""


def observe(session: Session, segment: Segment, late: bool = False) -> Note:
    """Take one segment into account.

    session: the session it belongs to, its frame already counted; late: whether the session was closed before.
    Returns the note for the frame.
    """
    sender = session.side_of(segment.source)
    facts = Facts(session, segment, sender, session.other(sender))
    sender.frames += 1
    if not sender.mac:
        sender.mac = segment.frame.data[6:12]
    if late:
        facts.trouble.append("late")
    flags = int(segment.flags)
    if _is_void(facts, flags):
        return _note(facts, flags)
    if flags & RST:
        reset(facts, flags)
    else:
        _segment(facts, flags)
    return _note(facts, flags)


def _segment(facts: Facts, flags: int) -> None:
    session, segment, sender = facts.session, facts.segment, facts.sender
    if flags & SYN:
        _syn(facts, flags)
        if sender.isn_seen and sender.isn != segment.seq:
            return  # it is answered with a challenge ACK, and nothing in it counts (RFC 9293 §3.10.7.4)
    facts.seq_rel = sender.offset_of(segment.seq)
    if sender.isn_seen and facts.seq_rel < 0:
        facts.seq_rel, facts.kind = None, _kind_by_flags(flags, segment.payload_length)
        facts.tag(
            "other-connection",
            f"The {sender.role} sent a number from before its initial one: of another connection between these ports.",
        )
        return
    if flags & ACK:
        acknowledge(facts)
    window(facts, flags)
    length = segment.payload_length + (1 if flags & SYN else 0) + (1 if flags & FIN and not flags & SYN else 0)
    if length:
        sender.last_was_probe = ""
        _sequence(facts, flags, length)
    elif flags & ACK:
        pure_ack(facts)
        session.note_history(sender, "a")
    else:
        facts.kind = "other"
        facts.tag(
            "odd-flags",
            f"The {sender.role} sent a segment with flags {segment.flags.words}: after the SYN all have ACK.",
        )
    if session.client_side.fin_acked and session.server_side.fin_acked:
        session.end(segment.frame.time_ns)


def _is_void(facts: Facts, flags: int) -> bool:
    """Whether the receiver will drop the segment unread, because a checksum is wrong. Also notes what the capture did
    to it.
    """
    segment, sender = facts.segment, facts.sender
    if segment.cut:
        facts.session.cut_frames += 1
        facts.tag("cut", "The capture cut frames: their last octets are missing.")
    problem = segment.problem or segment.options.problem
    if problem:
        facts.tag("odd-header", f"The {sender.role} sent a header that can't be read whole: {problem}.")
    status = segment.checksum_status
    if status == "partial":
        sender.partial_checksums += 1
        facts.tag(
            "partial-checksum",
            "The checksum was left to the network card (offload), so this is not what stood on the wire:"
            " ethtool -K eth0 tx off.",
        )
    if status == "bad":
        sender.bad_checksums += 1
        facts.session.note_history(sender, "c", repeat=True)
        facts.tag("bad-checksum", "The TCP checksum is wrong: the segment was damaged, and its receiver drops it.")
    elif not segment.ip_checksum_ok:
        facts.tag(
            "bad-ip-checksum", "The IPv4 header checksum is wrong: the packet was damaged, and its receiver drops it."
        )
    else:
        return False
    known = sender.isn is not None
    facts.seq_rel = sender.offset_of(segment.seq) if known else None
    facts.ack_rel = facts.peer.offset_of(segment.ack) if flags & ACK and facts.peer.isn is not None else None
    facts.kind = _kind_by_flags(flags, segment.payload_length)
    return True


def _kind_by_flags(flags: int, payload_length: int) -> str:
    if flags & RST:
        return "rst"
    if flags & SYN:
        return "syn-ack" if flags & ACK else "syn"
    if flags & FIN:
        return "fin"
    return "data" if payload_length else "ack" if flags & ACK else "other"


def _syn(facts: Facts, flags: int) -> None:
    """A SYN opens one side; a second one with the same number is a retransmission."""
    session, segment, sender, peer = facts.session, facts.segment, facts.sender, facts.peer
    if flags & FIN:
        facts.tag("odd-flags", f"The {sender.role} sent a segment with both SYN and FIN, which no TCP does.")
        session.note_history(sender, "q")
    facts.kind = "syn-ack" if flags & ACK else "syn"
    session.note_history(sender, "h" if flags & ACK else "s")
    if sender.isn_seen and sender.isn != segment.seq:
        facts.tag("state", f"The {sender.role} sent a SYN with another initial sequence number inside the session.")
        session.challenge_expected_from = peer.role
        return
    # RFC 9293 §3.5, figure 7: in a simultaneous open a SYN, ACK has the SYN's number once more, and is no repetition.
    joins = bool(flags & ACK) and session.simultaneous_open and sender.syn_count == 1
    facts.syn_again = sender.syn_count > 0 and not joins
    sender.syn_count += 1
    sender.begin(segment.seq)
    sender.syn_options = segment.options
    sender.syn_time_ns = segment.frame.time_ns
    if peer.syn_options is not None:
        own, other = segment.options.window_scale, peer.syn_options.window_scale
        # RFC 7323 §2.2, §2.3: scaling holds only if both SYNs offer it, and no shift is over 14.
        sender.shift = min(own, 14) if own is not None and other is not None else 0
        peer.shift = min(other, 14) if own is not None and other is not None else 0
    if not flags & ACK:
        if sender.role == "server" and not facts.syn_again:
            session.simultaneous_open = True
            facts.tag("simultaneous-open", "Both ends sent a SYN before they had the other's: a simultaneous open.")
            session.happens(sender, Happening.SENT_SYN)
            session.happens(sender, Happening.RECEIVED_SYN)
        elif sender.syn_acked and not facts.syn_again:
            facts.tag("out-of-order", f"Segments of the {sender.role} passed in another order than they were sent in.")
        elif not peer.syn_acked:
            session.happens(sender, Happening.SENT_SYN)
        session.happens(peer, Happening.RECEIVED_SYN)
    else:
        session.happens(sender, Happening.SENT_SYN_ACK)


def _sequence(facts: Facts, flags: int, length: int) -> None:
    """Data, SYN and FIN take sequence numbers: put them where they belong."""
    session, segment, sender, peer = facts.session, facts.segment, facts.sender, facts.peer
    start = facts.seq_rel or 0
    payload_length = segment.payload_length
    if not flags & SYN:
        facts.kind = "fin" if flags & FIN else "data"
        if not flags & FIN and payload_length == 1 and is_garbage_probe(facts, start):
            return
    facts.already_acked = start + length <= sender.acked
    if flags & SYN and not facts.syn_again and start + length <= sender.next_seq:
        return  # its answer passed before it, so its number was known already
    followed = sender.next_seq
    asks = payload_length == 1 and peer.window == 0 and not flags & (SYN | FIN) and start >= sender.acked
    place, new, since_ns = sender.place(start, length, segment.frame.time_ns)
    if place is Place.AHEAD:
        facts.gap_before = start - followed
        facts.tag(
            "gap", f"Octets of the {sender.role} were not seen before later ones: lost, late, or missed by the capture."
        )
        session.note_history(sender, "g", repeat=True)
    elif place is Place.FILLS:
        young = segment.frame.time_ns - since_ns <= max(YOUNG_GAP_NS, session.initial_rtt_ns or 0)
        if young:
            sender.out_of_order += 1
            facts.tag("out-of-order", f"Segments of the {sender.role} passed in another order than they were sent in.")
        else:
            _again(facts)
    elif place is Place.AGAIN and not asks:
        _again(facts)
    facts.new_octets = min(new, payload_length)
    sender.octets_new += facts.new_octets
    sender.octets_again += payload_length - facts.new_octets
    if asks:  # RFC 9293 §3.8.6.1: the next octet, again and again until there is room for it
        sender.probes += 1
        sender.last_was_probe = "zero-window-probe"
        facts.tag("zero-window-probe", f"The {sender.role} asked whether the closed window has opened.")
    if payload_length > sender.max_segment:
        sender.max_segment = payload_length
    if payload_length:
        session.note_history(sender, "d")
        _data(facts, start)
    if flags & FIN and not flags & SYN:
        _fin(facts, start + payload_length, place)
    if peer.right_edge is not None and start + payload_length > peer.right_edge and payload_length > 1 and new:
        facts.tag("window-exceeded", f"The {sender.role} sent more than the advertised window allows.")


def _again(facts: Facts) -> None:
    sender = facts.sender
    sender.retransmissions += 1
    if facts.segment.payload_length:
        facts.session.note_history(sender, "t", repeat=True)
    facts.tag("retransmission", f"The {sender.role} sent sequence numbers again.")


def _data(facts: Facts, start: int) -> None:
    session, segment, sender, peer = facts.session, facts.segment, facts.sender, facts.peer
    if sender.fin_offset is not None and start + segment.payload_length > sender.fin_offset and facts.new_octets:
        facts.tag("data-after-fin", f"The {sender.role} sent octets after its FIN.")
    if not facts.new_octets:
        return
    if sender.state is not State.ESTABLISHED and sender.state is not State.CLOSE_WAIT and facts.kind == "data":
        session.happens(sender, Happening.SENT_NEW_DATA)
    payload = segment.payload
    if peer.unanswered == 1 and sender.role == "server" and len(payload) == segment.payload_length:
        if payload == echo_of(peer.last_data_payload):
            facts.echo_of = peer.last_data_frame
        elif payload.rstrip(b"\r\n") == b"Good bye" and peer.last_data_payload.strip().lower() == b"quit":
            facts.echo_of = -peer.last_data_frame
    peer.unanswered = 0
    sender.unanswered += 1
    sender.last_data_frame = session.frames
    whole = len(payload) == segment.payload_length
    sender.last_data_payload = payload if whole and len(payload) <= LINE_BYTES else b""


def echo_of(octets: bytes) -> bytes | None:
    """The same text in capital letters, as the echo protocol answers it; None for nothing."""
    if not octets:
        return None
    try:
        return octets.decode().upper().encode()
    except UnicodeDecodeError:
        return octets.upper()


def _fin(facts: Facts, offset: int, place: Place) -> None:
    """A FIN ends its sender's side and takes the last sequence number (RFC 9293 §3.6)."""
    session, sender, peer = facts.session, facts.sender, facts.peer
    sender.fin_count += 1
    session.note_history(sender, "f")
    if sender.fin_offset is not None:
        facts.fin_again = True
        if sender.fin_offset != offset:
            facts.tag("fin-moved", f"The {sender.role} sent a second FIN at another place than the first.")
        return
    sender.fin_offset = offset
    if session.first_closer is None:
        session.first_closer = "client" if sender.role == "client" else "server"
    ack_rel = facts.ack_rel
    unaware = peer.fin_offset is not None and (ack_rel is None or ack_rel <= peer.fin_offset)
    facts.crossing = unaware and peer.fin_delivered
    if unaware:
        session.simultaneous_close = True
        facts.tag("simultaneous-close", "Both ends sent a FIN before they had the other's: a simultaneous close.")
    session.happens(sender, Happening.SENT_CROSSING_FIN if facts.crossing else Happening.SENT_FIN)
    if place is Place.NEXT or not sender.holes:
        sender.fin_delivered = True
        session.happens(peer, Happening.RECEIVED_FIN)


def _note(facts: Facts, flags: int) -> Note:
    session, segment = facts.session, facts.segment
    words = _FLAG_WORDS.get(flags)
    if words is None:
        words = _FLAG_WORDS[flags] = segment.flags.words  # at most 512 of them
    role = facts.sender.role
    return Note(
        facts.kind,
        "client" if role == "client" else "server",
        explain(facts),
        words,
        segment.seq,
        segment.ack if flags & ACK else None,
        facts.seq_rel,
        facts.ack_rel,
        segment.payload_length,
        segment.payload,
        facts.window_bytes,
        tuple(facts.trouble),
        session.client_side.state.value,
        session.server_side.state.value,
    )

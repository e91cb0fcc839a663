"""What a segment says about the other direction: its acknowledgment and its window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.session.states import Happening, State

if TYPE_CHECKING:
    from lab.session.facts import Facts

FIN, SYN = 1, 2
PLAUSIBLE = 1 << 30
"""No window is larger (RFC 7323 §2.3), so nothing further ahead can have been received."""


def acknowledge(facts: Facts) -> None:
    """Take the acknowledgment number into account: the peer's octets below it have arrived (RFC 9293 §3.10.7.4)."""
    session, sender, peer, segment = facts.session, facts.sender, facts.peer, facts.segment
    ack_rel = facts.ack_rel = peer.offset_of(segment.ack)
    if _is_nonsense(facts, ack_rel):
        session.challenge_expected_from = ""
        facts.tag(
            "handshake-ack-number",
            f"The {sender.role} acknowledged a number that the {peer.role} never sent: it belongs to an older"
            " connection.",
        )
        facts.ack_rel = ack_rel if ack_rel >= 0 else None
        return
    if ack_rel > peer.next_seq:
        if not peer.frames:
            peer.missing += ack_rel - peer.next_seq  # one side seen only: the certificate counts it, no frame is blamed
            peer.next_seq = ack_rel
        else:
            facts.tag(
                "ack-of-unseen",
                f"The {sender.role} acknowledged octets of the {peer.role} that the capture doesn't hold.",
            )
    is_syn = int(segment.flags) & SYN
    _imply_syn_ack(facts, bool(is_syn))
    if is_syn:
        session.happens(peer, Happening.RECEIVED_SYN_ACK)
    if ack_rel >= 1 and not peer.syn_acked:
        peer.syn_acked = facts.acks_syn = True
        session.happens(peer, Happening.RECEIVED_ACK_OF_SYN)
        _handshake_done(facts)
    if ack_rel > peer.acked:
        facts.ack_advanced = True
        had_fin_acked = peer.fin_acked
        peer.acked = ack_rel
        if peer.fin_acked and not had_fin_acked:
            facts.acks_fin = True
            if not peer.fin_delivered:
                peer.fin_delivered = True
                session.happens(sender, Happening.RECEIVED_FIN)
            session.happens(peer, Happening.RECEIVED_ACK_OF_FIN)
    elif segment.options.sack_blocks:
        _duplicate_sack(facts, ack_rel)
    sender.ack_sent = ack_rel


def _is_nonsense(facts: Facts, ack_rel: int) -> bool:
    """Whether the number acknowledges what can't have been sent: RFC 9293 §3.10.7.3 calls it unacceptable."""
    peer = facts.peer
    if not peer.syn_acked and peer.isn_seen:
        return (
            not 1 <= ack_rel <= peer.next_seq + PLAUSIBLE
            if peer.role == "server"
            else not 1 <= ack_rel <= peer.next_seq
        )
    return ack_rel > peer.next_seq + PLAUSIBLE or (peer.isn_seen and ack_rel < 0)


def _imply_syn_ack(facts: Facts, is_syn: bool) -> None:
    """Somebody goes on as if the server's SYN-ACK had passed, but the capture doesn't hold it: the states follow the
    evidence.
    """
    session = facts.session
    client, server = session.client_side, session.server_side
    if server.state is not State.LISTEN or is_syn or session.midstream:
        return
    facts.missed_syn_ack = True
    facts.trouble.append("syn-ack-unseen")
    session.findings_by_rule.add(
        "syn-ack-unseen",
        "The server's SYN-ACK is not in the capture, but what follows shows that it was sent.",
        session.frames,
    )
    session.happens(server, Happening.SENT_SYN_ACK)
    session.happens(client, Happening.RECEIVED_SYN_ACK)
    client.syn_acked = True


def _handshake_done(facts: Facts) -> None:
    """The time from SYN to the ACK is the first round trip; not if one was sent again, for then it can't be told which
    was answered, nor if the clock was set back between the two.
    """
    session = facts.session
    client, server = session.client_side, session.server_side
    if facts.sender.role == "client" and client.syn_count == 1 and server.syn_count == 1:
        took_ns = facts.segment.frame.time_ns - client.syn_time_ns
        session.initial_rtt_ns = took_ns if took_ns >= 0 else None


def _duplicate_sack(facts: Facts, ack_rel: int) -> None:
    """A first SACK block below the acknowledgment reports octets that arrived twice (RFC 2883 §4)."""
    left = facts.peer.offset_of(facts.segment.options.sack_blocks[0][0])
    if left < ack_rel:
        facts.tag("d-sack", f"The {facts.sender.role} reported octets that arrived twice (D-SACK).")


def window(facts: Facts, flags: int) -> None:
    """The advertised window: how much more the sender of this segment will take (RFC 9293 §3.8.6, scaled by RFC 7323
    §2).
    """
    sender, raw = facts.sender, facts.segment.window
    facts.window_was = sender.window
    # The window of a SYN is never scaled (RFC 7323 §2.2).
    shift = 0 if flags & SYN else sender.shift
    if shift is not None:
        facts.window_bytes = raw << shift
        if facts.ack_rel is not None and facts.peer.acked >= facts.ack_rel:
            edge = facts.ack_rel + facts.window_bytes
            if sender.right_edge is None or edge > sender.right_edge:
                sender.right_edge = edge
    if facts.ack_rel is not None and facts.ack_rel < facts.peer.acked:
        return  # an older segment that was overtaken says nothing about the window now
    sender.window = raw
    if raw == 0 and not flags & (SYN | FIN):
        sender.zero_windows += 1
        facts.session.note_history(sender, "w", repeat=True)
        facts.tag("zero-window", f"The {sender.role} closed its window: it can take no more for now.")

"""Segments that carry nothing new: acknowledgments, window updates, keep-alives, zero-window probes, and resets.

They take no sequence numbers, so what they are shows only against what went before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.session.states import Happening, State

if TYPE_CHECKING:
    from lab.session.facts import Facts

FIN, SYN, ACK = 1, 2, 16


def pure_ack(facts: Facts) -> None:
    """A segment without data, SYN, FIN or RST: an acknowledgment, a window update, a keep-alive or a probe."""
    session, sender, peer = facts.session, facts.sender, facts.peer
    start = facts.seq_rel
    before = sender.next_seq - 1
    if start == before and sender.fin_offset != before and sender.syn_acked and sender.frames > 1:
        _probe(facts)
        return
    if start is not None and start > sender.next_seq and (sender.isn_seen or sender.frames > 1):
        facts.gap_before = start - sender.next_seq
        sender.place(start, 0, facts.segment.frame.time_ns)
        facts.tag(
            "gap", f"Octets of the {sender.role} were not seen before later ones: lost, late, or missed by the capture."
        )
    sender.last_was_probe = ""
    if facts.acks_syn and sender.role == "client" and not session.midstream:
        facts.kind = "handshake-ack"
        return
    if peer.last_was_probe and not facts.ack_advanced:
        peer.last_was_probe = ""
        # An answer with another window says more than that its sender is there: most of all that a closed one is open.
        if facts.window_was == facts.segment.window:
            facts.answers_probe = True
            return
    if session.challenge_expected_from == sender.role and not facts.ack_advanced:
        facts.challenge = True
        session.challenge_expected_from = ""
        facts.tag("challenge-ack", f"The {sender.role} answered a segment it didn't accept with a challenge ACK.")
        return
    if facts.ack_advanced or facts.ack_rel is None or facts.window_was is None:
        return
    if facts.ack_rel < peer.acked:
        facts.trouble.append("old-ack")
        return
    if peer.next_seq > facts.ack_rel and (
        facts.window_was == facts.segment.window or facts.segment.options.sack_blocks
    ):
        sender.dup_acks += 1
        facts.tag("dup-ack", f"The {sender.role} acknowledged the same octet again while later ones were under way.")
    elif facts.window_was != facts.segment.window:
        sender.window_updates += 1
        facts.kind = "window-update"


def _probe(facts: Facts) -> None:
    """One sequence number back: a keep-alive, or with a closed window the zero-window probe as Linux sends it."""
    sender, peer = facts.sender, facts.peer
    facts.kind = "keep-alive"
    if peer.window == 0:
        sender.probes += 1
        sender.last_was_probe = "zero-window-probe"
        facts.tag("zero-window-probe", f"The {sender.role} asked whether the closed window has opened.")
    else:
        sender.keep_alives += 1
        sender.last_was_probe = "keep-alive"
        facts.tag("keep-alive", f"The {sender.role} asked whether the other end is still there.")


def reset(facts: Facts, flags: int) -> None:
    """A RST ends the connection, if it is acceptable."""
    session, segment, sender, peer = facts.session, facts.segment, facts.sender, facts.peer
    facts.kind = "rst"
    sender.rst_count += 1
    session.note_history(sender, "q" if flags & SYN else "i" if flags & FIN else "r")
    if flags & (SYN | FIN):
        facts.tag("odd-flags", f"The {sender.role} sent a segment with flags {segment.flags.words}, which no TCP does.")
    facts.seq_rel = sender.offset_of(segment.seq) if sender.isn is not None else None
    facts.ack_rel = peer.offset_of(segment.ack) if flags & ACK and peer.isn is not None else None
    if not _acceptablereset(facts):
        session.challenge_expected_from = peer.role
        facts.tag(
            "rst-not-acceptable",
            f"The {sender.role} sent a RST with a number that doesn't fit: its receiver ignores it.",
        )
        return
    facts.rst_refuses = sender.role == "server" and not session.established and not sender.syn_count
    facts.rst_again = session.reset_by is not None
    if not session.over:
        session.reset_by = "client" if sender.role == "client" else "server"
    session.happens(sender, Happening.SENT_RST)
    session.happens(peer, Happening.RECEIVED_RST)
    session.end(segment.frame.time_ns)


def _acceptablereset(facts: Facts) -> bool:
    """RFC 9293 §3.10.7.3 and §3.10.7.4 (RFC 5961 §3): the number must be the next expected, in SYN-SENT the ACK must
    fit.
    """
    sender, peer = facts.sender, facts.peer
    if peer.state is State.SYN_SENT:
        return facts.ack_rel is not None and 0 < facts.ack_rel <= peer.next_seq
    if facts.seq_rel is None:
        return True
    # The receiver expects what it has acknowledged, or anything up to what has passed since.
    return min(sender.acked, sender.next_seq) <= facts.seq_rel <= max(sender.acked, sender.next_seq)


def is_garbage_probe(facts: Facts, start: int) -> bool:
    """A keep-alive or probe may carry one octet that was acknowledged long ago (RFC 9293 §3.8.4)."""
    sender = facts.sender
    if start == sender.next_seq - 1 and sender.acked == sender.next_seq and start > 0 and sender.fin_offset is None:
        sender.octets_again += 1
        _probe(facts)
        return True
    return False

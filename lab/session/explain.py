"""The sentence for a segment: what it is and which rule it follows, in plain English.

It stands in the packet comment of the file and under the arrow of the ladder. It must be true for every segment,
odd ones too: so it says what was seen, and where a cause can't be known it names the possible ones. Octets are
counted from 1; the SYN is number 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.session.explain_handshake import explain_handshake_ack, explain_syn, explain_syn_ack
from lab.session.words import count, octets, quote

if TYPE_CHECKING:
    from lab.session.facts import Facts


def explain(facts: Facts) -> str:
    """The comment for one segment: one or a few short sentences."""
    trouble = facts.trouble
    if not trouble:
        return _WORDS[facts.kind](facts)
    if "bad-checksum" in trouble or "bad-ip-checksum" in trouble:
        text = _damaged(facts)
    elif "other-connection" in trouble:
        text = (
            f"{facts.segment.flags.words} of the {facts.sender.role}, but not of this session: sequence number"
            f" {facts.segment.seq} lies before its initial one. It may belong to an older connection between these"
            " ports that is still alive (RFC 9293 §3.10.7.4)."
        )
    else:
        text = _WORDS[facts.kind](facts)
    if "late" in trouble:
        text = "After the session had been closed: " + text
    if "partial-checksum" in trouble:
        text += " Its checksum is not made yet: the network card was to do it (offload)."
    if "cut" in trouble:
        text += (
            f" The capture cut this frame: {len(facts.segment.frame.data)} of"
            f" {facts.segment.frame.length_bytes} octets are here."
        )
    if "zero-window" in trouble:
        text += f" Window 0: the {facts.sender.role} can take no more data for now (RFC 9293 §3.8.6)."
    if "d-sack" in trouble:
        text += " Its first SACK block reports octets that arrived twice (D-SACK, RFC 2883)."
    if "window-exceeded" in trouble:
        text += f" That is more than the {facts.peer.role} has advertised room for."
    if "ack-of-unseen" in trouble:
        text += f" It acknowledges octets of the {facts.peer.role} that this capture doesn't hold."
    if "handshake-ack-number" in trouble:
        text += (
            f" Its acknowledgment number {facts.segment.ack} belongs to nothing that the {facts.peer.role}"
            " sent in this session."
        )
    if "odd-header" in trouble:
        text += f" Its header is odd: {facts.segment.problem or facts.segment.options.problem}."
    return text


def _damaged(facts: Facts) -> str:
    which = "TCP" if "bad-checksum" in facts.trouble else "IPv4 header"
    return (
        f"Damaged: the {which} checksum is wrong, so the {facts.peer.role} drops this segment"
        f" ({facts.segment.flags.words}, {count(facts.segment.payload_length, 'octet')} of data) unread (RFC"
        " 9293 §3.1)."
    )


def _data(facts: Facts) -> str:
    role, segment = facts.sender.role, facts.segment
    which = octets(facts.seq_rel or 0, segment.payload_length)
    text = quote(segment.payload) if segment.payload else "(not captured)"
    trouble = facts.trouble
    if "retransmission" in trouble:
        return _again(facts, which, text)
    said = f"Data: the {role} sends {which} of its stream: {text}."
    if "zero-window-probe" in trouble:
        said = (
            f"Zero-window probe: the {facts.peer.role}'s window is closed, and the {role} tries {which} of its"
            " stream to learn"
            f" whether it has opened: {text} (RFC 9293 §3.8.6.1)."
        )
    if facts.gap_before:
        said += _gap(facts)
    elif "out-of-order" in trouble:
        said += " It was sent before segments that passed earlier: out of order. The receiver puts it in its place."
    if facts.echo_of > 0:
        said += f" This is the client's text of frame {facts.echo_of} in capital letters: the echo."
    elif facts.echo_of < 0:
        said += f" This answers the quit of frame {-facts.echo_of}: the server is about to end the connection."
    return said + _handshake_too(facts) + _piggyback(facts)


def _again(facts: Facts, which: str, text: str) -> str:
    role = facts.sender.role
    said = f"Retransmission: the {role} sends {which} of its stream again: {text} (RFC 9293 §3.8.1)."
    if facts.already_acked:
        said += f" The {facts.peer.role} had acknowledged them already."
    elif facts.new_octets == facts.segment.payload_length:
        said += " They did not pass this tap before: the first copy was lost on its way here, or missed by the capture."
    elif facts.new_octets:
        said += f" {count(facts.new_octets, 'octet')} of it had not been seen before."
    return said + _piggyback(facts)


def _gap(facts: Facts) -> str:
    return (
        f" {count(facts.gap_before, 'sequence number')} before it"
        f" {'was' if facts.gap_before == 1 else 'were'} not seen: late, lost, or missed by the capture."
    )


def _handshake_too(facts: Facts) -> str:
    return (
        " With its ACK the handshake is complete."
        if facts.acks_syn and facts.sender.role == "client" and not facts.session.midstream
        else ""
    )


def _piggyback(facts: Facts) -> str:
    """What a segment with data acknowledges besides."""
    if not facts.ack_advanced or facts.ack_rel is None:
        return ""
    if facts.acks_fin:
        return f" It also acknowledges the {facts.peer.role}'s FIN."
    if facts.ack_rel < 2:
        return ""
    return f" It also acknowledges the {facts.peer.role}'s octets up to {facts.ack_rel - 1}."


def _ack(facts: Facts) -> str:
    role, peer, ack_rel = facts.sender.role, facts.peer, facts.ack_rel
    if "handshake-ack-number" in facts.trouble or ack_rel is None:
        return f"ACK from the {role}."
    trouble = facts.trouble
    if facts.answers_probe:
        return f"ACK: the {role} answers that it is there and still expects {_next(facts)} (RFC 9293 §3.8.4)."
    if facts.challenge:
        return (
            f"Challenge ACK: the {role} did not accept the segment before; it says what it expects,"
            f" {_next(facts)} (RFC 9293 §3.10.7.4)."
        )
    if "dup-ack" in trouble:
        return f"Duplicate ACK: the {role} still expects {_next(facts)}; something after it has arrived (RFC 5681 §2)."
    if "old-ack" in trouble:
        return f"ACK up to {_received(ack_rel)}: older than one seen before, so it was overtaken or sent again."
    if facts.acks_fin:
        return f"ACK: the {role} acknowledges the {peer.role}'s FIN (RFC 9293 §3.6)." + _end_of_session(facts)
    if facts.session.midstream and facts.sender.frames + peer.frames == 1:
        return (
            f"ACK from the {role}, in the middle of a connection whose beginning was not captured: octets"
            " are counted from here."
        )
    if peer.fin_acked and not facts.ack_advanced:
        return f"ACK: the {role} acknowledges the {peer.role}'s FIN once more."
    if facts.gap_before:
        return f"ACK: the {role} has received {_received(ack_rel)}." + _gap(facts)
    if not facts.ack_advanced:
        return f"ACK: the {role} says again that it has received {_received(ack_rel)} and expects {_next(facts)}."
    return f"ACK: the {role} has received {_received(ack_rel)}; it expects {_next(facts)} next (RFC 9293 §3.4)."


def _received(ack_rel: int) -> str:
    if ack_rel < 2:
        return "no data so far"
    return "octet 1" if ack_rel == 2 else f"octets 1 to {ack_rel - 1}"


def _next(facts: Facts) -> str:
    peer, ack_rel = facts.peer, facts.ack_rel
    if peer.fin_offset is not None and ack_rel is not None and ack_rel > peer.fin_offset:
        return "nothing more"
    return f"octet {ack_rel}"


def _end_of_session(facts: Facts) -> str:
    session = facts.session
    if not (session.client_side.fin_acked and session.server_side.fin_acked):
        return (
            f" The {facts.peer.role} sends no more; the {facts.sender.role} still may (half-close)."
            if not facts.sender.fin_count
            else ""
        )
    return " Both sides are closed now."


def _window_update(facts: Facts) -> str:
    size = facts.window_bytes
    now = f"{size} octets" if size is not None else f"{facts.segment.window} (in units that the unseen SYN set)"
    was = facts.window_was or 0
    if not was:
        return f"Window update: the {facts.sender.role} can take data again; its window is now {now} (RFC 9293 §3.8.6)."
    change = "more" if facts.segment.window > was else "less"
    return (
        f"Window update: the {facts.sender.role} can take {change} than it said before; its window is now"
        f" {now} (RFC 9293 §3.8.6)."
    )


def _keep_alive(facts: Facts) -> str:
    role, peer = facts.sender.role, facts.peer.role
    carried = " It carries one octet that was acknowledged before." if facts.segment.payload_length else ""
    if "zero-window-probe" in facts.trouble:
        return (
            f"Zero-window probe: the {peer}'s window is closed, and the {role} asks whether it has opened. Its"
            " sequence number is one"
            f" back, so that it must be answered (RFC 9293 §3.8.6.1).{carried}"
        )
    return (
        f"Keep-alive: the {role} asks whether the {peer} is still there. Its sequence number is one back, so"
        " that it must be answered"
        f" (RFC 9293 §3.8.4).{carried}"
    )


def _fin(facts: Facts) -> str:
    sender, peer, segment = facts.sender, facts.peer, facts.segment
    role, carried = sender.role, segment.payload_length
    if facts.fin_again:
        again = f"FIN from the {role} again: the acknowledgment of the first one has not arrived (RFC 9293 §3.8.1)."
        if facts.already_acked:
            again = (
                f"FIN from the {role} again, although the {peer.role} had acknowledged it: that ACK was"
                " late or got lost on its way."
            )
        return again + _piggyback(facts)
    if facts.crossing or "simultaneous-close" in facts.trouble:
        text = (
            f"FIN from the {role}, sent before it had the {peer.role}'s: a simultaneous close; both will"
            " hold TIME_WAIT (RFC 9293 §3.6)."
        )
    elif peer.fin_offset is not None:
        text = (
            f"FIN from the {role}, which closes second: it waits for the last ACK, in LAST-ACK, and keeps no"
            " TIME_WAIT (RFC 9293 §3.6)."
        )
    else:
        text = (
            f"FIN from the {role}, which closes first: it will hold TIME_WAIT (RFC 9293 §3.6). It takes one"
            " sequence number."
        )
    if carried:
        text += f" It carries {octets(facts.seq_rel or 0, carried)} of its stream: {quote(segment.payload)}."
    if facts.gap_before:
        text += _gap(facts)
    if facts.echo_of > 0:
        text += f" This is the client's text of frame {facts.echo_of} in capital letters: the echo."
    elif facts.echo_of < 0:
        text += f" It answers the quit of frame {-facts.echo_of}."
    return text + _handshake_too(facts) + _piggyback(facts)


def _rst(facts: Facts) -> str:
    role, peer, session = facts.sender.role, facts.peer, facts.session
    if "rst-not-acceptable" in facts.trouble:
        return (
            f"RST from the {role} with a number that the {peer.role} doesn't expect: it is ignored (RFC 9293"
            " §3.10.7.4)."
        )
    if facts.rst_refuses:
        return (
            "RST: the server refuses the connection, as a host does when nothing listens on that port (RFC"
            " 9293 §3.5.2)."
        )
    if session.client_side.fin_acked and session.server_side.fin_acked:
        return (
            f"RST from the {role} after both sides had closed: it has no memory of the connection left (RFC"
            " 9293 §3.5.2)."
        )
    if facts.rst_again:
        return f"RST from the {role}: one more, the connection is reset already."
    text = f"RST: the {role} ends the connection at once; what is still under way may be lost (RFC 9293 §3.5.3)."
    if peer.fin_offset is not None:
        text += f" The {peer.role} had sent a FIN before."
    return text


def _other(facts: Facts) -> str:
    return (
        f"A segment of the {facts.sender.role} with flags {facts.segment.flags.words}: without ACK, SYN and RST"
        " its receiver drops it"
        " (RFC 9293 §3.10.7.4)."
    )


_WORDS = {
    "syn": explain_syn,
    "syn-ack": explain_syn_ack,
    "handshake-ack": explain_handshake_ack,
    "data": _data,
    "ack": _ack,
    "fin": _fin,
    "rst": _rst,
    "keep-alive": _keep_alive,
    "window-update": _window_update,
    "other": _other,
}

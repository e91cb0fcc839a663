"""The sentences for the three segments that open a connection (RFC 9293 §3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.session.words import count

if TYPE_CHECKING:
    from lab.session.facts import Facts


def explain_syn(facts: Facts) -> str:
    """A SYN without ACK: the first of the three, or the same again."""
    role, segment = facts.sender.role, facts.segment
    if facts.sender.isn != segment.seq:
        return (
            f"SYN inside the connection, with sequence number {segment.seq}: the {facts.peer.role} answers it"
            " with a challenge ACK"
            " and changes nothing (RFC 9293 §3.10.7.4)."
        )
    if facts.syn_again:
        return (
            f"SYN again: the {role} got no answer to its SYN and repeats it with the same initial sequence"
            f" number {segment.seq} (RFC 9293 §3.8.1)."
        )
    if "simultaneous-open" in facts.trouble:
        text = f"SYN from the {role} as well, sent before it had the client's: a simultaneous open (RFC 9293 §3.5)."
    else:
        text = (
            f"SYN: the {role} asks to open a connection and announces its initial sequence number {segment.seq}"
            " (RFC 9293 §3.5)."
            " It takes one sequence number."
        )
    return text + _syn_extras(facts)


def explain_syn_ack(facts: Facts) -> str:
    """The second of the three."""
    role, segment, peer = facts.sender.role, facts.segment, facts.peer
    if facts.sender.isn != segment.seq:
        return (
            f"SYN, ACK with another initial sequence number, {segment.seq}, inside the connection: the"
            f" {peer.role} does not accept it."
        )
    if facts.syn_again:
        return (
            f"SYN, ACK again: the {role} repeats its SYN, whose acknowledgment it hasn't seen (RFC 9293 §3.8.1)."
            + _acknowledges_syn(facts)
        )
    if facts.session.simultaneous_open:
        return (
            f"SYN, ACK: the {role} repeats its SYN and acknowledges the {peer.role}'s, as a simultaneous"
            " open asks for (RFC 9293 §3.5)."
        )
    if "handshake-ack-number" in facts.trouble:
        return f"SYN, ACK from the {role} with initial sequence number {segment.seq}."
    if not peer.isn_seen:
        return (
            f"SYN, ACK: the {role} agrees to open a connection; the {peer.role}'s SYN is not in this capture."
            " It announces its own initial"
            f" sequence number {segment.seq} (RFC 9293 §3.5)." + _syn_extras(facts)
        )
    return (
        f"SYN, ACK: the {role} agrees to open the connection, acknowledges the {peer.role}'s SYN and announces"
        " its own initial sequence"
        f" number {segment.seq} (RFC 9293 §3.5)." + _syn_extras(facts)
    )


def _acknowledges_syn(facts: Facts) -> str:
    return f" It acknowledges the {facts.peer.role}'s SYN." if facts.ack_rel == 1 else ""


def _syn_extras(facts: Facts) -> str:
    segment, options = facts.segment, facts.segment.options
    offers = []
    if options.mss_bytes is not None:
        offers.append(f"segments of up to {options.mss_bytes} octets (MSS)")
    if options.window_scale is not None:
        offers.append(f"window scale {options.window_scale}")
    if options.sack_permitted:
        offers.append("SACK")
    if options.timestamps is not None:
        offers.append("timestamps")
    text = f" Its options: {', '.join(offers)}." if offers else ""
    if segment.payload_length:
        text += f" It carries {count(segment.payload_length, 'octet')} of data already (TCP Fast Open, RFC 7413)."
    return text


def explain_handshake_ack(facts: Facts) -> str:
    """The third of the three."""
    if facts.missed_syn_ack:
        return (
            "ACK: the client acknowledges a SYN of the server that is not in this capture; with it, the"
            " handshake is complete (RFC 9293 §3.5)."
        )
    return (
        "ACK: the client acknowledges the server's SYN. The handshake is complete: both ends are ESTABLISHED"
        " (RFC 9293 §3.5)."
    )

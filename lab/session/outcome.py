"""What is said of a session as a whole: the verdict, Zeek's words for the same, and the certificate.

The certificate is a promise to a grader: nothing of this session is missing from the file. Where it is withheld,
each reason says what is missing and how to take the capture again, so that nobody blames the student for the tap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.session.words import count

if TYPE_CHECKING:
    from lab.session.session import Session
    from lab.session.side import Side


@dataclass(frozen=True, slots=True)
class Certificate:
    """complete: whether nothing is missing; reasons: why not, each a sentence; empty if it is complete."""

    complete: bool
    reasons: tuple[str, ...] = ()


def verdict(session: Session) -> str:
    """complete, reset, refused, half-open, midstream or cut; ``open`` while the session runs."""
    if not session.closed_because:
        return "open"
    if not session.over and session.closed_because == "stop":
        return "cut"
    if session.midstream:
        return "midstream"
    if _both_fins_acked(session):
        return "complete"
    if session.reset_by is not None:
        refused = session.reset_by == "server" and not session.server_side.syn_count and not session.established
        return "refused" if refused else "reset"
    if session.refused_by_icmp and not session.server_side.syn_count:
        return "refused"
    return "cut" if session.established else "half-open"


def zeek_state(session: Session) -> str:
    """conn_state as in Zeek's base/protocols/conn: what the two ends had done when the session was given up."""
    if session.midstream:
        return "OTH"
    client, server = _zeek_end(session, session.client_side), _zeek_end(session, session.server_side)
    silent = ("INACTIVE", "PARTIAL")
    if server == "RESET":
        if client == "SYN_SENT":
            return "REJ"
        return "RSTRH" if client in silent else "RSTR"
    if client == "RESET":
        return "RSTOS0" if server in silent else "RSTO"
    if client == server == "CLOSED":
        return "SF"
    if client == "CLOSED":
        return "SH" if server in silent else "S2"
    if server == "CLOSED":
        return "SHR" if client in silent else "S3"
    if client == "SYN_SENT" and server == "INACTIVE":
        return "S0"
    return "S1" if client == server == "ESTABLISHED" else "OTH"


def _zeek_end(session: Session, side: Side) -> str:
    """Zeek's own, coarser state of one end: there, an end that sent a FIN is closed, and a SYN-ACK establishes both."""
    if session.reset_by == side.role:
        return "RESET"
    if side.fin_offset is not None:
        return "CLOSED"
    if not side.frames:
        return "INACTIVE"
    if not side.syn_count:
        return "PARTIAL"
    return "ESTABLISHED" if session.other(side).syn_count else "SYN_SENT"


def certify(session: Session) -> Certificate:
    """Decide on the certificate: docs/captures.md tells what it demands.

    The handshake's third part is any ACK of the SYN-ACK, also one with data (RFC 9293 §3.5): whether a pure one was
    lost before the tap or never sent, nobody can tell, and nothing is missing without it.
    """
    client, server = session.client_side, session.server_side
    reasons = _unopened(session)
    for side in (client, server):
        missing = side.missing_octets
        if missing:
            reasons.append(
                f"{count(missing, 'sequence number')} of the {side.role} {'is' if missing == 1 else 'are'}"
                " missing from the"
                " capture: take the session again, with a lighter load on the tap."
            )
    if session.reset_by is None and session.established:
        reasons += _unfinished(session)
    if session.cut_frames:
        reasons.append(
            f"{count(session.cut_frames, 'frame')} {'was' if session.cut_frames == 1 else 'were'} cut by the capture:"
            " capture whole frames (snaplen 0 or 262144) and take the session again."
        )
    if session.kernel_drops:
        reasons.append(
            f"The kernel dropped {count(session.kernel_drops, 'frame')} while this session ran, so it can't be"
            " told whether all of it"
            " is here: give the tap a larger ring and take the session again."
        )
    return Certificate(not reasons, tuple(reasons))


def _unopened(session: Session) -> list[str]:
    """What is missing of the handshake."""
    if session.midstream:
        return [
            "The beginning of the connection is not in the capture: start the tap first, then open a new connection."
        ]
    reasons = []
    if not session.client_side.syn_count:
        reasons.append("The client's SYN is not in the capture: start the tap first, then open a new connection.")
    if not session.server_side.syn_count:
        reasons.append(_no_syn_ack(session))
    elif not session.established:
        reasons.append(
            "The ACK that completes the handshake is not in the capture: the server's SYN-ACK was never"
            " answered; connect again."
        )
    return reasons


def _no_syn_ack(session: Session) -> str:
    if session.reset_by == "server":
        return "There was no handshake: the server refused the connection; start the server and connect again."
    return (
        "The server's SYN-ACK is not in the capture: check that the server runs, and that its tap sees it;"
        " then connect again."
    )


def _unfinished(session: Session) -> list[str]:
    """What is missing of the end, where no RST explains it."""
    reasons = []
    for side in (session.client_side, session.server_side):
        other = session.other(side).role
        if side.fin_offset is None:
            reasons.append(
                f"The {side.role} sent no FIN that the capture holds: end the conversation (quit), and let the"
                " tap run on."
            )
        elif not side.fin_acked:
            reasons.append(
                f"The {other} did not acknowledge the {side.role}'s FIN: let the tap run until both sides are closed."
            )
    return reasons


def _both_fins_acked(session: Session) -> bool:
    return session.client_side.fin_acked and session.server_side.fin_acked

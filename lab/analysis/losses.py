"""Findings about losses: what was sent again and why, what came twice, and what came in another order."""

from __future__ import annotations

from itertools import pairwise

from lab.analysis.flow import Again
from lab.analysis.kinds import finding
from lab.analysis.model import Finding, FrameRecord, Retransmission, Role
from lab.analysis.sightings import Differs
from lab.analysis.walk import Walk
from lab.analysis.words import duration
from lab.session.session import Session
from lab.session.words import octets

_SLUGS = {
    "timeout": "retransmission-timeout",
    "fast": "retransmission-fast",
    "rack": "retransmission-rack",
    "recovery": "retransmission-recovery",
    "tail-loss-probe": "retransmission-tail-loss-probe",
    "path-mtu": "retransmission-path-mtu",
    "unknown": "retransmission",
}
_WIRESHARK_COPY = (
    "the IP identification is that of the first one (or, without one, all of the segment is): the sender sent it once,"
    " and the network delivered it twice"
)


def retransmissions_of(walk: Walk, role: Role) -> tuple[Retransmission, ...]:
    """What this end sent again, in order."""
    return tuple(
        Retransmission(
            again.frame,
            again.original.frame if again.original is not None else None,
            again.cause,
            again.attempt,
            again.gap_ns,
            again.rto_ns,
            again.dup_acks,
            again.already_acked,
            again.start,
            again.end,
            again.payload,
            again.d_sack_frame,
        )
        for again in walk.flows[role].again
    )


def loss_findings(session: Session, walk: Walk) -> list[Finding]:
    """What is to be said of losses, copies and order, for both ends."""
    found: list[Finding] = []
    for copy in walk.copies:
        frames = (copy.original, copy.copy)
        found.append(
            finding("duplicate-frame", frames, copy.side, original=copy.original, copy=copy.copy, gap_ns=copy.gap_ns)
        )
        walk.differs.append(
            Differs(copy.side, (copy.copy,), _mark(walk.records[copy.copy - 1]), "a copy made by the network",
                    _WIRESHARK_COPY)
        )  # fmt: skip
    for sender, probe, waited_ns, again_frame in walk.new_probes:
        facts = {"probe": probe, "waited_ns": waited_ns, "copy": again_frame}
        found.append(finding("tail-loss-probe-new-data", (probe, again_frame), sender, facts))
    roles: tuple[Role, Role] = ("client", "server")
    for role in roles:
        for again in walk.flows[role].again:
            if again.cause not in ("syn", "duplicate"):
                found.append(_again(role, again, walk.records[again.frame - 1].ip_version))
            if again.cause != "duplicate":
                found += _spurious(role, again, walk)
        found += _backoffs(role, walk)
        for number, overtaken_by, lateness_ns in walk.out_of_order[role]:
            facts = {"late": number, "overtaken_by": overtaken_by, "lateness_ns": lateness_ns}
            found.append(finding("out-of-order", (number,), role, facts))
        side = session.client_side if role == "client" else session.server_side
        if side.missing_octets:
            gaps = [r.number for r in walk.records if r.sender == role and "gap" in r.trouble]
            found.append(finding("octets-missing", gaps, role, octets=side.missing_octets))
    return found


def _mark(record: FrameRecord) -> str:
    return "tcp.analysis.retransmission" if record.end_rel != record.seq_rel else "tcp.analysis.duplicate_ack"


def _what(again: Again) -> str:
    if again.original is not None:
        return (
            f"the octets of frame {again.original.frame}"
            if again.payload
            else f"the FIN of frame {again.original.frame}"
        )
    if not again.payload:
        return "a FIN (its first copy did not pass this tap)"
    return f"{octets(again.start, again.payload)} (their first copy did not pass this tap)"


def _again(role: Role, again: Again, ip_version: int) -> Finding:
    rfc = "RFC 8201 §5.4" if again.cause == "path-mtu" and ip_version == 6 else None
    original = again.original.frame if again.original is not None else None
    return finding(
        _SLUGS[again.cause],
        (original, again.frame),
        role,
        original=original,
        copy=again.frame,
        what=_what(again),
        attempt=again.attempt,
        gap_ns=again.gap_ns,
        waited_ns=again.waited_ns,
        rto_ns=again.rto_ns,
        dup_acks=again.dup_acks,
        outstanding=again.outstanding,
        rfc=rfc,
    )


def _spurious(role: Role, again: Again, walk: Walk) -> list[Finding]:
    original = again.original.frame if again.original is not None else None
    if again.d_sack_frame is not None:
        proof, by = f"as the D-SACK of frame {again.d_sack_frame} shows", again.d_sack_frame
    elif again.already_acked and again.acked_before_by:
        proof, by = f"as the acknowledgment of frame {again.acked_before_by} shows", again.acked_before_by
    else:
        return []
    walk.roles[again.frame].append("spurious")
    if again.d_sack_frame is not None and not again.already_acked:
        walk.differs.append(
            Differs(
                role,
                (again.frame,),
                "tcp.analysis.retransmission",
                "a spurious retransmission",
                f"the D-SACK of frame {again.d_sack_frame} proves that the first copy had arrived; Wireshark calls it"
                " spurious only if an ACK had passed before it",
            )
        )
    what = f"frame {original}" if original is not None else "a copy that did not pass this tap"
    facts = {"original": original, "what": what, "copy": again.frame, "proof": proof, "cause": again.cause}
    return [finding("retransmission-spurious", (original, again.frame, by), role, facts)]


def _backoffs(role: Role, walk: Walk) -> list[Finding]:
    """Time-outs of the same octets in a row: RFC 6298 §5.5 doubles the wait each time. Wireshark counts from the
    original."""
    found = []
    runs: dict[int, list[Again]] = {}
    for again in walk.flows[role].again:
        if again.cause in ("timeout", "syn", "tail-loss-probe") and again.original is not None:
            runs.setdefault(again.original.frame, []).append(again)
    for original, run in runs.items():
        for again in run[1:]:
            since_first = walk.records[again.frame - 1].time_ns - walk.records[original - 1].time_ns
            walk.differs.append(
                Differs(
                    role,
                    (again.frame,),
                    f"tcp.analysis.rto {duration(since_first)}",
                    f"a time-out of {duration(again.gap_ns or 0)}",
                    "Wireshark counts from the first copy, the sender's timer from the last one",
                )
            )
        timed = [
            again for again in run if again.cause != "tail-loss-probe"
        ]  # a probe is no time-out and doubles nothing
        if len(timed) > 1 and all((b.gap_ns or 0) > 1.5 * (a.gap_ns or 0) for a, b in pairwise(timed)):
            waits = ", ".join(duration(again.gap_ns or 0) for again in timed)
            frames = (original, *(again.frame for again in timed))
            found.append(finding("rto-backoff", frames, role, attempts=len(timed), waits=waits))
    return found

"""Findings about acknowledgments: delayed, carried along, repeated; SACK; and Nagle's algorithm waiting for a delayed
ACK.

Whether an ACK was held back on purpose cannot be read from it. But a receiver that means to answer at once does so in a
steady time; what takes 20 ms longer than the quickest of its ACKs was held back (Linux: 40 ms, others up to 200 ms).
"""

from __future__ import annotations

from dataclasses import replace

from lab.analysis.kinds import finding
from lab.analysis.model import Acknowledgment, Finding, FrameRecord, Handshake, Role
from lab.analysis.walk import Walk, peer_of

HELD_BACK_NS = 20_000_000
LATEST_NS = 500_000_000
_AT_ONCE_NS = 5_000_000
_FIN, _SYN = 1, 2


def judge_delays(walk: Walk, handshake: Handshake) -> None:
    """Mark the acknowledgments that were held back, in the walk's lists."""
    for role, own_part in (("client", handshake.ack_ns), ("server", handshake.syn_ns)):
        acks = walk.acks["client" if role == "client" else "server"]
        usual = [ack.delay_ns for ack in acks if not ack.piggybacked and ack.acks]
        quickest = min([*usual, *([own_part] if own_part is not None else [])], default=0)
        for index, ack in enumerate(acks):
            if ack.piggybacked or not ack.acks or ack.delay_ns - quickest < HELD_BACK_NS or own_part is None:
                continue
            if any("retransmission" in walk.roles[number] for number in ack.acks):
                continue
            acks[index] = replace(ack, delayed=True)
            walk.roles[ack.frame].append("delayed-ack")


def ack_findings(walk: Walk, handshake: Handshake) -> list[Finding]:
    """What is to be said of the acknowledgments of both ends."""
    found: list[Finding] = []
    roles: tuple[Role, Role] = ("client", "server")
    for role in roles:
        acks = walk.acks[role]
        piggybacked = [ack.frame for ack in acks if ack.piggybacked]
        if piggybacked:
            found.append(finding("ack-piggybacked", piggybacked, role, count=len(piggybacked)))
        delayed = [ack for ack in acks if ack.delayed]
        if delayed:
            longest_ns = max(ack.delay_ns for ack in delayed)
            frames = [ack.frame for ack in delayed]
            found.append(finding("ack-delayed", frames, role, count=len(delayed), longest_ns=longest_ns))
        for ack in delayed:
            if ack.oldest_ns >= LATEST_NS:
                facts = {"data": ack.acks[0], "ack": ack.frame, "delay_ns": ack.oldest_ns}
                found.append(finding("ack-late", (ack.acks[0], ack.frame), role, facts))
        found += _stretched(role, acks, handshake)
        found += _nagle(walk, role, handshake)
    for run in walk.dup_runs:
        found.append(finding("duplicate-acks", run.frames, run.side, ack_rel=run.ack_rel, count=len(run.frames)))
    return found + _sacks(walk)


def _stretched(role: Role, acks: list[Acknowledgment], handshake: Handshake) -> list[Finding]:
    mss = handshake.mss_server_bytes if role == "client" else handshake.mss_client_bytes
    if mss is None:
        return []
    full = mss - 40  # options may take that much room of a segment that is full
    stretched = [
        ack for ack in acks if len(ack.acks) > 2 and ack.octets > 2 * mss and ack.octets // len(ack.acks) >= full
    ]
    if not stretched:
        return []
    most = max(len(ack.acks) for ack in stretched)
    frames = [ack.frame for ack in stretched]
    return [finding("ack-stretched", frames, role, count=len(stretched), most_segments=most)]


def _nagle(walk: Walk, role: Role, handshake: Handshake) -> list[Finding]:
    """Small segments of this end that left the moment a delayed, bare ACK came in.

    Only TCP itself sees a bare ACK, never the program: so it was TCP that held the octets back (RFC 9293 §3.7.4).
    """
    mss = handshake.mss_client_bytes if role == "client" else handshake.mss_server_bytes
    path_ns = handshake.initial_rtt_ns or 0
    held_acks = {ack.frame: ack for ack in walk.acks[peer_of(role)] if ack.delayed}
    found = []
    empty_after = {entry.frame for entry in walk.flows[role].in_flight if not entry.in_flight_bytes}
    before: FrameRecord | None = None
    for record in walk.records:
        if not record.is_tcp or record.damaged:
            continue
        new_data = record.sender == role and record.payload_bytes and "retransmission" not in walk.roles[record.number]
        if new_data and before is not None and before.number in held_acks and before.number in empty_after:
            ack = held_acks[before.number]
            soon = record.time_ns - before.time_ns <= path_ns + _AT_ONCE_NS
            if soon and (mss is None or record.payload_bytes < mss - 40):
                waited_for = ack.acks[-1]
                found.append(
                    finding(
                        "nagle-stall",
                        (waited_for, before.number, record.number),
                        role,
                        held=record.number,
                        ack=before.number,
                        waited_for=waited_for,
                        stall_ns=ack.delay_ns,
                        octets=record.payload_bytes,
                    )
                )
        before = record
    return found


def _sacks(walk: Walk) -> list[Finding]:
    """Runs of SACKs for one gap, and every D-SACK."""
    found = []
    runs: list[list[FrameRecord]] = []
    for record in walk.sacks:
        last = runs[-1][-1] if runs else None
        if last is not None and last.sender == record.sender and last.ack_rel == record.ack_rel:
            runs[-1].append(record)
        else:
            runs.append([record])
    for run in runs:
        last = run[-1]
        blocks = last.sack_blocks[1:] if last.d_sack else last.sack_blocks
        found.append(
            finding(
                "sack",
                [record.number for record in run],
                last.sender,
                ack_rel=last.ack_rel,
                left_rel=min(left for left, _ in blocks),
                last_rel=max(right for _, right in blocks) - 1,
                blocks=len(blocks),
            )
        )
    for record, left, right, guilty in walk.d_sacks:
        copy = guilty.frame if guilty is not None else None
        facts = {"ack": record.number, "left_rel": left, "last_rel": right - 1, "copy": copy}
        found.append(finding("d-sack", (record.number, copy), record.sender, facts))
    return found

"""Why was it sent again? The sender's reason for a retransmission, as far as a tap can tell.

A sender has few reasons, and each leaves its mark: three duplicate ACKs (fast retransmit, RFC 5681 §3.2), a SACK and a
little patience (RACK, RFC 8985 §6), recovery that goes on (RFC 6675 §5), silence after the last segment (tail loss
probe, RFC 8985 §7), a router's word that a packet was too big (RFC 1191 §6.4), or silence until the time-out (RFC 6298
§5). A copy that the network made is none of these: the
packet is the same, down to its IP identification.
"""

from __future__ import annotations

from lab.analysis.flow import LINUX_LEAST_RTO_NS, Flow, Sent
from lab.analysis.model import FrameRecord

SYN = 2
DUP_THRESHOLD = 3
_TIMER_SLACK = 0.85
"""A timer may seem short by what the path takes: the tap is not where the timer runs."""
_PATIENT_NS = 150_000_000
"""No sender without a SACK to go by repeats sooner than this but by its timers (Linux: 200 ms at least)."""
_COPY_NS = 3_000_000


def cause(flow: Flow, record: FrameRecord, start: int, end: int, *, sack: bool, path_rtt_ns: int, attempt: int) -> str:
    """The reason of a retransmission of [start, end).

    sack: whether both ends permit SACK (a tail loss probe needs it). path_rtt_ns: the longest round trip known, 0 if
    none is: at the receiver's tap the sender's own samples are too short. attempt: how often it was sent again, with
    this. Also moves the flow's state of recovery.
    """
    if record.bits & SYN:
        return "syn"
    waited_ns = record.time_ns - flow.progress_ns
    recovering = flow.una < flow.recovery_to
    timer_ns = timeout_ns(flow, path_rtt_ns)
    if start <= flow.una < end and flow.dup_acks >= DUP_THRESHOLD and not recovering and waited_ns < timer_ns:
        return recover(flow, "fast")
    if recovering and waited_ns < _TIMER_SLACK * timer_ns:
        return "recovery"
    if flow.dup_acks and flow.sack_high > start and waited_ns < min(_PATIENT_NS, _TIMER_SLACK * timer_ns):
        return recover(flow, "rack")
    is_tail = end >= flow.next and end > flow.una
    if sack and is_tail and attempt == 1 and is_probe_time(flow, waited_ns, path_rtt_ns):
        flow.probed = True
        return "tail-loss-probe"
    if waited_ns >= min(_PATIENT_NS, _TIMER_SLACK * timer_ns):
        return recover(flow, "timeout")
    return "unknown"


def is_probe_time(flow: Flow, waited_ns: int, path_rtt_ns: int) -> bool:
    """Whether a tail loss probe is due: two round trips after the last sign of life (RFC 8985 §7.2), one a tail."""
    probe_ns = 2 * path_rtt_ns + (LINUX_LEAST_RTO_NS if len(flow.unacked) < 2 else 2_000_000)
    return 0.7 * probe_ns <= waited_ns <= 1.5 * probe_ns + 30_000_000 and not flow.probed and not flow.dup_acks


def timeout_ns(flow: Flow, path_rtt_ns: int) -> int:
    """The retransmission time-out to expect of the sender: RFC 6298 §2 with Linux's least value, the first time."""
    own = flow.estimator.linux_rto_ns or 0
    return max(own, path_rtt_ns + LINUX_LEAST_RTO_NS)


def is_network_copy(record: FrameRecord, earlier: FrameRecord, *, ids_count: bool) -> bool:
    """Whether two frames are one packet that the network delivered twice, not a segment sent twice.

    ids_count: whether this sender numbers its IPv4 packets one by one; then equal numbers prove it. Without numbers the
    TCP parts must be equal to the last octet (the timestamps too) and soon after each other.
    """
    gap_ns = record.time_ns - earlier.time_ns
    if not _same_segment(record, earlier) or not 0 <= gap_ns <= 1_000_000_000:
        return False
    if record.ip_id is not None and earlier.ip_id is not None and ids_count:
        return bool(record.ip_id) and record.ip_id == earlier.ip_id
    stamped = record.options is not None and record.options.timestamps is not None
    return stamped and gap_ns <= _COPY_NS


def _same_segment(one: FrameRecord, other: FrameRecord) -> bool:
    return (
        one.seq_raw == other.seq_raw
        and one.ack_raw == other.ack_raw
        and one.bits == other.bits
        and one.window_raw == other.window_raw
        and one.payload_bytes == other.payload_bytes
        and one.options == other.options
    )


def sent_after(record: FrameRecord, passed: FrameRecord, *, ids_count: bool) -> bool | None:
    """Whether a frame was sent after one that passed the tap before it; None if that can't be told.

    The IPv4 identification of a sender that counts tells, else its timestamps clock (RFC 7323), where they differ.
    """
    if ids_count and record.ip_id and passed.ip_id and record.ip_id != passed.ip_id:
        return (record.ip_id - passed.ip_id) & 0xFFFF < 0x8000
    if record.options is not None and passed.options is not None:
        mine, its = record.options.timestamps, passed.options.timestamps
        if mine is not None and its is not None and mine.value != its.value:
            return (mine.value - its.value) & 0xFFFFFFFF < 0x80000000
    return None


def counts_ids(records: list[FrameRecord]) -> bool:
    """Whether a sender's IPv4 identifications go up by little from packet to packet (Linux does so for a connection;
    others use random numbers, or 0)."""
    known = [record.ip_id for record in records if record.is_tcp and record.ip_id]
    if len(known) < 2:
        return bool(known)
    steps = [(known[index] - known[index - 1]) & 0xFFFF for index in range(1, len(known))]
    near = sum(1 for step in steps if step < 1_024 or step > 0xFFFF - 1_024)
    return near * 10 >= len(steps) * 9


def after_too_big(flow: Flow, told: FrameRecord, record: FrameRecord, original: Sent) -> bool:
    """Whether a segment goes again because a router had no room for what was under way (RFC 1191 §6.4: it was dropped).

    told: the router's word. The octets were sent before it, and this is the first time that they go again after it.
    """
    start, end = record.seq_rel or 0, record.end_rel or 0
    before = any(again.frame > told.number and again.start < end and start < again.end for again in flow.again)
    return original.frame < told.number and not before and record.time_ns - told.time_ns < _PATIENT_NS


def recover(flow: Flow, why: str) -> str:
    """It recovers from a loss until everything sent so far has arrived."""
    flow.recovery_to = flow.next
    flow.recovery = why
    return why

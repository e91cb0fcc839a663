"""What the walk comes upon and keeps for those who tell of it: runs of duplicate ACKs, copies, and where Wireshark says
something else."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.analysis.model import Role


@dataclass(slots=True)
class DupRun:
    """Duplicate ACKs for one offset. side: who sent them. first: the frame that said it first, 0 if not seen."""

    side: Role
    ack_rel: int
    frames: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Copy:
    """A packet that passed twice."""

    side: Role
    original: int
    copy: int
    gap_ns: int


@dataclass(slots=True)
class Differs:
    """Where Wireshark says something else: frames, its word, ours, and why."""

    side: Role
    frames: tuple[int, ...]
    wireshark: str
    ours: str
    why: str


def order_differs(role: Role, frame: int, again: bool) -> Differs:
    """Where the sender's own numbers tell whether a segment was sent again, and the time alone tells otherwise."""
    if again:
        return Differs(
            role,
            (frame,),
            "tcp.analysis.out_of_order",
            "a retransmission",
            "its IP identification or timestamp is later than that of the frames before it; Wireshark goes by"
            " the time alone, and the round trip here is short",
        )
    return Differs(
        role,
        (frame,),
        "tcp.analysis.retransmission",
        "a segment out of order",
        "its IP identification or timestamp is earlier than that of the frames before it, so it was sent"
        " before them; Wireshark goes by the time alone",
    )

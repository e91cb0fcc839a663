"""One session of a comparison: its JSON, what the tools say of it, and what its frames brought.

A finding is one comparison. It agrees, or the difference is explained down to the last unit by known differences
(tests.oracle.known), or it is unexplained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.cli.replay import replay
from lab.session.events import Note, Recorded
from tests.oracle.box import Opinion, ends_of
from tests.oracle.known import Difference
from tests.oracle.stream import Brought, reckon
from tests.oracle.tshark import ACK, FIN, RST, Row

ROLES = ("client", "server")

MARKS = {
    "retransmission": ("retransmissions",),
    "out_of_order": ("out_of_order",),
    "duplicate_ack": ("dup_acks",),
    "keep_alive": ("keep_alives", "zero_window_probes"),
    "zero_window": ("zero_windows",),
    "window_update": ("window_updates",),
}
"""tshark's judgement of a frame, and the JSON's counters for the same."""

_TAGS = {"keep_alive": ("keep-alive", "zero-window-probe"), "duplicate_ack": ("dup-ack",)}


def judged(name: str, note: Note) -> bool:
    """Whether our tracker judged the frame so."""
    if name == "window_update":
        return note.kind == "window-update"
    return any(tag in note.trouble for tag in _TAGS.get(name, (name.replace("_", "-"),)))


@dataclass(frozen=True)
class Finding:
    """One comparison. ours, theirs: what the JSON and the tool say. known: the reasons, each with how often it applies.

    where: role or frames, for whoever has to look. explained: whether ``known`` accounts for the whole difference.
    doubtful: totals may be equal, but single frames behind them are not judged alike, and nobody knows why.
    """

    tool: str
    quantity: str
    ours: object
    theirs: object
    known: Mapping[Difference, int] = field(default_factory=dict)
    explained: bool = False
    where: str = ""
    doubtful: bool = False

    @property
    def agrees(self) -> bool:
        return self.ours == self.theirs and not self.known and not self.doubtful

    @property
    def unexplained(self) -> bool:
        return self.doubtful or not (self.agrees or self.explained)


class Case:
    """What a comparison needs of one session, worked out once."""

    def __init__(self, opinion: Opinion) -> None:
        self.opinion = opinion
        self.facts = opinion.facts
        self.rows = opinion.rows
        self.ends = ends_of(opinion.facts)
        self.brought = reckon(opinion.rows, self.ends)
        sessions = replay(opinion.path)
        self.sessions = len(sessions)
        self.recorded: list[Recorded] = max(sessions, key=lambda one: len(one.frames)).frames

    def side(self, role: int) -> dict[str, Any]:
        found: dict[str, Any] = self.facts[f"from_{ROLES[role]}"]
        return found

    def judged(self, role: int, name: str) -> list[Brought]:
        """What those undamaged segments of one end brought that our tracker judged so."""
        return [
            brought
            for row, brought, recorded in zip(self.rows, self.brought, self.recorded, strict=True)
            if brought.end == role and not row.damaged and judged(name, recorded.note)
        ]

    def sound(self, role: int) -> list[tuple[Row, Brought]]:
        """The undamaged segments of one end."""
        return [(r, b) for r, b in zip(self.rows, self.brought, strict=True) if b.end == role and not r.damaged]


def fin_acknowledged(case: Case, role: int) -> bool:
    """Whether tshark's rows hold a FIN of this end and, from the other, an acknowledgment beyond it."""
    ends = [(r.seq + r.payload_octets + 1) & 0xFFFFFFFF for r, _ in case.sound(role) if r.flags & FIN]
    acks = [row.ack for row, _ in case.sound(1 - role) if row.flags & ACK]
    return any((ack - end) & 0xFFFFFFFF < 1 << 31 for end in ends for ack in acks)


def only_resets_ahead(case: Case) -> bool:
    """Whether every RST is beyond the next expected number, and the JSON says that it saw that."""
    told = any(finding["rule"] == "rst-not-acceptable" for finding in case.facts["findings"])
    resets = [b for role in (0, 1) for row, b in case.sound(role) if row.flags & RST]
    return told and bool(resets) and all(b.ahead for b in resets)

"""Findings: what was odd about a session, in one sentence each, with the rule of the RFC and the frames that show it.

Odd traffic is a finding, never an error. A rule is reported once for a session, however often it is broken: its
sentence is that of the first time, and the numbers of the frames are collected, up to a bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field

RFC_OF_RULE = {
    "retransmission": "RFC 9293 §3.8.1",
    "out-of-order": "RFC 9293 §3.10.7.4",
    "gap": "RFC 9293 §3.4",
    "dup-ack": "RFC 5681 §2",
    "d-sack": "RFC 2883 §4",
    "zero-window": "RFC 9293 §3.8.6",
    "zero-window-probe": "RFC 9293 §3.8.6.1",
    "keep-alive": "RFC 9293 §3.8.4",
    "window-exceeded": "RFC 9293 §3.8.6",
    "bad-checksum": "RFC 9293 §3.1",
    "partial-checksum": "RFC 9293 §3.1",
    "bad-ip-checksum": "RFC 791 §3.1",
    "odd-flags": "RFC 9293 §3.1",
    "odd-header": "RFC 9293 §3.1",
    "state": "RFC 9293 §3.3.2",
    "fin-moved": "RFC 9293 §3.6",
    "data-after-fin": "RFC 9293 §3.6",
    "ack-of-unseen": "RFC 9293 §3.4",
    "handshake-ack-number": "RFC 9293 §3.5",
    "other-connection": "RFC 9293 §3.10.7.4",
    "rst-not-acceptable": "RFC 9293 §3.10.7.4",
    "challenge-ack": "RFC 9293 §3.10.7.4",
    "simultaneous-open": "RFC 9293 §3.5",
    "simultaneous-close": "RFC 9293 §3.6",
    "reuse": "RFC 9293 §3.6.1",
    "replaced": "RFC 9293 §3.5.1",
    "fragment": "RFC 791 §3.2",
    "icmp": "RFC 9293 §3.9.2.2",
}
"""Rules that an RFC stands behind; those of the capture itself (cut, late, kernel-drop …) have none."""


@dataclass(slots=True)
class Finding:
    """One rule broken or one oddity met. frames: 1-based numbers in the session's file; count: how often in all."""

    rule: str
    sentence: str
    frames: list[int] = field(default_factory=list)
    count: int = 0

    def as_dict(self) -> dict[str, object]:
        """The finding as it stands in the session's JSON."""
        return {
            "rule": self.rule,
            "sentence": self.sentence,
            "frames": list(self.frames),
            "count": self.count,
            "rfc": RFC_OF_RULE.get(self.rule, ""),
        }


class Findings:
    """The findings of one session. Bounded: one for each rule, ``max_frames`` frame numbers for each."""

    __slots__ = ("_by_rule", "_max_frames")

    def __init__(self, max_frames: int) -> None:
        self._by_rule: dict[str, Finding] = {}
        self._max_frames = max_frames

    def add(self, rule: str, sentence: str, frame: int = 0) -> None:
        """Note that a rule was met. sentence: kept the first time; frame: its number, 0 for none in particular."""
        finding = self._by_rule.get(rule)
        if finding is None:
            finding = self._by_rule[rule] = Finding(rule, sentence)
        finding.count += 1
        if frame and len(finding.frames) < self._max_frames and (not finding.frames or finding.frames[-1] != frame):
            finding.frames.append(frame)

    def __contains__(self, rule: str) -> bool:
        return rule in self._by_rule

    def as_list(self) -> list[Finding]:
        """All findings, in the order in which they came up."""
        return list(self._by_rule.values())

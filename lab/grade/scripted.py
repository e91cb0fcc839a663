"""Whether a capture shows what this student's own fault script does: so many routers, such an MTU, that segment lost.

A script is filled in with the student's numbers as the texts are. What it does to the packets stands in the capture,
so a run with a friend's numbers is recognised here, too. Only what a script does for certain counts: a queue on a slow
link is another one each time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lab.analysis.model import Analysis
from lab.grade.places import again

_FULL_TTL = 64
_Found = re.Match[str]


def differs(name: str, found: Analysis, script: str) -> str:
    """What of a part's capture this script has not done, in words; empty if nothing."""
    for pattern, rule in _RULES:
        for clause in re.finditer(pattern, script, re.MULTILINE):
            for odd in rule(name, found, clause):
                return odd
    return ""


def _hops(name: str, found: Analysis, clause: _Found) -> Iterator[str]:
    syn = next((frame for frame in found.frames if frame.kind == "syn"), None)
    if name.endswith("-at-server") and syn is not None and syn.ip_ttl is not None:
        passed = _FULL_TTL - syn.ip_ttl
        if passed != int(clause[1]):
            yield f"its SYN passed {passed} routers, and there should be {clause[1]}"


def _mtu(_name: str, found: Analysis, clause: _Found) -> Iterator[str]:
    told = {error.mtu_bytes for error in found.icmp_errors if error.mtu_bytes is not None}
    if told - {int(clause[1])}:
        yield f"a router names an MTU of {max(told)}, and it should be {clause[1]}"
    longest = max((f.length_bytes - 14 for f in found.frames if f.kind == "fragment"), default=0)
    if longest > int(clause[1]):
        yield f"a fragment has {longest} octets, and no more than {clause[1]} should fit"


def _ahead(_name: str, found: Analysis, clause: _Found) -> Iterator[str]:
    for reset in found.resets[:1]:
        record = found.frame(reset.frame)
        acks = [f.ack_rel for f in found.frames[: record.number - 1] if f.sender == "client" and f.ack_rel is not None]
        forged = record.sender == "server" and record.seq_rel is not None and acks
        if forged and (record.seq_rel or 0) - max(acks) != int(clause[1]):
            yield f"the RST lies {(record.seq_rel or 0) - max(acks)} ahead, and it should be {clause[1]}"


def _lost(name: str, found: Analysis, clause: _Found) -> Iterator[str]:
    copies = again(found)
    original = copies[0].original if copies else None
    if name.endswith("-at-client") and original in found.client.data_frames:
        lost = found.client.data_frames.index(original) + 1
        if lost != int(clause[1]):
            yield f"segment {lost} of the client was lost, and it should be number {clause[1]}"


def _lost_often(name: str, found: Analysis, clause: _Found) -> Iterator[str]:
    if name.endswith("-at-client") and len(again(found)) < int(clause[1]):
        yield f"the line was sent again {len(again(found))} times, and the wire loses it {clause[1]} times"


_RULES: tuple[tuple[str, Callable[[str, Analysis, _Found], Iterator[str]]], ...] = (
    (r"^hops (\d+)$", _hops),
    (r"^mtu (\d+) from client$", _mtu),
    (r"inject RST from server at seq\+(\d+)", _ahead),
    (r"^client data (\d+): drop$", _lost),
    (r"^client data \d+, transmission 1 to (\d+): drop$", _lost_often),
)

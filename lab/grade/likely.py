"""Whether a tap of the lab can have seen a capture: what no network and no kernel does gives a changed file away.

Only rules of the protocols and of the lab count, never a kernel's habit: a damaged frame where nothing damages frames,
a packet twice, a clock that runs backwards, an acknowledgment of what has not been sent yet, a time stamp echoed that
nobody has sent, the other tap's view. What a fault script asks for is allowed. docs/exercises-mutations.md counts how
much of what is changed on purpose is found; for certainty there is the class's key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.analysis.model import Analysis, FrameRecord
from lab.grade.scenario import Plan

_SIDES = ("client", "server")
_FULL_TTL = 64
"""With which the hosts send. The wire between them takes at least one hop away."""
_CLOCK_NS = 1_000_000
"""Two processors may stamp two frames a few microseconds apart from their order; never by so much."""
_PEER = {"client": "server", "server": "client"}


def unlikely(name: str, found: Analysis, plan: Plan) -> str:
    """What of a part's capture cannot be, in words; empty if all can."""
    return next((odd for rule in _RULES for odd in rule(name, found, plan)), "")


def damaged(found: Analysis, plan: Plan) -> str:
    """The first damaged frame in words, empty if there is none or the script asks for it. To be asked before anything
    else: a damaged frame is not counted, and what it brought would seem to be missing."""
    frame = next((frame for frame in found.frames if frame.damaged), None)
    if frame is None or "corrupt" in plan.wire:
        return ""
    return f"frame {frame.number} is damaged (a checksum is wrong), and nothing in the lab damages frames"


def _twice(_name: str, found: Analysis, plan: Plan) -> Iterator[str]:
    """The same identification twice is the network's copy: a retransmission is a packet of its own (RFC 6864 §4.3).
    Where there is none, a segment that takes a number has another time stamp when it is sent again."""
    seen: set[bytes] = set()
    for frame in found.frames if "duplicate" not in plan.wire else ():
        alike = frame.is_tcp and (bool(frame.ip_id) or frame.payload_bytes > 0 or bool(frame.bits & 3))
        if alike and frame.data in seen:
            yield f"frame {frame.number} stands there twice, and nothing in the lab copies frames"
        seen.add(frame.data)


def _backwards(_name: str, found: Analysis, _plan: Plan) -> Iterator[str]:
    for earlier, frame in zip(found.frames, found.frames[1:], strict=False):
        if frame.time_ns < earlier.time_ns - _CLOCK_NS:
            yield f"frame {frame.number} is older than the one before it"


def _ahead(_name: str, found: Analysis, plan: Plan) -> Iterator[str]:
    """Nobody acknowledges what has not passed the tap yet, or echoes a time stamp that has not."""
    if "inject" in plan.wire or any(frame.kind == "fragment" for frame in found.frames):
        return  # a forged segment may say anything, and what travels in fragments has no numbers here
    highest = {"client": 0, "server": 0}
    stamps: dict[str, set[int]] = {"client": {0}, "server": {0}}
    for frame in found.frames:
        if not frame.is_tcp or frame.sender is None:
            continue
        peer = _PEER[frame.sender]
        if frame.ack_rel is not None and frame.bits & 16 and frame.ack_rel > highest[peer]:
            yield f"frame {frame.number} acknowledges what the {peer} has not sent yet"
        highest[frame.sender] = max(highest[frame.sender], frame.end_rel or 0)
        stamp = frame.options.timestamps if frame.options is not None else None
        if stamp is not None:
            if frame.bits & 16 and stamp.echo not in stamps[peer]:
                yield f"frame {frame.number} echoes a time stamp that the {peer} has not sent"
            stamps[frame.sender].add(stamp.value)


def _other_tap(name: str, found: Analysis, plan: Plan) -> Iterator[str]:
    if not plan.wire and plan.tap == "server":
        return
    side = next((side for side in _SIDES if name.endswith(f"-at-{side}")), plan.tap)
    syn: FrameRecord | None = next((frame for frame in found.frames if frame.kind == "syn"), None)
    if syn is not None and syn.ip_ttl is not None and (syn.ip_ttl == _FULL_TTL) != (side == "client"):
        yield f"its SYN has {syn.ip_ttl} hops left, so it was not taken beside the {side}"


_RULES: tuple[Callable[[str, Analysis, Plan], Iterator[str]], ...] = (_twice, _backwards, _ahead, _other_tap)

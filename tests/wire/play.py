"""One play: a scenario loaded, a conversation held through it, and everything that was seen of it collected and judged.

Judged at once: the captures against each other, the wire's log against both frame by frame, the kernels' counters, the
conversation's outcome. tshark is asked later about many plays at a time (``tests.wire.shark``), as it starts slowly.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.wire.expect import CONVERSATIONS, WATCHED, Expectation, against, within
from tests.wire.seen import SIDES, Identity, Seen, Story, frames_of
from tests.wire.stand import Stand, StandError, until

MEMBERS = ("src", "dst", "ip_id", "ttl", "sport", "dport", "seq", "ack", "flags", "window", "len", "checksum")
SETTLED_S = 6.0


@dataclass
class Play:
    """What came of one play. paths: the capture at either tap. complaints: empty if all is as intended."""

    expected: Expectation
    version: int
    stand: str
    outcome: str = ""
    port: int = 0
    paths: dict[str, Path] = field(default_factory=dict)
    story: Story | None = None
    log: list[dict[str, Any]] = field(default_factory=list)
    moved: dict[str, dict[str, int]] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    marks: dict[str, Counter[str]] = field(default_factory=dict)
    late_ms: float = 0.0

    @property
    def differences(self) -> list[str]:
        """Every way in which the captures differ."""
        return sorted(self.story.differences) if self.story else []


def play(stand: Stand, expected: Expectation, version: int) -> Play:
    """Play a scenario once on an idle stand, and judge it. A stand that fails is a complaint, too."""
    one = Play(expected, version, stand.project)
    try:
        stand.quiet()
        if expected.remembers:
            for side in SIDES:
                stand.steer(side)
        _hold(stand, one)
        _settle(stand, one)
    except StandError as error:
        one.complaints.append(str(error))
    if expected.remembers:
        for side in SIDES:
            stand.steer(side)
    one.complaints += judged(one)
    return one


def _hold(stand: Stand, one: Play) -> None:
    """Load the script, hold the conversation, read the counters before and after."""
    expected = one.expected
    answer = stand.load(expected.scenario, expected.script)
    if "error" in answer:
        raise StandError(f"the wire refuses the script: {answer['error']}")
    before = stand.counters()
    steps, end = CONVERSATIONS[expected.play]
    told = stand.beside("client").ask(
        "converse",
        address=stand.address("server", one.version),
        port=expected.port,
        steps=steps,
        end=end,
        patience_s=expected.patience_s,
    )
    one.outcome, one.port = told["outcome"], told["port"]
    if expected.outcome != "no connection":
        stand.quiet()
    after = stand.counters()
    one.moved = {side: {name: after[side][name] - before[side][name] for name in WATCHED} for side in SIDES}


def _settle(stand: Stand, one: Play) -> None:
    """Wait until captures and log agree; keep the last state if they never do."""

    def agree() -> bool:
        for side in SIDES:
            path = stand.capture(side, one.port)
            if path is None and one.expected.outcome != "no connection":
                return False
            if path is not None:
                one.paths[side] = path
        one.log = stand.log()
        frames = {side: frames_of(one.paths[side]) if side in one.paths else [] for side in SIDES}
        one.story = Story(frames["client"], frames["server"], {s: stand.address(s, one.version) for s in SIDES})
        return not disagreements(one, stand.wire_mac)

    try:
        until(agree, "captures and log that agree", SETTLED_S)
    except StandError:
        one.complaints += disagreements(one, stand.wire_mac)[:6] or ["a tap has no capture of the session"]
    for side, path in one.paths.items():
        one.verdicts[side] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["verdict"]
    one.late_ms = lateness_ms(one.log, one.expected.way_ms)


def identity_of(line: dict[str, Any]) -> Identity:
    """What a line of the log says of its frame, as ``Seen.identity`` has it."""
    if "sport" in line:
        return tuple(line[name] for name in MEMBERS)
    return (*(line[name] for name in MEMBERS[:4]), line["protocol"])


def disagreements(one: Play, wire_mac: bytes) -> list[str]:
    """Frames that a capture has and the log has not, or the other way round. Both directions, both taps."""
    if one.story is None:
        return []
    story, found = one.story, []
    lines = [line for line in one.log if "src" in line and line.get("forged") != "flood"]
    for side in SIDES:
        address = story.ends[side]
        told = Counter(
            identity_of(line) for line in lines if line["event"] in ("in", "expired") and line["src"] == address
        )
        sent = Counter(
            frame.identity for frame in story.frames[side] if frame.source == address and frame.to_mac == wire_mac
        )
        found += _both(told, sent, f"{side}'s tap, sent")
        told = Counter(identity_of(line) for line in lines if line["event"] == "out" and line["dst"] == address)
        got = Counter(
            frame.identity
            for frame in story.frames[side]
            if frame.target == address and frame.data[6:12] == wire_mac and not _neighbours(frame)
        )
        found += _both(told, got, f"{side}'s tap, received")
    return found


def _neighbours(frame: Seen) -> bool:
    """Whether this is the wire's own neighbour discovery: its log is about what it forwards and forges."""
    return frame.protocol == 58 and frame.data[54] in range(133, 138)


def _both(told: Counter[Identity], captured: Counter[Identity], where: str) -> list[str]:
    return [f"{where}: in the log alone: {one}" for one in (told - captured)] + [
        f"{where}: in the capture alone: {one}" for one in (captured - told)
    ]


def lateness_ms(log: list[dict[str, Any]], way_ms: float) -> float:
    """By how much the latest frame that no rule but the way's touched left the wire too late."""
    came = {line["frame"]: line for line in log if line["event"] == "in" and line.get("did") == ["delay"]}
    late = [
        (line["time_ns"] - came[line["frame"]]["time_ns"]) / 1e6 - way_ms
        for line in log
        if line["event"] == "out" and line["frame"] in came and not line.get("forged")
    ]
    return max(late, default=0.0)


def judged(one: Play) -> list[str]:
    """What is not as intended, but for tshark's part."""
    expected, found = one.expected, []
    if one.outcome != expected.outcome:
        found.append(f"the conversation: {one.outcome}, not {expected.outcome}")
    found += against(one.differences, expected.seen, expected.may, "captures")
    for side in SIDES:
        wanted = expected.nstat.get(side, {})
        for name, count in one.moved.get(side, {}).items():
            if not within(count, wanted.get(name, 0)):
                found.append(f"nstat: {side} {name} went up by {count}, not {wanted.get(name, 0)}")
    if one.story is not None:
        found += _timed(one, one.story)
    return found


def _timed(one: Play, story: Story) -> list[str]:
    """When segments were sent again."""
    found = []
    for name, bounds in one.expected.ms.items():
        times = story.times_ns.get(name, [])
        after = [(time_ns - times[0]) / 1e6 for time_ns in times[1:]]
        pairs = list(zip(bounds[::2], bounds[1::2], strict=True))
        if len(after) != len(pairs) or not all(low <= ms <= high for ms, (low, high) in zip(after, pairs, strict=False)):
            found.append(f"time: {name} was sent again after {[round(ms) for ms in after]} ms, not {pairs}")
    return found

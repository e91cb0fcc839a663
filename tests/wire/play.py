"""One play: a scenario loaded, a conversation held through it, and everything that was seen of it collected and judged.

Judged at once: the captures against each other, the wire's log against both frame by frame, the kernels' counters, the
conversation's outcome. tshark is asked later about many plays at a time (``tests.wire.shark``), as it starts slowly.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.conformance.server_program import crowded
from tests.wire.expect import CONVERSATIONS, WATCHED, Expectation
from tests.wire.judge import judged
from tests.wire.seen import SIDES, Identity, Seen, Story, frames_of
from tests.wire.stand import Stand, StandError, until

MEMBERS = ("src", "dst", "ip_id", "ttl", "sport", "dport", "seq", "ack", "flags", "window", "len", "checksum")
SETTLED_S = 6.0
LATE_MS = 10.0
"""A wire that was so late for no reason of the script's shows that the machine had something else to do."""

AGAIN = 4

STATES = {"SYN-RECEIVED": " 03", "FIN-WAIT-1": " 04", "LAST-ACK": " 09"}
"""As Linux writes them in /proc/net/tcp."""


@dataclass
class Play:
    """What came of one play. paths: the captures at either tap (several where the tap cuts). complaints: empty if all
    is as intended. late_ms: by how much the wire was late at most, for no reason but the machine's. repeats: how often
    the play was repeated for that."""

    expected: Expectation
    version: int
    stand: str
    outcome: str = ""
    port: int = 0
    paths: dict[str, list[Path]] = field(default_factory=dict)
    story: Story | None = None
    log: list[dict[str, Any]] = field(default_factory=list)
    moved: dict[str, dict[str, int]] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    overheard: Path | None = None
    marks: dict[str, Counter[str]] = field(default_factory=dict)
    late_ms: float = 0.0
    repeats: int = 0

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
        settle(stand, one)
    except StandError as error:
        one.complaints.append(str(error))
    if expected.remembers:
        for side in SIDES:
            stand.steer(side)
    one.complaints += judged(one)
    return one


def patiently(stand: Stand, expected: Expectation, version: int, again: int = AGAIN) -> Play:
    """Play it, and so often again at most if it went otherwise while the machine stood still, or while more programs
    wanted a processor than it has."""
    one = play(stand, expected, version)
    for number in range(again):
        if not one.complaints or (one.late_ms < LATE_MS and crowded() <= 1):
            break
        one = play(stand, expected, version)
        one.repeats = number + 1
    return one


def _hold(stand: Stand, one: Play) -> None:
    """Load the script, hold the conversation, read the counters before and after."""
    expected = one.expected
    answer = stand.load(expected.scenario, expected.script)
    if "error" in answer:
        raise StandError(f"the wire refuses the script: {answer['error']}")
    if expected.filters:
        stand.agent("client-tap", "ear").ask("overhear")
    before = stand.counters()
    steps, end = CONVERSATIONS[expected.play]
    for side, state in expected.state.items():
        _is_in(stand, side, state)  # so that somebody is there to look
    stand.beside("client").begin(
        "converse",
        address=stand.address("server", one.version),
        port=expected.port,
        steps=steps,
        end=end,
        patience_s=expected.patience_s,
    )
    for side, state in expected.state.items():
        try:
            until(lambda side=side, state=state: _is_in(stand, side, state), f"{side}: a socket in {state}", 5, 0.01)  # type: ignore[misc]
        except StandError as error:
            one.complaints.append(str(error))
    told = stand.beside("client").answer()
    one.outcome, one.port = told["outcome"], told["port"]
    stand.quiet()
    after = stand.counters()
    if expected.filters:
        one.overheard = stand.captures / f"overheard-{one.version}-{one.port}.pcap"
        one.overheard.write_bytes(pcap(stand.agent("client-tap", "ear").ask("overheard")["frames"]))
        stand.forget("client-tap", "ear")
    one.moved = {side: {name: after[side][name] - before[side][name] for name in WATCHED} for side in SIDES}


def pcap(frames: list[tuple[int, str]]) -> bytes:
    """A capture file with these frames (times in ns, octets in hexadecimal), which tshark reads."""
    found = struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    for time_ns, text in frames:
        data = bytes.fromhex(text)
        found += struct.pack("=IIII", time_ns // 10**9, time_ns % 10**9, len(data), len(data)) + data
    return found


def _is_in(stand: Stand, side: str, state: str) -> bool:
    return any(words.endswith(STATES[state]) for words in stand.agent(f"{side}-tap", "watcher").ask("sockets")["busy"])


def settle(stand: Stand, one: Play) -> None:
    """Wait until captures and log agree; keep the last state if they never do."""
    begun_ns = 0
    pattern = f"*-client*-{one.port}-server*.pcapng"

    def agree() -> bool:
        nonlocal begun_ns
        one.log = stand.log()
        begun_ns = one.log[0]["time_ns"]
        one.paths = {side: stand.captures_of(side, pattern, begun_ns) for side in SIDES}
        frames = {side: [one for path in one.paths[side] for one in frames_of(path)] for side in SIDES}
        ends = {side: stand.address(side, one.version) for side in SIDES}
        one.story = Story(frames["client"], frames["server"], ends, arrivals(one.log))
        one.verdicts = {side: ", ".join(map(verdict, one.paths[side])) for side in SIDES}
        over = all(one.verdicts[side] == one.expected.verdict.get(side, "complete") for side in SIDES)
        return over and not pending(one.log) and not disagreements(one, stand.wire_mac)

    try:
        until(agree, "captures and log that agree", SETTLED_S)
        one.complaints += untimely(one)
    except StandError:
        one.complaints += [*disagreements(one, stand.wire_mac)[:6], *pending(one.log)]
    if one.expected.flood:
        one.complaints += _flood(stand, one, begun_ns)
    one.late_ms = max(lateness_ms(one.log, one.expected.way_ms), slowness_ms(one))


def verdict(path: Path) -> str:
    """What the tap says of a capture by now."""
    return str(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["verdict"])


def pending(log: list[dict[str, Any]]) -> list[str]:
    """Frames that are still in the wire: they have come, no rule took them away, and they have not left."""
    away = {"drop", "blackhole", "no room: lost"}
    left = {line["frame"] for line in log if line["event"] in ("out", "queue-full", "too-big")}
    came = [line["frame"] for line in log if line["event"] == "in" and not away & set(line.get("did", ()))]
    return [f"frame {frame} has come and not left" for frame in came if frame not in left]


def _flood(stand: Stand, one: Play, begun_ns: int) -> list[str]:
    """Whether every forged SYN of a flood is in the log and at the server's tap, where each is a session of its own."""
    wanted = one.expected.flood
    told = {identity_of(line) for line in one.log if line.get("forged") == "flood" and line["event"] == "out"}
    found: set[Identity] = set()

    def seen() -> bool:
        for path in stand.captures_of("server", f"*-server*-{one.expected.port}.pcapng", 0):
            later = (frame for frame in frames_of(path) if frame.time_ns >= begun_ns)
            found.update(frame.identity for frame in later if frame.identity in told)
        return len(found) == wanted

    try:
        until(seen, "the flood at the server's tap", SETTLED_S)
    except StandError as error:
        return [f"{error}: {len(told)} in the log, {len(found)} at the tap, {wanted} intended"]
    return [] if len(told) == wanted else [f"{len(told)} SYNs of a flood in the log, not {wanted}"]


def identity_of(line: dict[str, Any]) -> Identity:
    """What a line of the log says of its frame, as ``Seen.identity`` has it."""
    if "sport" in line:
        return tuple(line[name] for name in MEMBERS)
    return (*(line[name] for name in MEMBERS[:4]), line["protocol"])


def arrivals(log: list[dict[str, Any]]) -> dict[Identity, list[int]]:
    """When the wire got each frame."""
    found: dict[Identity, list[int]] = {}
    for line in log:
        if line["event"] == "in":
            found.setdefault(identity_of(line), []).append(line["time_ns"])
    return found


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


def untimely(one: Play) -> list[str]:
    """Frames that came to the wire before their sender's tap saw them leave, or left it after their receiver's had
    them: all three tell the time by one clock."""
    assert one.story is not None
    found, story = [], one.story
    for side in SIDES:
        for event, end, late in (("in", "source", -1), ("out", "target", 1)):
            seen: dict[Identity, list[int]] = {}
            for frame in story.frames[side]:
                if getattr(frame, end) == story.ends[side]:
                    seen.setdefault(frame.identity, []).append(frame.time_ns)
            for line in one.log:
                times_ns = seen.get(identity_of(line)) if line["event"] == event and "src" in line else None
                if times_ns and (line["time_ns"] - (at_ns := times_ns.pop(0))) * late > 0:
                    found.append(f"log: {event} {line['time_ns'] - at_ns} ns from the {side}'s tap: {line}")
    return found[:3]


def _neighbours(frame: Seen) -> bool:
    """Whether this is the wire's own neighbour discovery: its log is about what it forwards and forges."""
    return frame.protocol == 58 and frame.data[54] in range(133, 138)


def _both(told: Counter[Identity], captured: Counter[Identity], where: str) -> list[str]:
    return [f"{where}: in the log alone: {one}" for one in (told - captured)] + [
        f"{where}: in the capture alone: {one}" for one in (captured - told)
    ]


def lateness_ms(log: list[dict[str, Any]], way_ms: float) -> float:
    """By how much the latest frame that no rule but the way's touched, and that waited for no slow link, left the wire
    too late."""
    queued = {line["frame"] for line in log if line["event"] == "queued"}
    untouched = ["delay"] if way_ms else []
    came = {line["frame"]: line for line in log if line["event"] == "in" and line.get("did") == untouched}
    for frame in queued:
        came.pop(frame, None)
    late = [
        (line["time_ns"] - came[line["frame"]]["time_ns"]) / 1e6 - way_ms
        for line in log
        if line["event"] == "out" and line["frame"] in came and not line.get("forged")
    ]
    return max(late, default=0.0)


def slowness_ms(one: Play) -> float:
    """How long the slowest frame took from its sender's tap to the wire's eyes."""
    if one.story is None:
        return 0.0
    came = arrivals(one.log)
    waits = [0.0]
    for side in SIDES:
        for frame in one.story.frames[side]:
            times_ns = came.get(frame.identity)
            if times_ns and frame.source == one.story.ends[side]:
                waits.append((times_ns.pop(0) - frame.time_ns) / 1e6)
    return max(waits)

"""Every kind of finding is produced somewhere: by a recorded trace, or by the smallest one that shows it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lab.analysis import analyse
from lab.analysis.compare import compare
from lab.analysis.kinds import KINDS
from lab.session.limits import Limits
from lab.store.reader import read_capture
from lab.wire.checksum import pseudo_sum
from lab.wire.frame import Frame
from tests.golden.canonical import CAPTURES
from tests.unit.analysis.scenes import CLOSE, OPEN, TALK, WHOLE, doubled, flipped, frames_of, look, swapped, without

RECORDED = Path(__file__).parents[1] / "grade" / "recorded"
NEVER_IN_A_FILE = {"kernel-drop"}
"""The kernel's count of dropped frames comes to the tracker beside the frames; a file's frames alone can't tell."""

TRACES = {
    "option-one-sided": "> S 0 <mss 1460, ws 7>\n < S. 0 ack 1 <mss 1460>\n > . 1 ack 1",
    "simultaneous-open": "> S 0\n < S 0\n > S. 0 ack 1\n < S. 0 ack 1",
    "fast-open": '> S 0 "hi"\n < S. 0 ack 3\n > . 3 ack 1',
    "midstream": TALK,
    "syn-unseen": "< S. 0 ack 1\n > . 1 ack 1",
    "syn-ack-unseen": '> S 0\n > . 1 ack 1\n > P. 1 ack 1 "x"\n < . 1 ack 2',
    "handshake-ack-number": "> S 0\n < . 700 ack 90000\n > R 90000",
    "other-connection": "> S 900000\n > P. 7 ack 1 x5",
    "replaced": OPEN + "> S 0 isn 9000\n < S. 0 isn 70000 ack 1",
    "reuse": WHOLE + "+100 > S 0 isn 9000",
    "state": OPEN + "> F. 1 ack 1\n > P. 2 ack 1 x5",
    "data-after-fin": OPEN + "> F. 1 ack 1\n > P. 2 ack 1 x5",
    "fin-moved": OPEN + "> F. 1 ack 1\n > F. 9 ack 1",
    "odd-flags": "> SF 0",
    "wrong-answer": OPEN + '> P. 1 ack 1 "one\\n"\n < P. 1 ack 5 "TWO\\n"',
    "ack-late": OPEN + "> P. 1 ack 1 x10\n +700 < . 1 ack 11",
    "ack-of-unseen": OPEN + "< . 1 ack 100",
    "octets-missing": OPEN + "> P. 100 ack 1 x10",
    "zero-window-stays": OPEN + "> P. 1 ack 1 x100\n < . 1 ack 101 win 0",
    "window-update": OPEN + "> P. 1 ack 1 x100\n < . 1 ack 101 win 100\n < . 1 ack 101 win 300",
    "window-exceeded": OPEN.replace("< S. 0 ack 1 ", "< S. 0 ack 1 win 50 ") + "> P. 1 ack 1 x1000",
    "fin-missing": OPEN + "> F. 1 ack 1\n < . 1 ack 2",
    "fin-unacknowledged": OPEN + "> F. 1 ack 1",
    "path-mtu-ignored": OPEN + "> . 1 ack 1 x1460\n icmp 3 4\n +300 > . 1 ack 1 x1460",
    "unreachable": "> S 0\n icmp 3 13",
    "icmp": OPEN + "icmp 5 1",
    "late": WHOLE + "+500 > F. 7 ack 8",
    "reset": OPEN + "> F. 1 ack 1\n < . 1 ack 2\n > R. 2 ack 1",
}
_MTU = (5, 14 + 20 + 4)


def with_octets(frames: list[Frame], number: int, at: int, octets: bytes) -> list[Frame]:
    """Other octets in a frame."""
    data = bytearray(frames[number - 1].data)
    data[at : at + len(octets)] = octets
    return [*frames[: number - 1], frames[number - 1]._replace(data=bytes(data)), *frames[number:]]


def changed() -> dict[str, list[Frame]]:
    """Traces that the notation cannot say."""
    whole = frames_of(WHOLE)
    too_big = frames_of(TRACES["path-mtu-ignored"])
    late = [frame._replace(time_ns=frame.time_ns - 5 * 10**9) for frame in whole[5:]]
    pair = frames_of(OPEN + TALK) + frames_of(OPEN, ports=(40313, 7))
    burst = frames_of(OPEN + "> . 1 ack 1 x100\n +0.1 > . 101 ack 1 x100\n +0.1 > . 201 ack 1 x100")
    data = whole[3].data
    left = pseudo_sum(data[26:30], data[30:34], 6, len(data) - 34).to_bytes(2, "big")
    return {
        "bad-checksum": flipped(whole, 4),
        "bad-ip-checksum": with_octets(whole, 4, 24, b"\xff\xff"),
        "odd-header": with_octets(whole, 1, 55, b"\x00"),  # an option of no length
        "partial-checksum": with_octets(whole, 4, 50, left),
        "path-mtu-ignored": with_octets(too_big, *_MTU, struct.pack("!I", 1400)),
        "path-mtu-unsaid": with_octets(too_big, *_MTU, struct.pack("!I", 0)),
        "out-of-order": swapped(burst, 4, 5),
        "clock-set-back": [*whole[:5], *late],
        "cut": [*whole[:3], whole[3]._replace(data=data[:-2]), *whole[4:]],
        "unreadable": [*whole[:5], whole[5]._replace(data=whole[5].data[:42]), *whole[6:]],
        "evicted": sorted(pair, key=lambda frame: frame.time_ns),
    }


def recorded() -> set[str]:
    """What the recorded traces have, and the pairs of two taps."""
    found = set()
    for capture in [*CAPTURES, *sorted(RECORDED.rglob("*.pcapng"))]:
        found |= {one.kind for analysis in analyse(read_capture(capture).frames) for one in analysis.findings}
    for near in sorted(RECORDED.rglob("*-at-client.pcapng")):
        far = near.with_name(near.name.replace("client", "server"))
        for mine, its in zip(*(analyse(read_capture(one).frames) for one in (near, far)), strict=False):
            if mine.client.address == its.client.address and mine.client.isn == its.client.isn:
                found |= {one.kind for one in compare(mine, its).findings}
    return found


def between() -> set[str]:
    """What only two taps can tell."""
    frames = frames_of(OPEN + "> P. 1 ack 1 x10\n > P. 11 ack 1 x10\n < . 1 ack 21")
    far = [doubled(frames, 4), without(frames, 5), flipped(frames, 4), swapped(frames, 4, 5)]
    slow = [frame._replace(time_ns=frame.time_ns + 10**9) for frame in frames]
    pairs = [*((frames, one) for one in far), (without(frames, 6), frames), (slow, frames)]
    return {one.kind for mine, its in pairs for one in compare(look(mine), look(its)).findings}


def test_every_kind_is_produced_somewhere() -> None:
    found = recorded() | between()
    for trace in TRACES.values():
        found |= {one.kind for analysis in analyse(frames_of(trace)) for one in analysis.findings}
    for name, frames in changed().items():
        limits = Limits(max_sessions=1) if name == "evicted" else None
        found |= {one.kind for analysis in analyse(frames, limits=limits) for one in analysis.findings}
    assert set(KINDS) - found == NEVER_IN_A_FILE


@pytest.mark.parametrize("kind", TRACES)
def test_each_trace_shows_what_it_is_for_and_a_good_session_does_not(kind: str) -> None:
    if kind != "path-mtu-ignored":  # its size is put in by ``changed``
        assert kind in {one.kind for analysis in analyse(frames_of(TRACES[kind])) for one in analysis.findings}
    assert kind not in {one.kind for one in look(OPEN + TALK + CLOSE).findings}

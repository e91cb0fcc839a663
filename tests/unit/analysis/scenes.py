"""Traces for the analysis, in the notation of tests/unit/session/notation.py, and ways to spoil them.

Frames get their IPv4 identification in the order of the lines, from one counter: so a line is what a host sent at that
moment, and ``swapped`` makes what the network put into another order.
"""

from __future__ import annotations

from lab.analysis import analyse
from lab.analysis.model import Analysis, Finding
from lab.session.limits import Limits
from lab.wire.frame import Frame
from tests.unit.session.notation import NAMES, Wire

OPEN = """
    > S  0             <mss 1460, sackok, ts 1 0, ws 7>
    < S. 0 ack 1       <mss 1460, sackok, ts 1 1, ws 7>
    > .  1 ack 1
"""
TALK = """
    > P. 1 ack 1 "hello\\n"
    < .  1 ack 7
    < P. 1 ack 7 "HELLO\\n"
    > .  7 ack 7
"""
CLOSE = """
    < F. 7 ack 7
    > .  7 ack 8
    > F. 7 ack 8
    < .  8 ack 8
"""
WHOLE = OPEN + TALK + CLOSE


def frames_of(
    trace: str, *, version: int = 4, ports: tuple[int, int] = (40312, 7), isns: tuple[int, int] = (1000, 5000)
) -> list[Frame]:
    """The frames of a trace."""
    wire = Wire(version, list(isns), ports)
    made = (wire.frame(line) for line in trace.splitlines())
    return [frame for frame in made if frame is not None]


def look(trace: str | list[Frame], *, version: int = 4, ports: tuple[int, int] = (40312, 7)) -> Analysis:
    """The analysis of a trace with one session."""
    frames = frames_of(trace, version=version, ports=ports) if isinstance(trace, str) else trace
    found = analyse(frames, names=NAMES, limits=Limits())
    assert len(found) == 1, f"should have had 1 session, but had {len(found)}"
    return found[0]


def kinds(analysis: Analysis) -> set[str]:
    """Which kinds of finding there are."""
    return {finding.kind for finding in analysis.findings}


def only(analysis: Analysis, kind: str) -> Finding:
    """The one finding of this kind."""
    found = analysis.findings_of(kind)
    assert len(found) == 1, (
        f"should have had 1 {kind}, but had {[f.sentence for f in found]} of {sorted(kinds(analysis))}"
    )
    return found[0]


def without(frames: list[Frame], number: int) -> list[Frame]:
    """The capture without one frame, counted from 1: it never passed."""
    return frames[: number - 1] + frames[number:]


def swapped(frames: list[Frame], one: int, other: int) -> list[Frame]:
    """Two frames in each other's place, the times of the places kept: the network put them into another order."""
    changed = list(frames)
    first, second = frames[one - 1], frames[other - 1]
    changed[one - 1] = second._replace(time_ns=first.time_ns)
    changed[other - 1] = first._replace(time_ns=second.time_ns)
    return changed


def flipped(frames: list[Frame], number: int) -> list[Frame]:
    """One bit of a TCP checksum turned (IPv4 without options)."""
    frame = frames[number - 1]
    data = bytearray(frame.data)
    data[14 + 20 + 16] ^= 1
    return [*frames[: number - 1], frame._replace(data=bytes(data)), *frames[number:]]


def doubled(frames: list[Frame], number: int, later_ns: int = 20_000) -> list[Frame]:
    """A frame that passes twice: the network made a copy."""
    frame = frames[number - 1]
    return [*frames[:number], frame._replace(time_ns=frame.time_ns + later_ns), *frames[number:]]

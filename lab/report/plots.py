"""Plots of a session: the time–sequence plots of Stevens and of tcptrace, round trips, window and octets in flight.

Stevens' plot (TCP/IP Illustrated) has a dot for every segment with data, at the time and the number of its first octet.
tcptrace's has a bar from its first to its last octet, the acknowledgments as a line that climbs below them, and the
limit that the receiver's window sets as a line above. What was sent again is drawn in another colour and marked.
All are drawn from an analysis; where there is nothing to draw they are empty strings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lab.analysis.model import Analysis, FrameRecord, Role
from lab.analysis.parts import InFlight
from lab.report.axes import TOP, Axes, axes, unit_of
from lab.report.clock import Clock, without_pauses
from lab.report.svg import beside, drawing, element, line, text
from lab.report.text import duration

Item = TypeVar("Item")
WIDTH, HEIGHT = 980.0, 340.0
MOST_MARKS = 4000
"""Of a longer session every second, third, ... mark is drawn; its plot says so."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot: its slug, its title, one sentence on how to read it, and the SVG."""

    slug: str
    title: str
    reading: str
    svg: str


def plots(analysis: Analysis, *, standalone: bool = False) -> list[Plot]:
    """Every plot of this session that has something to show. standalone: each SVG with its own style."""
    found = []
    roles: tuple[Role, ...] = ("client", "server")
    for role in roles:
        if analysis.stream(role).data_frames:
            found.append(stevens(analysis, role, standalone=standalone))
            found.append(tcptrace(analysis, role, standalone=standalone))
            close = without_pauses([one.time_ns for one in analysis.frames])
            if close is not None and len(analysis.stream(role).data_frames) > 1:
                found.append(tcptrace(analysis, role, standalone=standalone, clock=close))
    if any(analysis.stream(role).rtt_samples for role in roles):
        found.append(round_trips(analysis, standalone=standalone))
    for role in roles:
        if analysis.stream(role).in_flight:
            found.append(window(analysis, role, standalone=standalone))
    return found


def stevens(analysis: Analysis, role: Role, *, standalone: bool = False) -> Plot:
    """A dot for every segment with data that this end sent."""
    clock = _clock(analysis)
    again = _again(analysis, role)
    data = [analysis.frame(number) for number in analysis.stream(role).data_frames]
    frames, step = _thinned(data, lambda one: one.number in again)
    points = [(clock.at(one.time_ns), float(one.seq_rel or 0), one) for one in frames]
    paper = axes(WIDTH, HEIGHT, [0.0, clock.span], [y for _, y, _ in points])
    marks = [paper.frame(f"time, {clock.unit}", f"octet of the {role}'s stream")]
    for x, y, one in points:
        marks.append(paper.dot(x, y, "d-again" if one.number in again else "d-data", _told(one)))
        if one.number in again:
            marks.append(text(paper.x(x) + 5, paper.y(y) - 4, "R", "ink small bold"))
    reading = (
        "A dot for each segment with data: its time and the number of its first octet; R marks what was sent again."
    )
    return _plot(f"stevens-{role}", f"What the {role} sent (Stevens)", reading, marks, step, standalone)


def tcptrace(analysis: Analysis, role: Role, *, standalone: bool = False, clock: Clock | None = None) -> Plot:
    """Bars for the segments, the acknowledgments below, the window's limit above. clock: one that cuts the pauses."""
    cut, clock = clock is not None, clock or _clock(analysis)
    stream, other = analysis.stream(role), analysis.stream("server" if role == "client" else "client")
    again = _again(analysis, role)
    data = [analysis.frame(number) for number in stream.data_frames]
    frames, step = _thinned(data, lambda one: one.number in again)
    acked = [(clock.at(one.time_ns), float(one.up_to_rel)) for one in other.acks]
    limit = [(clock.at(p.time_ns), float(p.edge_rel)) for p in other.windows if p.edge_rel is not None]
    tops = [float(one.end_rel or 0) for one in frames]
    highest = max(tops, default=1.0)
    near = [(x, y) for x, y in limit if y <= highest * 3 + 1000]  # a window of megabytes would flatten everything else
    ys = [float(one.seq_rel or 0) for one in frames] + tops + [y for _, y in near]
    paper = axes(WIDTH, HEIGHT, [0.0, clock.span], ys)
    marks = [paper.frame(f"time, {clock.unit}", f"octet of the {role}'s stream")]
    marks += [paper.steps(acked, "plot p-ack"), paper.steps(near, "plot p-limit")]
    for one in frames:
        marks.append(_bar(paper, clock, one, one.number in again))
    for one in analysis.frames:
        if one.sender not in (None, role):
            x = paper.x(clock.at(one.time_ns))
            marks += [line(x, paper.y(low), x, paper.y(high), "plot p-sack") for low, high in one.sack_blocks]
    reading = "Bars: segments, from their first to their last octet; R: sent again. Full line: acknowledged so far."
    if near:
        reading += " Dashed line: the limit that the receiver's window sets"
        reading += "." if len(near) == len(limit) else " (where it is near enough to be drawn)."
    elif limit:
        reading += " The limit that the receiver's window sets is far above, and not drawn."
    if any(one.sack_blocks for one in analysis.frames):
        reading += " Thick bars: blocks that arrived out of order (SACK)."
    if not cut:
        return _plot(f"tcptrace-{role}", f"What the {role} sent (tcptrace)", reading, marks, step, standalone)
    for begin, end in clock.pauses:
        x = paper.x((clock.at(begin) + clock.at(end)) / 2)
        marks.append(line(x, paper.y(paper.y_low), x, TOP, "pause"))
        marks.append(beside(x, TOP + 4, f"pause of {duration(end - begin)}"))
    reading += " Grey lines: long pauses, cut short here; the numbers of the axis leave them out."
    title = f"What the {role} sent, without the pauses (tcptrace)"
    return _plot(f"tcptrace-{role}-close", title, reading, marks, step, standalone)


def _bar(paper: Axes, clock: Clock, one: FrameRecord, again: bool) -> str:
    x = paper.x(clock.at(one.time_ns))
    low, high = paper.y(float(one.seq_rel or 0)), paper.y(float(one.end_rel or 0))
    klass = "plot p-again" if again else "plot p-data"
    bar = line(x, low, x, high, klass) + line(x - 3, low, x + 3, low, klass) + line(x - 3, high, x + 3, high, klass)
    mark = text(x + 5, high - 3, "R", "ink small bold") if again else ""
    return element("g", element("title", _told(one)) + bar + mark)


def round_trips(analysis: Analysis, *, standalone: bool = False) -> Plot:
    """Samples of both ends, the smoothed time, and the time-out that follows from them."""
    clock = _clock(analysis)
    true = analysis.vantage
    roles: list[Role] = [role for role in ("client", "server") if analysis.stream(role).rtt_samples]
    role = true if true in roles else max(roles, key=lambda one: len(analysis.stream(one).rtt_samples))
    samples, step = _thinned(list(analysis.stream(role).rtt_samples))
    longest = max(max(one.rtt_ns, one.srtt_ns) for one in samples)
    y_unit, y_size = unit_of(longest)
    measured = [(clock.at(one.time_ns), one.rtt_ns / y_size) for one in samples]
    smooth = [(clock.at(one.time_ns), one.srtt_ns / y_size) for one in samples]
    spread = [(clock.at(s.time_ns), (s.srtt_ns + 4 * s.rttvar_ns) / y_size) for s in samples]
    paper = axes(WIDTH, HEIGHT, [0.0, clock.span], [y for _, y in measured + smooth + spread])
    marks = [paper.frame(f"time, {clock.unit}", f"round trip, {y_unit}")]
    marks += [paper.steps(smooth, "plot p-srtt"), paper.steps(spread, "plot p-rto")]
    for (x, y), one in zip(measured, samples, strict=True):
        told = f"frame {one.data_frame}, acknowledged by {one.ack_frame}: {duration(one.rtt_ns)}"
        marks.append(paper.dot(x, y, "d-data", told))
    reading = (
        f"Dots: how long the {role}'s octets took to be acknowledged, seen from the tap. Full line: the smoothed round"
        " trip time SRTT. Dashed line: SRTT + 4 RTTVAR, from which the retransmission time-out is made (RFC 6298 §2;"
        " with its least of one second by the RFC, 200 ms in Linux)."
    )
    return _plot("round-trips", f"Round trips of the {role}'s segments", reading, marks, step, standalone)


def window(analysis: Analysis, role: Role, *, standalone: bool = False) -> Plot:
    """Octets sent and not yet acknowledged, below what the receiver has room for."""
    clock = _clock(analysis)
    every, step = _peaks(list(analysis.stream(role).in_flight))
    flight = [(clock.at(one.time_ns), float(one.in_flight_bytes)) for one in every]
    room = [(clock.at(one.time_ns), float(one.limit_rel - one.acked_rel)) for one in every if one.limit_rel is not None]
    highest = max((y for _, y in flight), default=0.0)
    drawn = [(x, y) for x, y in room if y <= max(highest * 6, 3000)]
    paper = axes(WIDTH, HEIGHT * 0.8, [0.0, clock.span], [0.0, *(y for _, y in flight + drawn)])
    marks = [paper.frame(f"time, {clock.unit}", "octets")]
    marks += [paper.steps(flight, "plot p-data"), paper.steps(drawn, "plot p-limit")]
    largest = max((y for _, y in room), default=0.0)
    reading = f"Full line: octets of the {role} under way (sent, not yet acknowledged as seen at the tap). " + (
        "Dashed line: what its peer has room for."
        if drawn
        else f"Its peer had room for up to {largest:,.0f} octets all the time: far above, and not drawn."
    )
    title = f"Octets of the {role} in flight"
    return _plot(f"window-{role}", title, reading, marks, step, standalone, HEIGHT * 0.8)


def _plot(
    slug: str, title: str, reading: str, marks: list[str], step: int, standalone: bool, height: float = HEIGHT
) -> Plot:
    if step > 1:
        reading += f" So many marks that only one in {step} is drawn."
    svg = drawing(WIDTH, height, title, "".join(marks), standalone=standalone, described=reading)
    return Plot(slug, title, reading, svg)


def _again(analysis: Analysis, role: Role) -> set[int]:
    return {one.frame for one in analysis.stream(role).retransmissions}


def _clock(analysis: Analysis) -> Clock:
    return Clock(analysis.start_ns, max(analysis.end_ns, analysis.start_ns + 1))


def _told(one: FrameRecord) -> str:
    return f"frame {one.number}: octets {one.seq_rel} to {(one.end_rel or 1) - 1}"


def _thinned(every: list[Item], keep: Callable[[Item], bool] | None = None) -> tuple[list[Item], int]:
    """Of too many every second, third, ... one, and those that are to be kept."""
    step = -(-len(every) // MOST_MARKS) or 1
    if step == 1:
        return every, step
    return [one for index, one in enumerate(every) if not index % step or (keep is not None and keep(one))], step


def _peaks(every: list[InFlight]) -> tuple[list[InFlight], int]:
    """Of too many points the highest and the lowest of every few: no peak is lost."""
    step = -(-len(every) // MOST_MARKS) or 1
    if step == 1:
        return every, step
    found: list[InFlight] = []
    for begin in range(0, len(every), 2 * step):
        few = every[begin : begin + 2 * step]
        ends = {min(few, key=_height).frame, max(few, key=_height).frame}
        found += [one for one in few if one.frame in ends]
    return found, step


def _height(one: InFlight) -> int:
    return one.in_flight_bytes

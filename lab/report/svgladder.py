"""The ladder as a picture: two lifelines, an arrow for every frame, the states of RFC 9293 beside the lines.

Arrows slope a little, as in the textbooks: time goes down, and a frame needs some. On request the distances between
them grow with the time that passed. A frame that ended between the two has an arrow that ends in the middle.
"""

from __future__ import annotations

import textwrap
from html import escape

from lab.report.rungs import Rung, shortened, states_changed
from lab.report.svg import arrow_head, drawing, element, line, text
from lab.report.text import duration

WIDTH = 980.0
CLIENT_X, SERVER_X = 250.0, 760.0
MOST_RUNGS, TAIL_RUNGS = 400, 40
_TOP = 58.0
_ROW = 58.0
_SLOPE = 10.0
_CLOSE = 44.0  # least distance of two rows where distances follow the time
_TIME_X = 86.0
_EXPLAINED = 3  # lines of explanation, at most


def ladder_svg(
    every: list[Rung],
    title: str,
    client: str,
    server: str,
    *,
    to_scale: bool = False,
    explain: bool = False,
    linked: bool = False,
) -> str:
    """Draw a ladder.

    every: its rungs. title: what it shows. client, server: what stands above the lifelines.
    to_scale: whether distances grow with time. explain: a line of explanation under each arrow.
    linked: each rung is a link to ``#frame-N`` (inside the report); else the drawing stands by itself.
    Returns SVG; of a long session only the two ends.
    """
    first, left_out, tail = shortened(every, MOST_RUNGS, TAIL_RUNGS)
    drawn = first + tail
    places, height = _places(drawn, to_scale, explain, len(first) if left_out else None)
    parts = [
        text(CLIENT_X, 22, client, "ink bold", "middle"),
        text(SERVER_X, 22, server, "ink bold", "middle"),
        text(_TIME_X, 22, "time", "ink small dim", "end"),
        line(CLIENT_X, 34, CLIENT_X, height - 14, "life"),
        line(SERVER_X, 34, SERVER_X, height - 14, "life"),
    ]
    if left_out:
        y = places[len(first)] - _ROW * 0.9
        words = f"… {left_out} frames are not drawn; the file has them …"
        parts.append(text((CLIENT_X + SERVER_X) / 2, y, words, "ink small dim", "middle"))
    for one, y, states in zip(drawn, places, states_changed(drawn), strict=True):
        parts.append(_row(one, y, states, explain=explain, linked=linked))
    told = f"{len(every)} frames between {client} and {server}."
    return drawing(WIDTH, height, title, "".join(parts), standalone=not linked, described=told)


def _places(drawn: list[Rung], to_scale: bool, explain: bool, gap_before: int | None) -> tuple[list[float], float]:
    """Where each rung begins, and the height of all."""
    row = _ROW + (14 * _EXPLAINED if explain else 0)
    close = _CLOSE + (14 * _EXPLAINED if explain else 0)
    span_ns = max(1, drawn[-1].time_ns - drawn[0].time_ns) if drawn else 1
    stretch = row * len(drawn) * 1.5 / span_ns
    places, y, before_ns = [], _TOP, None
    for number, one in enumerate(drawn):
        if before_ns is not None:
            y += close + max(0, one.time_ns - before_ns) * stretch if to_scale else row
        if number == gap_before:
            y += _ROW
        places.append(y)
        before_ns = one.time_ns
    return places, y + row + 6


def _row(one: Rung, y: float, states: tuple[str, str], *, explain: bool, linked: bool) -> str:
    parts = [element("rect", x=4.0, y=y - 21, width=WIDTH - 8, height=44.0, rx=4.0, klass="hit")]
    parts.append(text(_TIME_X, y + 4, duration(one.time_ns) if one.time_ns else "0", "ink small dim mono", "end"))
    near, far = one.at_taps or (f"#{one.number}", "")
    parts.append(text(_TIME_X + 8, y + 4, near, "ink small dim mono"))
    if far:
        parts.append(text(WIDTH - 30, y + 4, far, "ink small dim mono", "end"))
    parts.append(_arrow(one, y))
    middle = (CLIENT_X + SERVER_X) / 2
    words = one.label + (f"  [{', '.join(one.marks)}]" if one.marks else "") + ("  [lost]" if one.lost else "")
    parts.append(text(middle, y - 5, words, "ink small halo", "middle"))
    below = one.text
    if one.travel_ns is not None:
        below = f"{below}  ({duration(one.travel_ns)} on the way)" if below else f"{duration(one.travel_ns)} on the way"
    if below:
        parts.append(text(middle, y + _SLOPE + 12, below, "ink small mono", "middle"))
    if explain:
        lines = textwrap.wrap(one.comment, 84, max_lines=_EXPLAINED, placeholder=" …")
        for number, words in enumerate(lines):
            parts.append(text(middle, y + _SLOPE + 27 + 14 * number, words, "ink small dim halo", "middle"))
    for state, x, anchor in ((states[0], CLIENT_X - 10, "end"), (states[1], SERVER_X + 10, "start")):
        if state:
            parts.append(text(x, y + (14 if (anchor == "end") == (one.sender == "server") else 2), state,
                              "ink state", anchor))  # fmt: skip
    content = "".join(parts)
    if not linked:
        return element("g", element("title", escape(one.comment)) + content)
    told = f"Frame {one.number}, from the {one.sender or 'network'}: {one.label} {one.text}"
    return element("a", content, href=f"#frame-{one.number}", aria_label=told.strip())


def _arrow(one: Rung, y: float) -> str:
    """From one lifeline to the other; across both where the sender is neither."""
    line_class, head_class = f"arrow k-{one.colour}", f"head h-{one.colour}"
    if one.sender not in ("client", "server"):
        return line(CLIENT_X + 6, y + 2, SERVER_X - 6, y + 2, line_class)
    begin, end = (CLIENT_X, SERVER_X) if one.sender == "client" else (SERVER_X, CLIENT_X)
    if one.appeared:
        begin, y = (begin + end) / 2, y + _SLOPE / 2
        return line(begin, y, end, y + _SLOPE / 2, line_class) + arrow_head(
            end, y + _SLOPE / 2, end - begin, _SLOPE / 2, head_class
        )
    if not one.lost:
        return line(begin, y, end, y + _SLOPE, line_class) + arrow_head(
            end, y + _SLOPE, end - begin, _SLOPE, head_class
        )
    x, stop = (begin + end) / 2, y + _SLOPE / 2
    cross = "".join(line(x - 6, stop - 6 * turn, x + 6, stop + 6 * turn, "arrow k-trouble") for turn in (1, -1))
    return line(begin, y, x, stop, line_class) + cross

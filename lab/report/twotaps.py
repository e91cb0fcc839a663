"""Two taps in the terminal: both lifelines, and an arrow for every segment from the one to the other.

At each end of an arrow stands the segment's frame number at the tap there. The arrow of one that was lost ends in the
middle; one that nobody sent begins there.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from lab.analysis.compare import Comparison, Crossing
from lab.report.ladder import MIN_WIDTH, Style
from lab.report.rungs import Rung
from lab.report.text import duration

_TIME, _NUMBER, _TRAVEL = 9, 6, 9


def two_taps(found: Comparison, every: Sequence[Rung], style: Style, done: Sequence[str] | None = None) -> list[str]:
    """The drawing, line by line.

    every: the comparison's rungs (``pairing.crossing_rungs``). done: what the wire did to each, if known.
    """
    width = max(MIN_WIDTH, style.width)
    inner = width - _TIME - 2 * _NUMBER - _TRAVEL - 4
    middle = f"{'client':<{(inner + 1) // 2}}{'server':>{inner // 2}}"
    head = f"{'ms':>{_TIME}} {'#':>{_NUMBER}} {middle} {'#':<{_NUMBER}}{'on the way':>{_TRAVEL + 1}}"
    lines = [style.paint(head, "dim")]
    for index, (one, crossing) in enumerate(zip(every, found.crossings, strict=True)):
        lines += _row(one, crossing, inner, width, style, done[index] if done is not None else "")
    return lines


def _row(one: Rung, crossing: Crossing, inner: int, width: int, style: Style, deed: str) -> list[str]:
    label = one.label.replace("  ", " ")
    short = label.split(" seq ")[0]
    odd = crossing.fate != "arrived"
    apart = odd or len(label) > inner - 6
    arrow = style.paint(_arrow(crossing, short if apart else label, inner), one.colour)
    client, server = one.at_taps or ("", "")
    took = duration(crossing.delay_ns) if crossing.delay_ns is not None else "-"
    row = f"{one.time_ns / 1e6:>{_TIME}.3f} {client:>{_NUMBER}} {arrow} {server:<{_NUMBER}} {took:>{_TRAVEL}}"
    indent = " " * (_TIME + _NUMBER + 2)
    words = [label[len(short) :].strip()] if apart else []
    words += [f"[{crossing.fate}]"] if odd else []
    words += [f"wire: {deed}"] if deed else []
    below = textwrap.wrap(" ".join(words), width - len(indent), break_on_hyphens=False)
    return [row, *(indent + line for line in below)]


def _arrow(crossing: Crossing, label: str, width: int) -> str:
    """All the way, or half of it where the segment was lost or came from nowhere."""
    half = width // 2
    if crossing.fate == "lost":
        drawn = _line(crossing, label, half - 1, "✕")
    elif crossing.fate == "appeared":
        drawn = _line(crossing, label, half, "▶" if crossing.sender == "client" else "◀")
    else:
        return _line(crossing, label, width, "▶" if crossing.sender == "client" else "◀")
    on_the_left = (crossing.sender == "client") == (crossing.fate == "lost")
    return drawn.ljust(width) if on_the_left else drawn.rjust(width)


def _line(crossing: Crossing, label: str, width: int, tip: str) -> str:
    if crossing.sender == "client":
        return f"── {label} ".ljust(width - 1, "─") + tip
    return tip + f" {label} ──".rjust(width - 1, "─")

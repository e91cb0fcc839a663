"""The ladder of two taps: each frame with when it left and when it arrived, and an arrow that ends in the middle for
one that did not."""

from __future__ import annotations

from lab.analysis.compare import Comparison, Crossing
from lab.analysis.model import Analysis, FrameRecord
from lab.report.rungs import Rung, colour, label
from lab.report.text import duration, quote

_WORDS = {
    "lost": "lost on the way",
    "duplicated": "a copy made on the way",
    "reordered": "overtaken on the way",
    "corrupted": "damaged on the way",
    "fragmented": "cut into fragments on the way",
    "appeared": "nobody sent it",
}


def crossing_rungs(comparison: Comparison, *, raw: bool = False) -> list[Rung]:
    """The rungs of a comparison, by time of leaving. Numbers are those of the client's file, or of the server's where
    the frame is not in it."""
    start_ns = min((_time(one) for one in comparison.crossings), default=0)
    return [_rung(comparison, one, start_ns, raw=raw) for one in comparison.crossings]


def _rung(comparison: Comparison, crossing: Crossing, start_ns: int, *, raw: bool) -> Rung:
    frame = _frame(comparison, crossing)
    client, server = _states(comparison, crossing)
    word = _WORDS.get(crossing.fate, "")
    return Rung(
        crossing.at_client or crossing.at_server or frame.number,
        _time(crossing) - start_ns,
        crossing.sender,
        "trouble" if word else colour(frame),
        label(frame, raw=raw),
        quote(frame.payload, 48) if frame.payload else "",
        client,
        server,
        f"{frame.comment} {word[:1].upper()}{word[1:]}." if word else frame.comment,
        (word,) if word and crossing.fate != "lost" else (),
        crossing.fate == "lost",
        crossing.delay_ns,
        crossing.fate == "appeared",
        _at_taps(crossing),
    )


def _at_taps(crossing: Crossing) -> tuple[str, str]:
    client, server = (f"#{number}" if number else "" for number in (crossing.at_client, crossing.at_server))
    return client, server


def _frame(comparison: Comparison, crossing: Crossing) -> FrameRecord:
    near = _tap(comparison, crossing.sender)
    if crossing.near is not None:
        return near.frame(crossing.near)
    far = _tap(comparison, "server" if crossing.sender == "client" else "client")
    return far.frame(crossing.far or 1)


def _tap(comparison: Comparison, role: str) -> Analysis:
    return comparison.client_tap if role == "client" else comparison.server_tap


def _states(comparison: Comparison, crossing: Crossing) -> tuple[str, str]:
    """Each end's state as the tap beside it saw it; empty where the frame is not in its file."""
    client = comparison.client_tap.frame(crossing.at_client).client_state if crossing.at_client else ""
    server = comparison.server_tap.frame(crossing.at_server).server_state if crossing.at_server else ""
    return client, server


def _time(crossing: Crossing) -> int:
    return crossing.near_ns if crossing.near_ns is not None else crossing.far_ns or 0


def path_lines(comparison: Comparison) -> list[str]:
    """Both directions in words, a line each."""
    lines = []
    for path in (comparison.from_client, comparison.from_server):
        other = "server" if path.sender == "client" else "client"
        odd = [
            f"{count} {word}"
            for count, word in (
                (path.lost, "lost"),
                (path.duplicated, "copied"),
                (path.reordered, "overtaken"),
                (path.corrupted, "damaged"),
                (path.fragmented, "in fragments"),
                (path.appeared, "that nobody sent"),
            )
            if count
        ]
        text = f"{path.sender} to {other}: {path.sent} segments left, {path.arrived} arrived"
        text += f" ({', '.join(odd)})" if odd else ", in order and undamaged"
        if path.median_ns is not None and path.least_ns is not None and path.most_ns is not None:
            text += f"; {duration(path.least_ns)} to {duration(path.most_ns)} on the way, half of them within"
            text += f" {duration(path.median_ns)}"
        if path.routers:
            text += f", through {path.routers} router" + ("s" if path.routers > 1 else "")
        lines.append(text)
    return lines

"""The ladder: a session as a drawing in text, two lifelines and an arrow for every frame.

For every frame it shows when it came (milliseconds from the first), which way it went and with which flags, the state
of both ends after it, its sequence and acknowledgment numbers (relative, and raw as they stand in the header), its
length, its text, and in words what it is for. It is drawn to a given width, with colour or without, and with plain
ASCII where the terminal has nothing better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.report.text import clip, columns, duration, quote, wrap
from lab.session.events import Note, Recorded
from lab.session.session import Session
from lab.session.words import QUOTE_LENGTH, count

MIN_WIDTH = 60
_TIME = 9  # columns of the time
_STATE = 13  # columns of a state with a space (SYN-RECEIVED has 12)
_LINES_OF_TIME = 2  # to scale: so many lines a frame, on the average, for the time between frames
_MOST_WAITING = 24
_COLOURS = {"handshake": "32", "data": "36", "teardown": "33", "trouble": "31", "dim": "2", "bold": "1"}


@dataclass(frozen=True)
class Style:
    """How to draw: columns of the terminal, colour (ANSI) or not, and ASCII only or with arrows and lines.

    raw: numbers as in the header only. to_scale: lines between frames grow with the time between them. explain: one
    line of explanation a frame, not all of it.
    """

    width: int = 80
    colour: bool = False
    ascii_only: bool = False
    raw: bool = False
    to_scale: bool = False
    explain: bool = False

    def paint(self, text: str, what: str) -> str:
        """The text in the colour of what it is, or as it is where there is no colour."""
        return f"\x1b[{_COLOURS[what]}m{text}\x1b[0m" if self.colour and what in _COLOURS else text

    def plain(self, text: str) -> str:
        """The text as the terminal can show it."""
        if not self.ascii_only:
            return text
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


_ASCII = str.maketrans(
    {"─": "-", "▶": ">", "◀": "<", "·": "-", "→": "->", "µ": "u", "│": "|", "…": "...", "✕": "x", "•": "*"}
)


def ladder(
    session: Session,
    recorded: Sequence[Recorded],
    style: Style | None = None,
    *,
    tail: Sequence[Recorded] = (),
    left_out: int = 0,
    cut: str = "",
) -> str:
    """Draw one session.

    session: what is known about it as a whole.
    recorded: its frames with their notes, in the order of the file.
    style: width, colour, characters.
    tail, left_out: of a long session, the last frames too, and how many between are not drawn.
    cut: how the file is not all there; then nothing is certified.
    Returns the drawing, lines separated by LF, without one at the end.
    """
    style = style or Style()
    total = len(recorded) + left_out + len(tail)
    lines = [*_heading(session, total, style), ""]
    start_ns = min((r.frame.time_ns for r in recorded), default=0)
    every = [*recorded, *tail]
    per_line_ns = (every[-1].frame.time_ns - start_ns) / (_LINES_OF_TIME * len(every)) if every else 0
    for index, record in enumerate(every):
        if left_out and index == len(recorded):
            lines += ["", f"{'':{_TIME}} … {left_out} frames are not drawn here; the file has them …", ""]
        elif style.to_scale and index:
            lines += _waiting(record.frame.time_ns - every[index - 1].frame.time_ns, per_line_ns, style)
        number = index + 1 + (left_out if index >= len(recorded) else 0)
        lines += _rung(number, (record.frame.time_ns - start_ns) / 1e6, record.note, style)
    lines += ["", *_ending(session, style, cut)]
    return "\n".join(style.plain(line) for line in lines)


def _heading(session: Session, frames: int, style: Style) -> list[str]:
    summary = session.summary()
    nanoseconds = summary.get("duration_ns")
    took = f" · {duration(nanoseconds)}" if isinstance(nanoseconds, int) else ""
    title = f"Session {session.name} · {session.verdict} · {frames} frames{took}"
    roles = f"client {session.client} → server {session.server}"
    inner = max(MIN_WIDTH, style.width) - _TIME - 1
    head = f"{'ms':>{_TIME}} {'client':<{_STATE}}{'':^{inner - 2 * _STATE}}{'server':>{_STATE}}"
    numbers = "seq and ack count from each side's first number (as in the header)"
    if style.raw:
        numbers = "seq and ack are the numbers of the header"
    inner_width = max(MIN_WIDTH, style.width)
    return [
        *wrap(style.plain(title), inner_width),
        *wrap(style.plain(roles), inner_width),
        *wrap(numbers, inner_width),
        "",
        style.paint(head, "dim"),
    ]


def _waiting(gap_ns: int, per_line_ns: float, style: Style) -> list[str]:
    """The two lifelines going on while nothing is sent, a line for so much time."""
    count = min(_MOST_WAITING, round(gap_ns / per_line_ns)) if per_line_ns > 0 and gap_ns > 0 else 0
    inner = max(MIN_WIDTH, style.width) - _TIME - 1 - 2 * _STATE
    line = f"{'':{_STATE}}│{'':{inner - 2}}│"
    middle = (count - 1) // 2
    told = f"+{duration(gap_ns)}"
    return [f"{told if number == middle else '':>{_TIME}} {style.paint(line, 'dim')}" for number in range(count)]


def _rung(number: int, time_ms: float, note: Note, style: Style) -> list[str]:
    width = max(MIN_WIDTH, style.width)
    inner = width - _TIME - 1
    what = _colour_of(note)
    arrow = _arrow(note, inner - 2 * _STATE)
    states = f"{note.client_state:<{_STATE}}{style.paint(arrow, what)}{note.server_state:>{_STATE}}"
    lines = [f"{time_ms:>{_TIME}.3f} {states}"]
    indent = " " * (_TIME + 1)
    lines += [indent + line for line in wrap(_numbers(number, note, style.raw), inner)]
    text = quote(note.payload, inner - 2) if note.payload else ""
    if text and text not in note.comment and columns(text) > QUOTE_LENGTH + 10:  # else the comment shows as much of it
        lines += [indent + style.paint(line, "bold") for line in wrap(style.plain(text), inner)]
    comment = style.plain(note.comment)
    said = [clip(comment, inner)] if style.explain else wrap(comment, inner)
    lines += [indent + style.paint(line, "dim") for line in said]
    return lines


def _arrow(note: Note, width: int) -> str:
    length = f", {count(note.length_bytes, 'octet')}" if note.length_bytes else ""
    label = f" {note.flags or note.kind}{length} "
    if note.sender == "client":
        return f"──{label}".ljust(width - 1, "─")[: width - 1] + "▶"
    if note.sender == "server":
        return "◀" + f"{label}──".rjust(width - 1, "─")[-(width - 1) :]
    return label.center(width, "·")[:width]


def _numbers(number: int, note: Note, raw: bool) -> str:
    parts = [f"#{number}"]
    if note.seq_raw is not None:
        parts.append(f"seq {_both(note.seq_rel, note.seq_raw, raw)}")
    if note.ack_raw is not None:
        parts.append(f"ack {_both(note.ack_rel, note.ack_raw, raw)}")
    if note.seq_raw is not None:
        parts.append(f"len {note.length_bytes}")
    if note.window_bytes is not None:
        parts.append(f"win {note.window_bytes}")
    if note.trouble:
        parts.append("[" + ", ".join(note.trouble) + "]")
    return " ".join(parts)


def _both(relative: int | None, raw: int, only_raw: bool) -> str:
    if only_raw:
        return str(raw)
    return f"{'?' if relative is None else relative} ({raw})"


def _colour_of(note: Note) -> str:
    if note.trouble or note.kind in {"rst", "icmp"}:
        return "trouble"
    if note.kind in {"syn", "syn-ack", "handshake-ack"}:
        return "handshake"
    if note.kind == "fin":
        return "teardown"
    return "data" if note.length_bytes else ""


def _ending(session: Session, style: Style, cut: str) -> list[str]:
    certificate = session.certificate
    reasons = [*([f"{cut}."] if cut else []), *certificate.reasons]
    if not reasons and certificate.complete:
        return [style.paint("Certified: every frame of this session is here.", "handshake")]
    return [
        line
        for reason in reasons
        for line in wrap("Not certified: " + style.plain(reason), max(MIN_WIDTH, style.width))
    ]

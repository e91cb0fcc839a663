"""``echolab ladder``: a capture as a drawing in the terminal."""

from __future__ import annotations

from pathlib import Path

from lab.cli.errors import RefusedError, cut_sentence
from lab.cli.replay import replay
from lab.report.ladder import Style, ladder

LONG = 200
"""A session of more frames is drawn at its two ends only, unless everything is asked for."""
_END = 24


def ladder_of_file(path: Path, style: Style | None = None, *, whole: bool = False, session: int | None = None) -> str:
    """The ladders of all sessions in a capture file, one below the other; or of the one with this number (from 1).

    path: a pcapng or pcap file. style: width, colour, characters. whole: draw long sessions in full.
    Of a large file only one session is drawn. Raises CaptureFileError if it is none, RefusedError for a session that is
    not there, or where there is none.
    """
    drawings = []
    for replayed in replay(path, session):
        frames, left_over = replayed.frames, replayed.left_over_bytes
        cut = cut_sentence(path.name, left_over) if left_over else ""
        if whole or len(frames) <= LONG:
            drawings.append(ladder(replayed.session, frames, style, cut=cut))
            continue
        first, last = frames[: LONG - _END], frames[-_END:]
        left_out = len(frames) - len(first) - len(last)
        drawings.append(ladder(replayed.session, first, style, tail=last, left_out=left_out, cut=cut))
    if not drawings:
        raise RefusedError(f"{path.name} has no TCP session in it: look at it with Wireshark")
    return "\n\n".join(drawings)

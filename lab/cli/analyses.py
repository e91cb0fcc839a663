"""From a capture file to analyses: the file's frames through the tracker, and what lab.analysis makes of each session.

Any pcap or pcapng file with TCP on Ethernet will do. Where the lab wrote the file, its JSON lies beside it and says
whether the capture is certified; for any other file the tracker's own judgement is told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.analysis import analyse
from lab.analysis.model import Analysis
from lab.cli.errors import ASKED_WRONGLY, RefusedError
from lab.cli.large import choose, counted, frames_of_session, is_large, not_there, several
from lab.cli.naming import ordinal_in
from lab.store.digest import file_sha256
from lab.store.reader import CaptureReader
from lab.wire.frame import Frame


@dataclass(frozen=True, slots=True)
class Analysed:
    """A file, understood. left_over_bytes: octets of a last block that is not all there (the writer was stopped)."""

    path: Path
    analyses: tuple[Analysis, ...]
    frames: int
    left_over_bytes: int


def analysis_of(path: Path, session: int | None = None) -> tuple[Analysed, Analysis]:
    """The file, and the session in it that is meant: the only one, or the one with this number (from 1).

    Of a large file only this session is kept in memory. Raises CaptureFileError or RefusedError.
    """
    if is_large(path):
        chosen = choose(path, counted(path), session)
        frames, reader = frames_of_session(path, chosen)
        found = [one for one in _analyse(frames, reader) if one.client.address == chosen.client]
        nearest = min(found, key=lambda one: abs(one.start_ns - chosen.first_ns), default=None)
        if nearest is None:
            raise RefusedError(f"session {session or 1} of {path.name} cannot be analysed: look at it with Wireshark")
        return Analysed(path, (nearest,), len(frames), reader.left_over_bytes), _numbered(nearest, path, chosen.ordinal)
    every = analyses_of(path)
    if not every.analyses:
        raise RefusedError(f"{path.name} has no TCP session in it: look at it with Wireshark")
    if session is None and len(every.analyses) > 1:
        raise RefusedError(several(path, len(every.analyses)), ASKED_WRONGLY)
    if session is not None and not 1 <= session <= len(every.analyses):
        raise not_there(path, len(every.analyses), session)
    meant = every.analyses[(session or 1) - 1]
    return every, _numbered(meant, path, meant.ordinal)


def _numbered(analysis: Analysis, path: Path, ordinal: int) -> Analysis:
    """With its number in the run, where the file's name says it; else that in the file."""
    told = ordinal_in(path, analysis.name) or ordinal
    name = f"{told:04d}-{analysis.name.partition('-')[2]}"
    return replace(
        analysis, name=name, ordinal=told, summary={**analysis.summary, "id": name, "name": name, "ordinal": told}
    )


def analyses_of(path: Path) -> Analysed:
    """All sessions of a pcap or pcapng file that fits into memory. Raises CaptureFileError if it is none."""
    if is_large(path):
        raise RefusedError(
            f"{path.name} is too large to be analysed whole: 'echolab stats' counts it, 'editcap' cuts a part out"
        )
    reader = CaptureReader(path)
    frames = [packet.frame for packet in reader]
    return Analysed(path, tuple(_analyse(frames, reader)), len(frames), reader.left_over_bytes)


def _analyse(frames: Sequence[Frame], reader: CaptureReader) -> list[Analysis]:
    return analyse(frames, names={address: found[0] for address, found in reader.names.items() if found})


def certificate_of(found: Analysed, analysis: Analysis) -> str:
    """In one sentence, whether this capture is complete, and who says so: the tap only of the very file it wrote."""
    told, changed = _beside(found)
    if told is not None and not changed:
        if told.get("complete"):
            return "Certified by the tap: every frame of this session is here."
        return _with_reasons("Not certified by the tap", told)
    summary = analysis.summary.get("certificate", {})
    told = summary if isinstance(summary, dict) else {}
    who = "As far as these frames tell, the capture is complete"
    if not told.get("complete"):
        who = "The capture is not complete"
    return changed + _with_reasons(who, {} if told.get("complete") else told)


def _beside(found: Analysed) -> tuple[dict[str, object] | None, str]:
    """The certificate in the JSON beside a file, None without one; and how the file is not the one that it is for."""
    try:
        facts = json.loads(found.path.with_suffix(".json").read_text(encoding="utf-8"))
        told, written = facts["certificate"], facts["file"]
        complete, sha256, frames = bool(told.get("complete")), written.get("sha256"), written.get("frames")
        changed = complete and sha256 != file_sha256(found.path)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None, ""
    if not changed:
        return told, ""
    how = "its octets are others"
    if found.left_over_bytes:
        how = "it ends in the middle of a block"
    elif isinstance(frames, int) and frames != found.frames and not is_large(found.path):
        how = f"the tap wrote {frames} frames, here are {found.frames}"
    return told, f"Not the file that the tap certified: it was cut or edited since ({how}). "


def _with_reasons(who: str, told: Mapping[str, object]) -> str:
    reasons = told.get("reasons")
    words = join([str(reason) for reason in reasons]) if isinstance(reasons, list | tuple) else ""
    return f"{who}: {words}." if words else f"{who}."


def join(words: Sequence[str]) -> str:
    """``a; b; c``, without the full stops that they may end in."""
    return "; ".join(word.rstrip(".") for word in words)

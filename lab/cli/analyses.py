"""From a capture file to analyses: the file's frames through the tracker, and what lab.analysis makes of each session.

Any pcap or pcapng file with TCP on Ethernet will do. Where the lab wrote the file, its JSON lies beside it and says
whether the capture is certified; for any other file the tracker's own judgement is told.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.analysis import analyse
from lab.analysis.model import Analysis
from lab.cli.errors import ASKED_WRONGLY, RefusedError
from lab.store.reader import CaptureReader
from lab.wire.frame import Frame


@dataclass(frozen=True, slots=True)
class Analysed:
    """A file, understood. left_over_bytes: octets of a last block that is not all there (the writer was stopped)."""

    path: Path
    analyses: tuple[Analysis, ...]
    frames: int
    left_over_bytes: int

    def one(self, session: int | None = None) -> Analysis:
        """The session that is meant: the only one, or the one with this number (from 1)."""
        if not self.analyses:
            raise RefusedError(f"{self.path.name} has no TCP session in it: look at it with Wireshark")
        if session is None:
            if len(self.analyses) > 1:
                raise RefusedError(
                    f"{self.path.name} has {len(self.analyses)} sessions: say which with --session 1 to"
                    f" {len(self.analyses)} ('echolab stats {self.path.name}' lists them)",
                    ASKED_WRONGLY,
                )
            return self.analyses[0]
        if not 1 <= session <= len(self.analyses):
            raise RefusedError(
                f"{self.path.name} has {len(self.analyses)} sessions: there is no session {session}", ASKED_WRONGLY
            )
        return self.analyses[session - 1]


def analyses_of(path: Path) -> Analysed:
    """All sessions of a pcap or pcapng file. Raises CaptureFileError if it is none."""
    reader = CaptureReader(path)
    frames: list[Frame] = [packet.frame for packet in reader]
    names = {address: found[0] for address, found in reader.names.items() if found}
    return Analysed(path, tuple(analyse(frames, names=names)), len(frames), reader.left_over_bytes)


def certificate_of(path: Path, analysis: Analysis) -> str:
    """In one sentence, whether this capture is complete, and who says so."""
    beside = path.with_suffix(".json")
    try:
        told = json.loads(beside.read_text(encoding="utf-8")).get("certificate", {})
        who = "Certified by the tap" if told.get("complete") else "Not certified by the tap"
        reasons = [str(reason) for reason in told.get("reasons", [])]
    except (OSError, ValueError, AttributeError):
        summary = analysis.summary.get("certificate", {})
        told = summary if isinstance(summary, dict) else {}
        who = "As far as these frames tell, the capture is complete"
        if not told.get("complete"):
            who = "The capture is not complete"
        reasons = [str(reason) for reason in told.get("reasons", [])]
    if told.get("complete"):
        return f"{who}: every frame of this session is here." if "tap" in who else f"{who}."
    return f"{who}: {join(reasons)}." if reasons else f"{who}."


def join(words: Sequence[str]) -> str:
    """``a; b; c``, without the full stops that they may end in."""
    return "; ".join(word.rstrip(".") for word in words)

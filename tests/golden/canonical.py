"""What belongs beside a golden capture: its analysis as canonical JSON (sorted, without the frames' octets), and its
ladder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab.analysis import analyse
from lab.analysis.model import Analysis
from lab.cli.ladder import ladder_of_file
from lab.report.asjson import as_json
from lab.report.ladder import Style
from lab.store.reader import CaptureReader
from lab.wire.frame import Frame

CAPTURES = sorted(Path(__file__).parent.glob("*.pcapng"))
_LEFT_OUT = ("data", "payload", "payload_text", "comment", "mac_source", "mac_destination", "time_ns", "file_number")
"""Of a frame: what the capture and the ladder have already."""


def frames_of(capture: Path) -> list[Frame]:
    """The frames of a capture."""
    return [packet.frame for packet in CaptureReader(capture)]


def analysis_of(capture: Path) -> Analysis:
    """The one session of a golden capture."""
    reader = CaptureReader(capture)
    frames = [packet.frame for packet in reader]
    found = analyse(frames, names={address: names[0] for address, names in reader.names.items()})
    assert len(found) == 1, f"{capture.name} has {len(found)} sessions"
    return found[0]


def canonical(capture: Path) -> dict[str, str]:
    """Texts by file suffix."""
    found: dict[str, Any] = as_json(analysis_of(capture))
    for frame in found["frames"]:
        for name in _LEFT_OUT:
            del frame[name]
    for role in ("client", "server"):
        del found[role]["in_flight"]  # it follows from the frames, and a test of its own holds it to them
    return {".json": _lines(found), ".txt": ladder_of_file(capture, Style(width=100), whole=True) + "\n"}


def _lines(value: Any, depth: int = 0) -> str:
    """JSON with a line for every member of the outer objects and every item of their lists, so that a difference shows
    where it is."""
    pad = " " * (depth + 1)
    if isinstance(value, dict) and value and depth < 2:
        members = (f"{pad}{json.dumps(key)}: {_lines(inner, depth + 1)}" for key, inner in sorted(value.items()))
        text = "{\n" + ",\n".join(members) + "\n" + " " * depth + "}"
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        text = "[\n" + ",\n".join(pad + _dense(inner) for inner in value) + "\n" + " " * depth + "]"
    else:
        text = _dense(value)
    return text if depth else text + "\n"


def _dense(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

"""The commands that look at one capture: show, ladder, report, explain, follow, stats, open.

Each takes a session's name or any capture file, says what it found for a person, and the same as JSON for a program.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lab.analysis.totals import SessionTotals
from lab.cli.counts import statistics
from lab.cli.errors import ASKED_WRONGLY, FAILED, RefusedError, cut_sentence
from lab.cli.large import counted
from lab.cli.later import later
from lab.cli.naming import NAMES, capture_named
from lab.report.ladder import MIN_WIDTH, Style
from lab.store.errors import CaptureFileError
from lab.store.reader import CaptureParser, cannot_open

PROFILE = "EchoLab"
_SINGLE = "lab.cli.single"
Adder = Callable[[str, str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]


def add_commands(command: Adder) -> None:
    """Add this module's commands to the command line."""
    show = command("show", "tell what a session was: handshake, findings, end", later(_SINGLE, "show"))
    _one_session(show)
    show.add_argument("--json", action="store_true", help="the whole analysis (docs/analysis.schema.json)")
    show.add_argument("--no-frames", action="store_true", help="with --json: without the list of frames")

    ladder = command("ladder", "draw a session as a ladder", later(_SINGLE, "ladder"))
    _one_session(ladder)
    ladder.add_argument("--whole", action="store_true", help="every frame of a long session too")
    form = ladder.add_mutually_exclusive_group()
    form.add_argument("--svg", action="store_true", help="as a picture (SVG), on standard output")
    form.add_argument("--mermaid", action="store_true", help="as a Mermaid diagram, for Markdown")
    ladder.add_argument("--raw", action="store_true", help="sequence numbers as in the header")
    ladder.add_argument(
        "--to-scale", action="store_true", help="not with --mermaid: distances grow with the time between frames"
    )
    ladder.add_argument("--explain", action="store_true", help="one line of explanation for each frame")

    report = command("report", "write a report: one HTML file, for the browser and for paper", later(_SINGLE, "report"))
    _one_session(report)
    report.add_argument(
        "--output", "-o", metavar="FILE", help="where to (default: NAME.html here; - is standard output)"
    )
    report.add_argument("--plots", metavar="DIR", type=Path, help="also write every plot as an SVG file into DIR")

    explain = command("explain", "explain a frame, field by field", later(_SINGLE, "explain"))
    explain.add_argument("frame", type=int, help="its number in the session, from 1")
    _one_session(explain)

    follow = command("follow", "show what was said, in the order it was said", later(_SINGLE, "follow"))
    _one_session(follow)
    follow.add_argument("--raw", choices=("client", "server"), help="this side's octets as they are, nothing else")

    stats = command(
        "stats", "count: frames, octets, what was sent again, of every session of a file of any size", _stats
    )
    stats.add_argument("names", nargs="*", default=["latest"], help=f"{NAMES}; several if you like")
    stats.add_argument("--json", action="store_true", help="for programs (docs/stats.schema.json)")

    opening = command("open", "open a capture in Wireshark, with the lab's profile", _open)
    opening.add_argument("name", nargs="?", default="latest", help=NAMES)


def _one_session(made: argparse.ArgumentParser) -> None:
    made.add_argument("name", nargs="?", default="latest", help=NAMES)
    made.add_argument("--session", type=int, metavar="N", help="of a file with several: the Nth")
    add_style(made)


def add_style(made: argparse.ArgumentParser) -> None:
    """The options that ``style_of`` reads."""
    made.add_argument("--width", type=int, help="columns (default: the terminal's)")
    made.add_argument("--ascii", action="store_true", help="no arrows and lines but ASCII")
    made.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="default: on a terminal")


def style_of(options: argparse.Namespace) -> Style:
    """How to write for whoever reads standard output."""
    if options.width is not None and options.width < MIN_WIDTH:
        raise RefusedError(f"--width {options.width} is too narrow: at least {MIN_WIDTH}", ASKED_WRONGLY)
    width = options.width or shutil.get_terminal_size((80, 24)).columns
    colour = options.color == "always" or (
        options.color == "auto" and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    )
    plain = options.ascii or not (sys.stdout.encoding or "ascii").lower().startswith("utf")
    return Style(width, colour, plain)


def refuse_together(options: argparse.Namespace, form: str, never: tuple[str, ...]) -> None:
    """Refuse options that mean nothing with this form, instead of leaving them unheard."""
    for name in never:
        if getattr(options, name):
            raise RefusedError(f"--{name.replace('_', '-')} means nothing with {form}: leave one away", ASKED_WRONGLY)


def tell_cut(path: Path, left_over_bytes: int) -> None:
    """Say on standard error that a file is not all there, if so."""
    if left_over_bytes:
        print(f"echolab: {cut_sentence(path.name, left_over_bytes)}", file=sys.stderr)


def _stats(options: argparse.Namespace) -> int:
    paths = [capture_named(name, options) for name in options.names]
    found = [(path, counted(path, partial(tell_cut, path))) for path in paths]
    if options.json:
        before, encode = "[", json.JSONEncoder(ensure_ascii=False).encode
        for path, sessions in found:
            for one in sessions:
                sys.stdout.write(before + encode(_row(path, one)))
                before = ",\n"
        print("]" if before != "[" else "[]")
        return 0
    for path, sessions in found:
        if len(found) > 1:
            print(path)
        for line in statistics(sessions):
            print(line)
    return 0


def _row(path: Path, one: SessionTotals) -> dict[str, object]:
    """A session's totals for JSON. (There may be a hundred thousand of them: ``asjson.plain`` would take its time.)"""
    sides = {"from_client": one.from_client._asdict(), "from_server": one.from_server._asdict()}
    return {"file": str(path), **one._asdict(), **sides}


def _open(options: argparse.Namespace) -> int:
    path = capture_named(options.name, options)
    _check_capture(path)
    program = shutil.which("wireshark") or next((str(p) for p in _WIRESHARKS if p.is_file()), None)
    words = ["-r", str(path)]
    if (_profiles() / PROFILE).is_dir():
        words = ["-C", PROFILE, *words]
    if program is None:
        print(
            "echolab: Wireshark is not installed here: get it from your system's packages or"
            f" https://www.wireshark.org/download.html; where it is: wireshark {shlex.join(words)}",
            file=sys.stderr,
        )
        return FAILED
    subprocess.Popen(
        [program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    print(f"{path} opens in Wireshark")
    if "-C" not in words:
        print(f"The lab's columns and colours: copy wireshark/{PROFILE} into {_profiles()}, once")
    return 0


def _check_capture(path: Path) -> None:
    """Raises CaptureFileError if this is no capture file. What Wireshark reads and the lab does not (Wi-Fi), is one."""
    parser = CaptureParser(where=path.name)
    try:
        with path.open("rb") as stream:
            octets = stream.read(_LOOK_BYTES)
    except OSError as cause:
        raise CaptureFileError(cannot_open(path, cause)) from cause
    next(parser.feed(octets), None)
    if len(octets) < _LOOK_BYTES:
        parser.end()


_LOOK_BYTES = 1 << 20
_WIRESHARKS = (
    Path("/Applications/Wireshark.app/Contents/MacOS/Wireshark"),
    Path(os.environ.get("PROGRAMFILES", "C:/Program Files")) / "Wireshark" / "Wireshark.exe",
)


def _profiles() -> Path:
    """Where this system's Wireshark looks for a user's profiles."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", str(Path.home()))) / "Wireshark" / "profiles"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "wireshark" / "profiles"

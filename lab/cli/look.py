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
from dataclasses import replace
from functools import partial
from pathlib import Path

from lab.analysis.model import Analysis
from lab.analysis.totals import SessionTotals
from lab.cli.analyses import Analysed, analysis_of, certificate_of
from lab.cli.errors import ASKED_WRONGLY, FAILED, RefusedError, cut_sentence
from lab.cli.ladder import ladder_of_file
from lab.cli.large import counted
from lab.cli.naming import NAMES, capture_named
from lab.cli.telling import explained, shown, spoken, statistics
from lab.report.asjson import as_json
from lab.report.ladder import MIN_WIDTH, Style
from lab.report.mermaid import ladder_mermaid
from lab.report.page import page
from lab.report.plots import plots
from lab.report.rungs import rungs
from lab.report.svgladder import ladder_svg
from lab.store.errors import CaptureFileError
from lab.store.reader import CaptureParser, cannot_open

PROFILE = "EchoLab"
Adder = Callable[[str, str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]


def add_commands(command: Adder) -> None:
    """Add this module's commands to the command line."""
    show = command("show", "tell what a session was: handshake, findings, end", _show)
    _one_session(show)
    show.add_argument("--json", action="store_true", help="the whole analysis (docs/analysis.schema.json)")
    show.add_argument("--no-frames", action="store_true", help="with --json: without the list of frames")

    ladder = command("ladder", "draw a session as a ladder", _ladder)
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

    report = command("report", "write a report: one HTML file, for the browser and for paper", _report)
    _one_session(report)
    report.add_argument(
        "--output", "-o", metavar="FILE", help="where to (default: NAME.html here; - is standard output)"
    )
    report.add_argument("--plots", metavar="DIR", type=Path, help="also write every plot as an SVG file into DIR")

    explain = command("explain", "explain a frame, field by field", _explain)
    explain.add_argument("frame", type=int, help="its number in the session, from 1")
    _one_session(explain)

    follow = command("follow", "show what was said, in the order it was said", _follow)
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


def _asked(options: argparse.Namespace) -> tuple[Path, Analysed, Analysis]:
    path = capture_named(options.name, options)
    found = analysis_of(path, options.session)
    tell_cut(path, found[0].left_over_bytes)
    return path, *found


def _show(options: argparse.Namespace) -> int:
    if options.no_frames and not options.json:
        raise RefusedError("--no-frames means something with --json only: add that, or leave it away", ASKED_WRONGLY)
    _, found, analysis = _asked(options)
    if options.json:
        print(json.dumps(as_json(analysis, frames=not options.no_frames), indent=1, ensure_ascii=False))
        return 0
    print(shown(analysis, certificate_of(found, analysis), style_of(options)))
    return 0


def tell_cut(path: Path, left_over_bytes: int) -> None:
    """Say on standard error that a file is not all there, if so."""
    if left_over_bytes:
        print(f"echolab: {cut_sentence(path.name, left_over_bytes)}", file=sys.stderr)


def _ladder(options: argparse.Namespace) -> int:
    form = "--svg" if options.svg else "--mermaid" if options.mermaid else ""
    if form:
        never = ("whole", "width", "ascii", *(("to_scale",) if options.mermaid else ()))
        refuse_together(options, form, never)
    else:
        path = capture_named(options.name, options)
        style = replace(style_of(options), raw=options.raw, to_scale=options.to_scale, explain=options.explain)
        print(ladder_of_file(path, style, whole=options.whole, session=options.session))
        return 0
    path, _, analysis = _asked(options)
    every = rungs(analysis, raw=options.raw)
    client, server = f"client {analysis.client.address}", f"server {analysis.server.address}"
    if options.mermaid:
        print(ladder_mermaid(every, client, server, explain=options.explain))
    else:
        title = f"{path.stem}: {analysis.verdict}"
        print(
            ladder_svg(every, title, client, server, to_scale=options.to_scale, explain=options.explain, linked=False)
        )
    return 0


def _report(options: argparse.Namespace) -> int:
    path, found, analysis = _asked(options)
    text = page(analysis, path.name, certificate=certificate_of(found, analysis))
    if options.output == "-":
        sys.stdout.write(text)
    else:
        number = f"-{analysis.ordinal}" if options.session is not None and path.stem != analysis.name else ""
        target = Path(options.output or f"{path.stem}{number}.html")
        _write(target, text)
        print(f"{target}: open it in a browser")
    if options.plots is not None:
        _make_folder(options.plots)
        for plot in plots(analysis, standalone=True):
            _write(options.plots / f"{plot.slug}.svg", plot.svg)
            print(options.plots / f"{plot.slug}.svg", file=sys.stderr if options.output == "-" else sys.stdout)
    return 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RefusedError(f"cannot make the folder {folder} ({error.strerror}): name another one") from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RefusedError(
            f"cannot write {path} ({error.strerror}): name another file with --output, or write it to standard output:"
            f" -o - > {path.name} (with Docker: docker compose run --rm -T lab report ... -o - > {path.name})"
        ) from error


def _explain(options: argparse.Namespace) -> int:
    _, _, analysis = _asked(options)
    try:
        frame = analysis.frame(options.frame)
    except IndexError as error:
        raise RefusedError(f"{error}: 'echolab ladder' numbers them", ASKED_WRONGLY) from error
    print(explained(analysis, frame, style_of(options)))
    return 0


def _follow(options: argparse.Namespace) -> int:
    _, _, analysis = _asked(options)
    if options.raw:
        for message in analysis.stream(options.raw).messages:
            sys.stdout.buffer.write(message.octets)
        sys.stdout.buffer.flush()
        return 0
    print(spoken(analysis, style_of(options)))
    return 0


def _stats(options: argparse.Namespace) -> int:
    paths = [capture_named(name, options) for name in options.names]
    found = [(path, counted(path, partial(tell_cut, path))) for path in paths]
    if options.json:
        before = "["
        for path, sessions in found:
            for one in sessions:
                print(before + json.dumps(_row(path, one), ensure_ascii=False), end="")
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
    row: dict[str, object] = {"file": str(path)}
    for name in SessionTotals.__slots__:
        row[name] = getattr(one, name)
    for name in ("from_client", "from_server"):
        side = getattr(one, name)
        row[name] = {member: getattr(side, member) for member in type(side).__slots__}
    return row


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

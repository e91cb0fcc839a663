"""What is done with one session that is understood whole: show, ladder, report, explain, follow.

``lab.cli.look`` has their words and options, and imports this module only when one of them is called: the other
commands start sooner without it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from lab.analysis.model import Analysis
from lab.cli.analyses import Analysed, analysis_of, certificate_of
from lab.cli.errors import ASKED_WRONGLY, RefusedError
from lab.cli.ladder import ladder_of_file
from lab.cli.look import refuse_together, style_of, tell_cut
from lab.cli.naming import capture_named
from lab.cli.telling import explained, shown, spoken
from lab.report.asjson import as_json
from lab.report.mermaid import ladder_mermaid
from lab.report.page import page
from lab.report.plots import plots
from lab.report.rungs import rungs
from lab.report.svgladder import ladder_svg


def act(name: str, options: argparse.Namespace) -> int:
    """Do what the command of this name does; returns the exit status. Raises RefusedError."""
    return _ACTIONS[name](options)


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


_ACTIONS = {"show": _show, "ladder": _ladder, "report": _report, "explain": _explain, "follow": _follow}

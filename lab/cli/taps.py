"""What ``echolab compare`` does: one session seen by two taps, put together frame by frame."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lab.analysis.compare import Comparison, compare, pairs_of
from lab.analysis.model import Analysis
from lab.analysis.totals import SessionTotals
from lab.analysis.wirelog import deeds
from lab.cli.analyses import analyses_of, analysis_of
from lab.cli.errors import ASKED_WRONGLY, RefusedError
from lab.cli.large import counted, is_large
from lab.cli.look import refuse_together, style_of, tell_cut
from lab.cli.naming import capture_named, captures_of
from lab.report.asjson import plain
from lab.report.ladder import MIN_WIDTH, Style
from lab.report.mermaid import ladder_mermaid
from lab.report.pairing import crossing_rungs, path_lines
from lab.report.rungs import Rung
from lab.report.svgladder import ladder_svg
from lab.report.twopage import two_page
from lab.report.twotaps import two_taps
from lab.session.words import count
from lab.store.index import SessionEntry, sessions


def compare_captures(options: argparse.Namespace) -> int:
    """Do what ``echolab compare`` does; returns the exit status. Raises RefusedError."""
    for form, more in (("json", ("raw",)), ("svg", ("log",)), ("mermaid", ("log",)), ("html", ())):
        if getattr(options, form):
            never = ("width", "ascii", *more)
            refuse_together(options, f"--{form}", never)
    if options.client and not options.server:
        raise RefusedError("name two captures, the client's tap's and the server's; or none: the latest", ASKED_WRONGLY)
    names = (options.client, options.server)
    paths = [capture_named(name, options) for name in names] if options.client else latest_pair(captures_of(options))
    found = _one_pair(paths, options.session)
    every = crossing_rungs(found, raw=options.raw)
    done = deeds(found, log_of(options.log)) if options.log else None
    client, server = f"client {found.client_tap.client.address}", f"server {found.client_tap.server.address}"
    if options.json:
        told = {
            "client_capture": str(paths[0]),
            "server_capture": str(paths[1]),
            **{name: plain(getattr(found, name)) for name in ("clock_offset_ns", "from_client", "from_server")},
            "crossings": plain(found.crossings),
            "findings": plain(found.findings),
            **({"wire": list(done)} if done is not None else {}),
        }
        print(json.dumps(told, indent=1, ensure_ascii=False))
    elif options.html:
        print(two_page(found, every, [path.name for path in paths], done), end="")
    elif options.svg:
        print(ladder_svg(every, f"{found.client_tap.name}, two taps", client, server))
    elif options.mermaid:
        print(ladder_mermaid(every, client, server))
    else:
        style = style_of(options)
        print(style.plain(told_in_words(found, every, style, done)))
    return 0


def latest_pair(captures: Path) -> list[Path]:
    """The captures of the latest session that has been recorded beside the client and beside the server. Raises
    RefusedError if there is none."""
    beside: dict[tuple[str, str], SessionEntry] = {}
    for entry in sorted(sessions(captures), key=lambda entry: entry.start_ns, reverse=True):
        tap, client, server = (_part(entry.facts, name) for name in ("tap", "client", "server"))
        side = str(tap.get("name"))
        ends = f"{client.get('address')} {client.get('port')} {server.get('address')} {server.get('port')}"
        other = beside.get((ends, "server-tap" if side == "client-tap" else "client-tap"))
        if other is not None and {side, str(_part(other.facts, "tap").get("name"))} == {"client-tap", "server-tap"}:
            return [one.pcapng_path for one in ((entry, other) if side == "client-tap" else (other, entry))]
        beside.setdefault((ends, side), entry)
    raise RefusedError(
        f"{captures} has no session of two taps: 'docker compose --profile wire up' starts a tap beside the client, too"
    )


def _part(facts: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = facts.get(name)
    return found if isinstance(found, dict) else {}


def _one_pair(paths: list[Path], session: int | None) -> Comparison:
    pairs = _large_pairs(paths) if any(is_large(path) for path in paths) else _pairs(paths)
    if not pairs:
        raise RefusedError(
            f"{paths[0].name} and {paths[1].name} have no session in common: they must be captures of the same one,"
            " at two places"
        )
    if session is None and len(pairs) > 1:
        raise RefusedError(
            f"both have {len(pairs)} sessions: say which with --session 1 to {len(pairs)}", ASKED_WRONGLY
        )
    if session is not None and not 1 <= session <= len(pairs):
        raise RefusedError(f"they share {count(len(pairs), 'session')}: there is no session {session}", ASKED_WRONGLY)
    return compare(*pairs[(session or 1) - 1]())


Pair = Callable[[], tuple[Analysis, Analysis]]


def _pairs(paths: list[Path]) -> list[Pair]:
    """The sessions that both files hold, each to be had when it is asked for."""
    found = [analyses_of(path) for path in paths]
    for one in found:
        tell_cut(one.path, one.left_over_bytes)
    return [partial(_itself, pair) for pair in pairs_of(*(one.analyses for one in found))]


def _itself(pair: tuple[Analysis, Analysis]) -> tuple[Analysis, Analysis]:
    return pair


def _large_pairs(paths: list[Path]) -> list[Pair]:
    """The same where a file does not fit into memory: by the totals of the sessions; only what is asked for is read."""
    client, server = (list(counted(path, partial(tell_cut, path))) for path in paths)
    found: list[Pair] = []
    for mine in client:
        its = next((one for one in server if _same(mine, one)), None)
        if its is not None:
            server.remove(its)
            found.append(partial(_read_pair, paths, (mine.ordinal, its.ordinal)))
    return found


def _read_pair(paths: list[Path], ordinals: tuple[int, int]) -> tuple[Analysis, Analysis]:
    client, server = (analysis_of(path, ordinal)[1] for path, ordinal in zip(paths, ordinals, strict=True))
    return client, server


def _same(one: SessionTotals, other: SessionTotals) -> bool:
    isns = ((one.from_client.isn, other.from_client.isn), (one.from_server.isn, other.from_server.isn))
    ends = (one.client, one.server) == (other.client, other.server)
    return ends and all(mine is None or its is None or mine == its for mine, its in isns)


def log_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a wire's log. Raises RefusedError for a file that is none."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise RefusedError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError:
        lines = [None]
    if not all(isinstance(line, dict) for line in lines):
        raise RefusedError(f"{path} is no log of the wire: make one with 'echolab wire log > {path.name}'")
    return lines


def told_in_words(found: Comparison, every: list[Rung], style: Style, done: Sequence[str] | None = None) -> str:
    """Both directions, what was found, and an arrow for every segment. done: what the wire did to each, if known."""
    width = max(MIN_WIDTH, style.width)
    lines = [f"{found.client_tap.client.address} to {found.client_tap.server.address}, seen by two taps"]
    for line in path_lines(found):
        lines += textwrap.wrap(line, width, subsequent_indent="  ")
    for finding in found.findings:
        lines += textwrap.wrap(f"• {finding.sentence}", width, subsequent_indent="  ")
    return "\n".join([*lines, "", *two_taps(found, every, style, done)])

"""The report of two taps: one HTML file with what was found between them, the ladder of both, and every segment's way.

As self-contained as the report of one session, and in its style; everything from the captures is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from lab.analysis.compare import Comparison
from lab.report.pairing import path_lines
from lab.report.rungs import Rung
from lab.report.svg import STYLE
from lab.report.svgladder import ladder_svg
from lab.report.text import duration

_STATIC = Path(__file__).parent / "static"
MOST_ROWS = 1_000


def two_page(found: Comparison, every: list[Rung], sources: Sequence[str], done: Sequence[str] | None = None) -> str:
    """The whole file.

    every: the comparison's rungs. sources: the captures' names, the client's tap's first. done: what the wire did to
    each segment, if known.
    """
    client, server = found.client_tap.client.address, found.client_tap.server.address
    title = f"{found.client_tap.name}, two taps"
    picture = ladder_svg(every, f"Ladder of {title}", f"client {client}", f"server {server}", linked=False)
    findings = "".join(
        f"<li>{escape(one.sentence)}" + (f' <span class="rfc">({escape(one.rfc)})</span>' if one.rfc else "") + "</li>"
        for one in found.findings
    )
    style = (_STATIC / "report.css").read_text(encoding="utf-8")
    paths = "".join(f"<li>{escape(line)}</li>" for line in path_lines(found))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}{STYLE}</style>\n</head>\n<body>\n"
        f'<header><h1>{escape(title)}</h1><p>client <span class="mono">{escape(client)}</span> → server'
        f' <span class="mono">{escape(server)}</span></p><p class="dim">From <span class="mono">'
        f"{escape(' and '.join(sources))}</span>. Frame numbers are those of the sender's tap, unless it is said"
        " otherwise.</p></header>\n<main>"
        f'<section aria-labelledby="way"><h2 id="way">Between the taps</h2><ul>{paths}</ul></section>\n'
        '<section aria-labelledby="findings"><h2 id="findings">Findings</h2>'
        f'<ol class="findings">{findings}</ol></section>\n'
        '<section aria-labelledby="ladder"><h2 id="ladder">Ladder</h2><p class="help">At each lifeline stands the'
        " frame's number at the tap there. The arrow of a lost segment ends in the middle.</p>"
        f'<div class="wide" tabindex="0" role="region" aria-label="The drawing">{picture}</div></section>\n'
        f"{_table(found, every, done)}\n</main>\n</body>\n</html>\n"
    )


def _table(found: Comparison, every: list[Rung], done: Sequence[str] | None) -> str:
    names = ["ms", "at client", "at server", "on the way", "segment", "fate", *(["wire"] if done is not None else [])]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = []
    for index, (one, crossing) in enumerate(zip(every[:MOST_ROWS], found.crossings, strict=False)):
        took = duration(crossing.delay_ns) if crossing.delay_ns is not None else "–"
        cells = [f"{one.time_ns / 1e6:.3f}", *(one.at_taps or ("", "")), took, one.label, crossing.fate]
        cells += [done[index]] if done is not None else []
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    more = f"<p>{len(every) - MOST_ROWS} more are left out here.</p>" if len(every) > MOST_ROWS else ""
    return (
        f'<section aria-labelledby="segments"><h2 id="segments">Segments</h2><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>{more}</section>"
    )

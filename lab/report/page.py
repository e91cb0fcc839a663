"""The report: one HTML file about one session, which needs no network, no server and no other file.

It opens with what the session was, then tells what was found (each finding with links to its frames), draws the ladder
and the plots, lists the messages, and shows every frame's octets with each field named: under the mouse, with the arrow
keys, and on paper. Everything from the capture is escaped: a payload is text, never markup.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from lab.analysis.model import Analysis, Finding, Role
from lab.report.page_frames import frame_sections
from lab.report.plots import plots
from lab.report.rungs import rungs
from lab.report.svg import STYLE
from lab.report.svgladder import ladder_svg
from lab.report.text import duration, quote

_STATIC = Path(__file__).parent / "static"
MOST_FRAMES = 300
"""Frames whose octets are shown. Of a longer session: its ends, and what the findings speak of."""
MOST_MESSAGES = 200
_ROLES: tuple[Role, Role] = ("client", "server")


def page(analysis: Analysis, source: str, *, certificate: str = "") -> str:
    """The whole file.

    analysis: of the session. source: the capture's name, for the reader to find it again. certificate: what is known of
    the capture's completeness, in one sentence; empty where nothing is.
    """
    shown = _shown(analysis)
    found = plots(analysis)
    script, style = ((_STATIC / name).read_text(encoding="utf-8") for name in ("report.js", "report.css"))
    parts = [
        _head(analysis, source, certificate),
        _facts(analysis),
        _findings(analysis, shown),
        _ladder(analysis),
        '<section aria-labelledby="plots"><h2 id="plots">Plots</h2>',
        '<div class="plots">',
        *(
            f'<figure><div class="wide" tabindex="0" role="region" aria-label="{escape(one.title)}">{one.svg}</div>'
            f"<figcaption><strong>{escape(one.title)}</strong>{escape(one.reading)}</figcaption></figure>"
            for one in found
        ),
        "</div>",
        "<p>Nothing to plot: no text was sent.</p>" if not found else "",
        "</section>",
        _messages(analysis),
        '<section aria-labelledby="frames"><h2 id="frames">Frames</h2>',
        '<p class="help">Point at an octet or a field and both light up. With the keyboard: Tab to a table of fields,'
        " then the arrow keys.</p>",
        _left_out(analysis, shown),
        *frame_sections(analysis, shown),
        "</section>",
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(analysis.name)} · {escape(analysis.verdict)}</title>\n"
        f"<style>{style}{STYLE}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#frames">To the frames</a>\n'
        + "\n".join(part for part in parts if part)
        + f"\n</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _shown(analysis: Analysis) -> list[int]:
    """Numbers of the frames whose octets are shown."""
    total = len(analysis.frames)
    if total <= MOST_FRAMES:
        return list(range(1, total + 1))
    named = [number for finding in analysis.findings for number in finding.frames]
    chosen = [*range(1, 31), *range(total - 29, total + 1)]
    for number in named:
        if len(chosen) < MOST_FRAMES and number not in chosen:
            chosen.append(number)
    return sorted(chosen)


def _left_out(analysis: Analysis, shown: list[int]) -> str:
    missing = len(analysis.frames) - len(shown)
    if not missing:
        return ""
    return f"<p>{missing} frames are left out here: shown are the session's ends and what the findings speak of.</p>"


def _head(analysis: Analysis, source: str, certificate: str) -> str:
    took = duration(analysis.end_ns - analysis.start_ns)
    good = analysis.verdict == "complete"
    links = [("findings", "Findings"), ("ladder", "Ladder"), ("plots", "Plots"), ("messages", "Messages")]
    items = "".join(f'<li><a href="#{slug}">{name}</a></li>' for slug, name in [*links, ("frames", "Frames")])
    proof = f"<p>{escape(certificate)}</p>" if certificate else ""
    return (
        f"<header><h1>{escape(analysis.name)}</h1>"
        f'<p><span class="verdict {"good" if good else "bad"}">{escape(analysis.verdict)}</span> · '
        f"{len(analysis.frames)} frames in {took} · IPv{analysis.ip_version} · client "
        f'<span class="mono">{escape(analysis.client.address)}</span> → server '
        f'<span class="mono">{escape(analysis.server.address)}</span></p>{proof}'
        f'<p class="dim">From <span class="mono">{escape(source)}</span>. Frame numbers are those of the session; in'
        " a file of the lab's they are Wireshark's too. Sequence numbers count from each side's first one, unless"
        " they are called raw.</p>"
        f'<nav aria-label="Parts of the report"><ul>{items}</ul></nav></header>\n<main>'
    )


def _facts(analysis: Analysis) -> str:
    shake, end = analysis.handshake, analysis.teardown
    rows: list[tuple[str, ...]] = [("Initial sequence number (raw)", *_both(analysis, "isn"))]
    openings = (shake.client, shake.server)
    rows.append(("MSS that it announced", *(_said(o and o.mss_bytes) for o in openings)))
    scales = tuple("–" if o is None or o.window_scale is None else f"× {1 << o.window_scale}" for o in openings)
    rows.append(("Window scale", *scales))
    rows.append(("SACK, timestamps offered", *(_offered(o) for o in openings)))
    rows.append(("Segments with text", *(f"{len(analysis.stream(r).data_frames)}" for r in _ROLES)))
    rows.append(("Octets of text", *(f"{analysis.stream(r).octets:,}" for r in _ROLES)))
    rows.append(("Octets sent again", *(f"{analysis.stream(r).octets_again:,}" for r in _ROLES)))
    rows.append(("Smoothed round trip", *(_srtt(analysis, r) for r in _ROLES)))
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(a)}</td><td>{escape(b)}</td></tr>' for name, a, b in rows
    )
    opened = "The capture has no whole handshake."
    if shake.complete and shake.initial_rtt_ns is not None:
        opened = f"Opened in {duration(shake.initial_rtt_ns)} (SYN to the handshake's ACK)."
    elif shake.complete:
        opened = "Opened; but the handshake gives no round trip, for a SYN was sent more than once (RFC 6298 §3)."
    ways = {
        "fin": "Both sides closed with a FIN",
        "half": "One side closed with a FIN, the other did not",
        "rst": "Ended by a RST",
        "refused": "Refused",
        "open": "Not closed in this capture",
    }
    closed = ways.get(end.way, end.way) + (f"; the {end.first_closer} first" if end.first_closer else "")
    closed += f"; the {end.time_wait} holds TIME-WAIT" if end.time_wait in _ROLES else ""
    return (
        '<section aria-labelledby="facts"><h2 id="facts">The two sides</h2>'
        f"<p>{escape(opened)} {escape(closed)}.</p>"
        '<table><thead><tr><th scope="col">What</th><th scope="col">client</th><th scope="col">server</th></tr></thead>'
        f"<tbody>{body}</tbody></table></section>"
    )


def _both(analysis: Analysis, name: str) -> tuple[str, str]:
    first, second = (getattr(analysis.stream(role), name) for role in _ROLES)
    return _said(first), _said(second)


def _said(value: object) -> str:
    return "–" if value is None else str(value)


def _offered(opening: object) -> str:
    if opening is None:
        return "–"
    words = [word for word, name in (("SACK", "sack_permitted"), ("timestamps", "timestamps"))
             if getattr(opening, name)]  # fmt: skip
    return ", ".join(words) or "neither"


def _srtt(analysis: Analysis, role: Role) -> str:
    samples = analysis.stream(role).rtt_samples
    return f"{duration(samples[-1].srtt_ns)} ({len(samples)} samples)" if samples else "–"


def _findings(analysis: Analysis, shown: list[int]) -> str:
    items = "".join(f"<li>{_finding(one, set(shown))}</li>" for one in analysis.findings)
    return (
        '<section aria-labelledby="findings"><h2 id="findings">Findings</h2>'
        + (f'<ol class="findings">{items}</ol>' if items else "<p>Nothing to tell.</p>")
        + "</section>"
    )


def _finding(one: Finding, shown: set[int]) -> str:
    links = frame_links(one.frames, shown)
    rfc = f' <span class="rfc">({escape(one.rfc)})</span>' if one.rfc else ""
    return f"{escape(one.sentence)}{rfc} {links}"


def frame_links(numbers: Iterable[int], shown: set[int], most: int = 12) -> str:
    """Links to frames; those that the page does not show are only named."""
    every = list(dict.fromkeys(numbers))
    words = [f'<a href="#frame-{n}">frame {n}</a>' if n in shown else f"frame {n}" for n in every[:most]]
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return f'<span class="dim">{", ".join(words)}{more}</span>' if words else ""


def _ladder(analysis: Analysis) -> str:
    every = rungs(analysis)
    picture = ladder_svg(
        every,
        f"Ladder of {analysis.name}",
        f"client {analysis.client.address}",
        f"server {analysis.server.address}",
        linked=True,
    )
    return (
        '<section aria-labelledby="ladder"><h2 id="ladder">Ladder</h2><p class="help">Each arrow is a link to its'
        f' frame. The words beside the lines are the states of RFC 9293.</p><div class="wide">{picture}</div></section>'
    )


def _messages(analysis: Analysis) -> str:
    rows = []
    for one in analysis.client.messages[:MOST_MESSAGES]:
        reply = next((m for m in analysis.server.messages if m.number == one.answered_by), None)
        took = duration(reply.reply_ns) if reply and reply.reply_ns is not None else "–"
        rows.append(
            f'<tr><td class="num">{one.number}</td><td class="mono">{escape(quote(one.octets, 60))}</td>'
            f'<td class="num">{len(one.frames)}</td><td class="mono">'
            f'{escape(quote(reply.octets, 60)) if reply else "–"}</td><td class="num">'
            f'{len(reply.frames) if reply else "–"}</td><td class="num">{took}</td></tr>'
        )
    head = '<section aria-labelledby="messages"><h2 id="messages">Messages</h2>'
    if not rows:
        return head + "<p>The client sent no text.</p></section>"
    more = len(analysis.client.messages) - len(rows)
    note = f"<p>{more} more are left out here.</p>" if more else ""
    columns = ("No.", "client", "segments", "server", "segments", "answered after")
    names = "".join(f'<th scope="col"{" class=num" if n not in ("client", "server") else ""}>{n}</th>' for n in columns)
    return (
        f"{head}<p>A message is what the programs mean by one: for the echo protocol, a line. TCP does not know them:"
        f" how many segments each took is the column beside it.</p><table><thead><tr>{names}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>{note}</section>"
    )

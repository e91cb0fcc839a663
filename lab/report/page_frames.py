"""The report's frames: the octets of each, beside a table of its fields, tied together by number."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from lab.analysis.model import Analysis, FrameRecord
from lab.report.layers import Layer, layers
from lab.report.rungs import label
from lab.report.text import duration

MOST_OCTETS = 512
"""Octets of a frame that are written out."""
_ROW = 16


def frame_sections(analysis: Analysis, shown: list[int]) -> Iterator[str]:
    """One section for each of these frames."""
    before_ns = None
    told: set[tuple[str, str]] = set()
    for number in shown:
        frame = analysis.frame(number)
        yield _section(analysis, frame, before_ns, told)
        before_ns = frame.time_ns


def _section(analysis: Analysis, frame: FrameRecord, before_ns: int | None, known: set[tuple[str, str]]) -> str:
    found = layers(frame.data, frame.checksum, frame.sender or "")
    since = frame.time_ns - analysis.start_ns
    when = f"{duration(since)} after the first frame" if since else "the first frame"
    if before_ns is not None and frame.time_ns >= before_ns:
        when += f", {duration(frame.time_ns - before_ns)} after the one above"
    told = "".join(
        f"<li>{escape(one.sentence)}" + (f' <span class="rfc">({escape(one.rfc)})</span>' if one.rfc else "") + "</li>"
        for one in analysis.findings_at(frame.number)
    )
    states = f"Then the client is {frame.client_state or 'unknown'}, the server {frame.server_state or 'unknown'}."
    sender = f"from the {frame.sender}" if frame.sender else "from neither side"
    octets = "octet" if frame.length_bytes == 1 else "octets"
    return (
        f'<section class="frame" id="frame-{frame.number}" aria-labelledby="h-{frame.number}">'
        f'<h3 id="h-{frame.number}">Frame {frame.number}, {sender}: {escape(label(frame))}</h3>'
        f'<p class="dim">{when}; {frame.length_bytes} {octets} on the wire'
        f"{f', {len(frame.data)} in the capture' if frame.cut else ''}.</p>"
        f"<p>{escape(frame.comment)} {escape(states)}</p>"
        + (f'<ul class="findings">{told}</ul>' if told else "")
        + f'<div class="parts">{_dump(frame.data, found, frame.number)}'
        f"{_fields(found, frame.number, known)}</div></section>"
    )


def _dump(data: bytes, found: tuple[Layer, ...], number: int) -> str:
    owner: dict[int, list[int]] = {}
    layer_of: dict[int, int] = {}
    index = 0
    for depth, layer in enumerate(found):
        for field in layer.fields:
            for at in range(field.start, min(field.end, MOST_OCTETS)):
                owner.setdefault(at, []).append(index)
                layer_of[at] = depth
            index += 1
    rows = []
    for start in range(0, min(len(data), MOST_OCTETS), _ROW):
        line = data[start : min(start + _ROW, MOST_OCTETS)]
        cells = []
        for offset, octet in enumerate(line):
            at = start + offset
            names = " ".join(str(one) for one in owner.get(at, []))
            cells.append(f'<b class="layer-{min(layer_of.get(at, 4), 4)}" data-f="{names}">{octet:02x}</b>')
        gap = ["".join((" " if i else "") + cell for i, cell in enumerate(cells[:8]))]
        gap += [" ".join(cells[8:])] if cells[8:] else []
        letters = escape("".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in line))
        blank = " " * (3 * (_ROW - len(line)) + (1 if len(line) <= 8 else 0) + 3)
        rows.append(f'<span class="at">{start:04x}</span>  {"  ".join(gap)}{blank}<span class="at">{letters}</span>')
    more = f"\n… {len(data) - MOST_OCTETS} more octets" if len(data) > MOST_OCTETS else ""
    told = f'tabindex="0" role="region" aria-label="Octets of frame {number}"'
    return f'<div class="dump" {told}>' + "\n".join(rows) + more + "</div>"


def _fields(found: tuple[Layer, ...], number: int, known: set[tuple[str, str]]) -> str:
    """known: the fields whose meaning the page has told already; on paper it is not repeated."""
    rows, index = [], 0
    for layer in found:
        rows.append(
            f'<tr class="layer"><th scope="rowgroup" colspan="3">{escape(layer.name)}'
            f' <span class="dim">octets {layer.start} to {layer.end - 1}</span></th></tr>'
        )
        for field in layer.fields:
            bits = f' <span class="dim">{field.bits}</span>' if field.bits else ""
            rows.append(
                f'<tr data-f="{index}"><td>{escape(field.name)}{bits}</td><td class="mono">{escape(field.value)}</td>'
                f"<td{' class=known' if (field.name, field.meaning) in known else ''}>{escape(field.meaning)}</td></tr>"
            )
            known.add((field.name, field.meaning))
            index += 1
    head = '<thead><tr><th scope="col">field</th><th scope="col">value</th><th scope="col">what it is for</th></tr>'
    return (
        f'<table class="fields"><caption class="skip">Fields of frame {number}</caption>{head}</thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )

"""What the commands say for people: a session in words, a frame field by field, a conversation."""

from __future__ import annotations

from lab.analysis.model import Analysis, FrameRecord, Role
from lab.report.ladder import MIN_WIDTH, Style
from lab.report.layers import layers
from lab.report.rungs import label
from lab.report.text import columns, duration, quote, wrap

_ROLES: tuple[Role, Role] = ("client", "server")


def shown(analysis: Analysis, certificate: str, style: Style) -> str:
    """A session in words: who, how it began and ended, and every finding with its frames and its rule."""
    width = max(MIN_WIDTH, style.width)
    took = duration(analysis.end_ns - analysis.start_ns)
    lines = [
        style.paint(f"Session {analysis.name} · {analysis.verdict} · {len(analysis.frames)} frames · {took}", "bold"),
        f"client {analysis.client.address} → server {analysis.server.address}, IPv{analysis.ip_version}",
        *wrap(certificate, width),
        "",
    ]
    for one in analysis.findings:
        number = ", ".join(f"#{n}" for n in one.frames[:6]) + (" …" if len(one.frames) > 6 else "")
        rule = f" ({one.rfc})" if one.rfc else ""
        body = f"{one.sentence}{rule}"
        lines += wrap(body, width, indent="• ", rest="  ")
        if number:
            lines.append(style.paint(f"  {number}", "dim"))
    if not analysis.findings:
        lines.append("Nothing to tell.")
    return "\n".join(style.plain(one) for one in lines)


def explained(analysis: Analysis, frame: FrameRecord, style: Style) -> str:
    """A frame: what it means, then every field with its octets, its value and its purpose."""
    width = max(MIN_WIDTH, style.width)
    since = duration(frame.time_ns - analysis.start_ns)
    sender = f"from the {frame.sender}" if frame.sender else "from neither side"
    lines = [style.paint(f"Frame {frame.number}, {sender}, after {since}: {label(frame)}", "bold")]
    lines += wrap(frame.comment, width)
    lines += wrap(
        f"Then the client is {frame.client_state or 'unknown'}, the server {frame.server_state or 'unknown'}.", width
    )
    for one in analysis.findings_at(frame.number):
        body = one.sentence + (f" ({one.rfc})" if one.rfc else "")
        lines += wrap(body, width, indent="• ", rest="  ")
    for layer in layers(frame.data, frame.checksum, frame.sender or ""):
        lines += ["", style.paint(f"{layer.name}, octets {layer.start} to {layer.end - 1}", "handshake")]
        for field in layer.fields:
            where = f"{field.start}" if field.end - field.start == 1 else f"{field.start}-{field.end - 1}"
            bits = f" {field.bits}" if field.bits else ""
            lines += wrap(f"{field.name} = {field.value}", width, indent=f"{where:>8}  ", rest=" " * 12)
            what = f"{bits.strip()}{': ' if bits and field.meaning else ''}{field.meaning}"
            for line in wrap(what, width - 12):
                lines.append(" " * 12 + style.paint(line, "dim"))
    return "\n".join(style.plain(one) for one in lines)


def spoken(analysis: Analysis, style: Style) -> str:
    """The conversation: each message with its time, its side and its frames."""
    width = max(MIN_WIDTH, style.width)
    every = sorted(
        ((one.sent_ns, role, one) for role in _ROLES for one in analysis.stream(role).messages),
        key=lambda item: (item[0], item[1]),
    )
    lines = []
    for sent_ns, role, one in every:
        frames = ", ".join(f"#{n}" for n in one.frames[:4]) + (" …" if len(one.frames) > 4 else "")
        head = f"{(sent_ns - analysis.start_ns) / 1e6:>10.3f} ms  {role}  "
        room = max(20, width - columns(head) - len(frames) - 3)
        colour = "data" if role == "client" else "handshake"
        lines.append(f"{head}{style.paint(style.plain(quote(one.octets, room)), colour)}  {frames}")
    return "\n".join(lines) if lines else "Nobody said anything."

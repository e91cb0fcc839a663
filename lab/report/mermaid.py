"""The ladder in Mermaid's language, for a report in Markdown: pages of code hosts and many editors draw it.

Mermaid takes ``#`` and ``;`` for signs of its own, so everything but plain letters and figures is written as an entity.
"""

from __future__ import annotations

from lab.report.rungs import Rung, shortened, states_changed
from lab.report.text import duration

MOST_RUNGS, TAIL_RUNGS = 120, 30
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,.-_/()[]=+*?!'")


def ladder_mermaid(every: list[Rung], client: str, server: str, *, explain: bool = False) -> str:
    """A ``sequenceDiagram``, without the fence around it. explain: a note with the comment under each arrow."""
    first, left_out, tail = shortened(every, MOST_RUNGS, TAIL_RUNGS)
    drawn = first + tail
    lines = ["sequenceDiagram", f"    participant C as {safe(client)}", f"    participant S as {safe(server)}"]
    for number, (one, states) in enumerate(zip(drawn, states_changed(drawn), strict=True)):
        if left_out and number == len(first):
            lines.append(f"    Note over C,S: {left_out} frames are not drawn")
        lines.append("    " + _arrow(one))
        for who, state in zip("CS", states, strict=True):
            if state:
                side = "left" if who == "C" else "right"
                lines.append(f"    Note {side} of {who}: {safe(state)}")
        if explain and one.comment:
            lines.append(f"    Note over C,S: {safe(one.comment)}")
    return "\n".join(lines)


def _arrow(one: Rung) -> str:
    words = [f"{duration(one.time_ns) if one.time_ns else '0'}", one.label]
    words += [one.text] if one.text else []
    words += [f"[{', '.join(one.marks)}]"] if one.marks else []
    words += ["[lost]"] if one.lost else []
    said = safe(" ".join(words))
    if one.sender not in ("client", "server"):
        return f"Note over C,S: {said}"
    begin, end = ("C", "S") if one.sender == "client" else ("S", "C")
    return f"{begin}-{'x' if one.lost else '>>'}{end}: {said}"


def safe(words: str) -> str:
    """Words that Mermaid takes as words."""
    return "".join(letter if letter in _PLAIN else f"#{ord(letter)};" for letter in words)

"""Scalable Vector Graphics in small words: elements as strings, everything escaped, one style for all drawings.

A drawing stands by itself (with its style in it) or inside the report, which has the style once. Colours are chosen to
be told apart by people who see red and green alike, and every colour has a second sign beside it: a dash, a mark, a
word.
"""

from __future__ import annotations

from html import escape

STYLE = """
.ink{fill:#1b1f24;font:13px system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
.halo{paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}.small{font-size:11.5px}.dim{fill:#57606a}.bold{font-weight:600}
.mono{font-family:ui-monospace,"Cascadia Mono",Consolas,"DejaVu Sans Mono",monospace}
.life{stroke:#8c959f;stroke-width:2}.grid{stroke:#d0d7de;stroke-width:1}
.pause{stroke:#8c959f;stroke-width:6;stroke-dasharray:2 3}
.axis{stroke:#57606a;stroke-width:1}
.arrow{stroke-width:1.8;fill:none}.head{stroke:none}
.k-handshake{stroke:#1a6e3c}.h-handshake{fill:#1a6e3c}
.k-data{stroke:#0b57a4}.h-data{fill:#0b57a4}
.k-ack{stroke:#57606a}.h-ack{fill:#57606a}
.k-teardown{stroke:#8a4b00}.h-teardown{fill:#8a4b00}
.k-trouble{stroke:#b42318;stroke-dasharray:7 3}.h-trouble{fill:#b42318}
.k-other{stroke:#6e4fa3;stroke-dasharray:2 3}.h-other{fill:#6e4fa3}
.state{font-size:11.5px;font-weight:600}.box{fill:#eef1f4;stroke:#c5ccd3}
.plot{fill:none;stroke-width:1.6}.p-ack{stroke:#1a6e3c}.p-limit{stroke:#8a4b00;stroke-dasharray:6 3}
.p-data{stroke:#0b57a4}.d-data{fill:#0b57a4}.p-again{stroke:#b42318}.d-again{fill:#b42318}
.p-sack{stroke:#6e4fa3;stroke-width:3}.p-srtt{stroke:#1a6e3c}.p-rto{stroke:#8a4b00;stroke-dasharray:6 3}
a:focus-visible .hit,a:hover .hit{fill:#fff3c4}.hit{fill:transparent}
"""


def number(value: float) -> str:
    """A coordinate with as many places as a screen can show."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def element(name: str, content: str = "", **attributes: object) -> str:
    """One element. ``klass`` stands for class, ``_`` in a name for ``-``."""
    words = "".join(
        f' {"class" if key == "klass" else key.replace("_", "-")}="{escape(_value(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{words}>{content}</{name}>" if content else f"<{name}{words}/>"


def _value(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


def text(x: float, y: float, words: str, klass: str = "ink", anchor: str = "start") -> str:
    """Words at a place: their baseline's start, middle or end."""
    return element("text", escape(words), x=float(x), y=float(y), klass=klass, text_anchor=anchor)


def beside(x: float, y: float, words: str) -> str:
    """Words along a vertical line, downwards from a place."""
    turned = f"rotate(90 {number(x + 7)} {number(y)})"
    return element("text", escape(words), x=x + 7.0, y=float(y), klass="ink small dim halo", transform=turned)


def line(x1: float, y1: float, x2: float, y2: float, klass: str) -> str:
    """A straight line."""
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), klass=klass)


def arrow_head(x: float, y: float, dx: float, dy: float, klass: str) -> str:
    """The tip of an arrow that comes to (x, y) in the direction (dx, dy)."""
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    ux, uy = dx / length, dy / length
    left = (x - 9 * ux - 4 * uy, y - 9 * uy + 4 * ux)
    right = (x - 9 * ux + 4 * uy, y - 9 * uy - 4 * ux)
    points = " ".join(f"{number(px)},{number(py)}" for px, py in ((x, y), left, right))
    return element("polygon", points=points, klass=klass)


def drawing(width: float, height: float, title: str, content: str, *, standalone: bool, described: str = "") -> str:
    """A whole drawing. title, described: what somebody who cannot see it is told."""
    head = element("title", escape(title)) + (element("desc", escape(described)) if described else "")
    style = element("style", STYLE) + element("rect", width="100%", height="100%", fill="#ffffff") if standalone else ""
    return element(
        "svg",
        head + style + content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=number(width) if standalone else None,
        height=number(height) if standalone else None,
        role=None if "<a " in content else "img",
        aria_label=None if "<a " in content else title,
    )

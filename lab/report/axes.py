"""The frame of a plot: two axes with round numbers, and from values to places on the paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lab.report.svg import element, line, text

LEFT, RIGHT, TOP, BOTTOM = 78.0, 16.0, 30.0, 46.0


@dataclass(frozen=True, slots=True)
class Axes:
    """A plot of ``width`` times ``height``, with [x_low, x_high] and [y_low, y_high] on its axes."""

    width: float
    height: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        """Where a value of the horizontal axis lies."""
        return LEFT + (value - self.x_low) / (self.x_high - self.x_low) * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Where a value of the vertical axis lies; large ones are above."""
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)

    def frame(self, x_name: str, y_name: str) -> str:
        """Grid, axes, numbers and names."""
        parts = []
        for value in ticks(self.x_low, self.x_high, 8):
            x = self.x(value)
            parts += [line(x, TOP, x, self.height - BOTTOM, "grid")]
            parts += [text(x, self.height - BOTTOM + 16, figure(value), "ink small dim", "middle")]
        for value in ticks(self.y_low, self.y_high, 6):
            y = self.y(value)
            parts += [line(LEFT, y, self.width - RIGHT, y, "grid")]
            parts += [text(LEFT - 8, y + 4, figure(value), "ink small dim", "end")]
        parts += [line(LEFT, TOP, LEFT, self.height - BOTTOM, "axis")]
        parts += [line(LEFT, self.height - BOTTOM, self.width - RIGHT, self.height - BOTTOM, "axis")]
        parts += [text((LEFT + self.width - RIGHT) / 2, self.height - 8, x_name, "ink small", "middle")]
        parts += [text(LEFT - 60, 16, y_name, "ink small")]
        return "".join(parts)

    def steps(self, points: Sequence[tuple[float, float]], klass: str) -> str:
        """A line that stays at a value until the next one."""
        if not points:
            return ""
        path = [f"M{self.x(points[0][0]):.1f} {self.y(points[0][1]):.1f}"]
        for x, y in points[1:]:
            path.append(f"H{self.x(x):.1f}V{self.y(y):.1f}")
        path.append(f"H{self.x(self.x_high):.1f}")
        return element("path", d="".join(path), klass=klass)

    def polyline(self, points: Sequence[tuple[float, float]], klass: str) -> str:
        """A line from point to point."""
        return element("polyline", points=" ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points), klass=klass)

    def dot(self, x: float, y: float, klass: str, told: str = "") -> str:
        """A dot; told: what hovering over it says."""
        content = element("title", told) if told else ""
        return element("circle", content, cx=self.x(x), cy=self.y(y), r=3.2, klass=klass)


def axes(width: float, height: float, xs: Sequence[float], ys: Sequence[float]) -> Axes:
    """Axes that show all of these values, from zero where that is near."""
    return Axes(width, height, *_range(xs), *_range(ys))


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    low = 0.0 if 0 <= low <= high * 0.6 else low
    if high <= low:
        return low - (1.0 if low else 0.0), low + 1.0
    return low, high + (high - low) * 0.05


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers in [low, high], at most about so many: multiples of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def figure(value: float) -> str:
    """A number of an axis: ``1,460``, ``0.25``."""
    rounded = round(value, 6)
    if rounded == int(rounded):
        return f"{int(rounded):,}"
    return f"{rounded:g}"


def unit_of(span_ns: int) -> tuple[str, float]:
    """The unit for an axis that spans so many nanoseconds, and how many nanoseconds it has."""
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if span_ns >= 2 * size:
            return unit, size
    return "µs", 1e3

"""Lines in panels, as the template draws them: places in pixels, ticks, and a title for every line."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from segadapt.reporting.figures import style

WIDTH, HEIGHT, LEFT, RIGHT, BELOW, ABOVE = 520, 300, 56, 10, 24, 10
_MOST_POINTS = 250


@dataclass(frozen=True)
class Line:
    """Points (x, y) of one run of a row; ``row`` is its place in the legend, ``look`` the number of its colour."""

    row: int
    look: int
    title: str
    points: Sequence[tuple[float, float]]
    story: int | None = None


@dataclass(frozen=True)
class Panel:
    """What is drawn on the same two axes.

    ``bands`` are lines with (x, low, high), ``dots`` those whose points stand alone; ``rule`` is a line that the others
    are read against. ``x_ticks`` are the values to be named, round ones if there are none; ``logarithmic`` is of x, and
    ``limits`` are the ends of y. With ``marks`` the points of the lines are dots, too.
    """

    title: str
    lines: Sequence[Line]
    bands: Sequence[tuple[int, int, Sequence[tuple[float, float, float]]]] = ()
    dots: Sequence[Line] = ()
    rule: Sequence[tuple[float, float]] = ()
    x_name: str = "steps"
    x_ticks: Sequence[float] = ()
    logarithmic: bool = False
    marks: bool = False
    limits: tuple[float, float] | None = None

    def drawn(self) -> dict[str, Any]:
        """For the template."""
        points = [point for line in (*self.lines, *self.dots) for point in line.points] + [*self.rule]
        x = _axis((each for each, _ in points), LEFT + 6, WIDTH - RIGHT, self.logarithmic)
        y = _axis(self.limits or (each for _, each in points), HEIGHT - BELOW, ABOVE)
        named = self.x_ticks or _round_numbers([each for each, _ in points])
        return {
            "title": self.title, "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT,
            "below": HEIGHT - BELOW, "above": ABOVE, "x_name": self.x_name,
            "x": [tick for tick in _ticks(named, x) if LEFT <= tick["at"] <= WIDTH],
            "y": _ticks(_round_numbers([*(self.limits or (each for _, each in points))]), y),
            "rule": _places(self.rule, x, y),
            "bands": [
                {"row": row, "look": css(look), "points": _places(_outline(ends), x, y)}
                for row, look, ends in self.bands
            ],
            "lines": [_about(line) | {"points": _places(_thinned(line.points), x, y)} for line in self.lines],
            "dots": [
                _about(line) | {"x": round(x(each), 1), "y": round(y(value), 1)}
                for line in (*self.dots, *(self.lines if self.marks else ()))
                for each, value in line.points
            ],
        }  # fmt: skip


def css(look: int) -> str:
    """The classes of the style sheet for a colour and a line."""
    return f"c{look % len(style.COLOURS)} d{look // len(style.COLOURS) % len(style.LINES)}"


def _about(line: Line) -> dict[str, Any]:
    return {"row": line.row, "look": css(line.look), "title": line.title, "story": line.story}


def _outline(ends: Sequence[tuple[float, float, float]]) -> list[tuple[float, float]]:
    return [(x, low) for x, low, _ in ends] + [(x, high) for x, _, high in reversed(ends)]


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """At most so many that a screen can show, the last one among them."""
    every = -(-len(points) // _MOST_POINTS)
    return points if every <= 1 else [*points[:-1:every], points[-1]]


def _places(points: Iterable[tuple[float, float]], x: Any, y: Any) -> str:
    return " ".join(f"{x(each):.1f},{y(value):.1f}" for each, value in points)


def _axis(values: Iterable[float], start: float, end: float, logarithmic: bool = False) -> Any:
    """From a value to pixels."""
    scale = math.log10 if logarithmic else float
    found = [scale(each) for each in values] or [0.0]
    low, span = min(found), max(found) - min(found)
    if span == 0:
        return lambda value: (start + end) / 2
    return lambda value: start + (scale(value) - low) / span * (end - start)


def _round_numbers(values: Sequence[float], count: int = 5) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    if not values:
        return []
    low, high = min(values), max(values)
    return [low] if low == high else [each for each in MaxNLocator(count).tick_values(low, high) if low <= each <= high]


def _ticks(values: Iterable[float], place: Any) -> list[dict[str, Any]]:
    return [{"at": round(place(value), 1), "text": f"{round(value, 9):g}"} for value in values]

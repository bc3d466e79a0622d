"""Losses and scores along the adaptation as lines in panels, from the points behind the figure of curves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas

from segadapt.reporting.figures import style

WIDTH, HEIGHT, LEFT, BELOW, ABOVE = 520, 300, 52, 24, 10
_PANELS = {"loss_source": "Source loss", "loss_target": "Target loss, in each method's own unit", "mIoU": "mIoU (%)"}
_MOST_POINTS = 250


def curves(csv: Path, looks: Mapping[str, int]) -> dict[str, Any] | None:
    """Methods with their look, and panels with ticks and polylines; None if nothing was trained.

    ``looks`` are the numbers of the methods' colours and lines in ``reporting.figures.style``, by title.
    """
    frame = pandas.read_csv(csv)
    if frame.empty:
        return None
    methods = {title: _look(looks[title]) for title in dict.fromkeys(frame["method"])}
    panels = [
        _panel(title, frame[frame["quantity"] == quantity], methods)
        for quantity, title in _PANELS.items()
        if (frame["quantity"] == quantity).any()
    ]
    return {"methods": [{"title": title, "look": look} for title, look in methods.items()], "panels": panels}


def _panel(title: str, points: pandas.DataFrame, methods: Mapping[str, str]) -> dict[str, Any]:
    steps, values = (points["step"].min(), points["step"].max()), (points["value"].min(), points["value"].max())
    x = _axis(*map(float, steps), LEFT + 6, WIDTH - 8)
    y = _axis(*map(float, values), HEIGHT - BELOW, ABOVE)
    lines = []
    for (method, seed), of_one in points.groupby(["method", "seed"], sort=False):
        of_one = of_one.sort_values("step").iloc[:: -(-len(of_one) // _MOST_POINTS)]
        places = " ".join(
            f"{x(step):.1f},{y(value):.1f}" for step, value in zip(of_one["step"], of_one["value"], strict=True)
        )
        about = {"method": list(methods).index(method), "look": methods[method], "title": f"{method}, seed {seed}"}
        lines.append(about | {"points": places})
    return {
        "title": title, "width": WIDTH, "height": HEIGHT, "left": LEFT, "lines": lines,
        "x": _ticks(*steps, x), "y": _ticks(*values, y),
    }  # fmt: skip


def _look(number: int) -> str:
    """The classes of the style sheet for a colour and a line."""
    return f"c{number % len(style.COLOURS)} d{number // len(style.COLOURS) % len(style.LINES)}"


def _axis(low: float, high: float, start: float, end: float) -> Any:
    span = high - low or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _ticks(low: float, high: float, place: Any, count: int = 5) -> list[dict[str, Any]]:
    from matplotlib.ticker import MaxNLocator

    values = [value for value in MaxNLocator(count).tick_values(low, high) if low <= value <= high]
    return [{"at": round(place(value), 1), "text": f"{round(value, 9):g}"} for value in values]

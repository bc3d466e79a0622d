"""Losses and scores along the adaptation as lines in panels, from the points behind the figure of curves."""

from pathlib import Path
from typing import Any

import pandas

WIDTH, HEIGHT, LEFT, BELOW, ABOVE = 520, 300, 52, 24, 10
_PANELS = {"loss_source": "Source loss", "loss_target": "Target loss, in each method's own unit", "mIoU": "mIoU (%)"}
_LOOKS = 16
_MOST_POINTS = 250


def curves(csv: Path) -> dict[str, Any] | None:
    """Methods with the number of their look, and panels with ticks and polylines; None if nothing was trained."""
    frame = pandas.read_csv(csv)
    if frame.empty:
        return None
    methods = list(dict.fromkeys(frame["method"]))
    panels = [
        _panel(title, frame[frame["quantity"] == quantity], methods)
        for quantity, title in _PANELS.items()
        if (frame["quantity"] == quantity).any()
    ]
    listed = [{"title": title, "look": place % _LOOKS} for place, title in enumerate(methods)]
    return {"methods": listed, "panels": panels}


def _panel(title: str, points: pandas.DataFrame, methods: list[str]) -> dict[str, Any]:
    steps, values = (points["step"].min(), points["step"].max()), (points["value"].min(), points["value"].max())
    x = _axis(*map(float, steps), LEFT + 6, WIDTH - 8)
    y = _axis(*map(float, values), HEIGHT - BELOW, ABOVE)
    lines = []
    for (method, seed), of_one in points.groupby(["method", "seed"], sort=False):
        of_one = of_one.sort_values("step").iloc[:: -(-len(of_one) // _MOST_POINTS)]
        places = " ".join(
            f"{x(step):.1f},{y(value):.1f}" for step, value in zip(of_one["step"], of_one["value"], strict=True)
        )
        number = methods.index(method)
        about = {"method": number, "look": number % _LOOKS, "title": f"{method}, seed {seed}"}
        lines.append(about | {"points": places})
    return {
        "title": title, "width": WIDTH, "height": HEIGHT, "left": LEFT, "lines": lines,
        "x": _ticks(*steps, x), "y": _ticks(*values, y),
    }  # fmt: skip


def _axis(low: float, high: float, start: float, end: float) -> Any:
    span = high - low or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _ticks(low: float, high: float, place: Any, count: int = 5) -> list[dict[str, Any]]:
    from matplotlib.ticker import MaxNLocator

    values = [value for value in MaxNLocator(count).tick_values(low, high) if low <= value <= high]
    return [{"at": round(place(value), 1), "text": f"{round(value, 9):g}"} for value in values]

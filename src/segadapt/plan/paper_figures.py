"""The figures of the paper that can be drawn again: 1, 2 and 4. (3 is a sketch, 5 needs Office-31.)"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segadapt.core.job import Job
from segadapt.core.parameters import MethodEntry
from segadapt.plan.rows import SOURCE, UNADAPTED, look

if TYPE_CHECKING:
    from segadapt.plan.jobs import Planner

GAMMA = 0.05
"""Of the scaled entropy in Figure 1; the paper does not say its own."""
_SHOWN = "MaxSquare"
"""The row of the paper's tables whose model stands beside the unadapted one."""


def figure1(planner: Planner) -> Job:
    """Slopes of the target losses for two classes: no data, no model."""
    return planner.figure("slopes", "figure1", {}, {"gamma": GAMMA})


def figure2(planner: Planner, methods: dict[str, MethodEntry]) -> Job:
    """Mean probability against IoU of every class, of the first seed's models."""
    seed, inputs, models = planner.parameters.seeds[0], {"labelled": planner.cache(planner.preset.evaluate_on)}, {}
    for row in _rows(planner, methods):
        key, model = row["key"], SOURCE if row["key"] == "source_only" else row["key"]
        inputs |= {f"model/{key}": planner.model(model, seed), f"confusion/{key}": planner.confusion(key, seed)}
        models[key] = {"title": row["title"], "look": row["look"], **planner.network(auxiliary=False)}
    config = {"models": models, "data_note": planner.preset.data_note}
    return planner.figure("confidence", "figure2", inputs, config)


def figure4(planner: Planner, methods: dict[str, MethodEntry]) -> Job:
    """Frequency against IoU of every class, of all seeds."""
    rows, seeds = _rows(planner, methods), planner.parameters.seeds
    inputs = {f"confusion/{row['key']}/{seed}": planner.confusion(row["key"], seed) for row in rows for seed in seeds}
    config = planner.about_figure() | {"rows": rows, "seeds": list(seeds), "classes": planner.preset.model.classes}
    return planner.figure("frequency", "figure4", inputs, config)


def _rows(planner: Planner, methods: dict[str, MethodEntry]) -> list[dict[str, Any]]:
    """The unadapted source model and, if a table has it, the first method that stands for the paper's MaxSquare."""
    adapted = [key for key, method in methods.items() if method.paper_row == _SHOWN and method.guidance is None]
    titles = {"source_only": UNADAPTED["source_only"]["title"]} | {key: methods[key].title for key in adapted[:1]}
    known = planner.parameters.methods
    return [{"key": key, "title": title, "look": look(key, known)} for key, title in titles.items()]

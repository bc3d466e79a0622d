"""The figures of the paper that can be drawn again: 1, 2 and 4. (3 is a sketch, 5 needs Office-31.)"""

from typing import Any

from segadapt.core.job import Input, Job
from segadapt.core.parameters.root import SOURCE_ONLY
from segadapt.plan.jobs.tables import Reporter
from segadapt.plan.planner import Planner, about_figure
from segadapt.plan.rows import SOURCE, Row, look

GAMMA = 0.05
"""Of the scaled entropy in Figure 1; the paper does not say its own."""
_SHOWN = "MaxSquare"
"""The row of the paper's tables whose model stands beside the unadapted one."""


def figure1(planner: Planner) -> Job:
    """Slopes of the target losses for two classes: no data, no model."""
    return planner.job("slopes", {}, inputs=(), config={"gamma": GAMMA})


def figure2(reporter: Reporter, rows: list[Row]) -> Job:
    """Mean probability against IoU of every class, of the first seed's models."""
    planner, seed = reporter.base, reporter.parameters.seeds[0]
    inputs, models = [Input("labelled", planner.cache(planner.preset.evaluate_on))], {}
    for row in _two(planner, rows):
        key = row["key"]
        inputs.append(Input("model", planner.model(SOURCE if key == SOURCE_ONLY else key, seed), key, seed))
        inputs.append(Input("confusion", planner.score(key, seed, "confusion"), key, seed))
        models[key] = {"title": row["title"], "look": row["look"], **planner.of(key).network(auxiliary=False)}
    config = {"models": models, "data_note": planner.preset.data_note}
    return planner.job("confidence", {}, inputs=inputs, config=config)


def figure4(reporter: Reporter, rows: list[Row]) -> Job:
    """Frequency against IoU of every class, of all seeds."""
    planner, seeds = reporter.base, reporter.parameters.seeds
    two = _two(planner, rows)
    keys = [row["key"] for row in two]
    inputs = [Input("confusion", planner.score(key, seed, "confusion"), key, seed) for key in keys for seed in seeds]
    config = about_figure(planner) | {"rows": two, "seeds": list(seeds), "classes": planner.preset.model.classes}
    return planner.job("frequency", {}, inputs=inputs, config=config)


def _two(planner: Planner, rows: list[Row]) -> list[dict[str, Any]]:
    """The unadapted source model and, if a table has it, the first method that stands for the paper's MaxSquare."""
    plain = [row for row in rows if row.method in planner.methods and not planner.has_auxiliary_head(row.method)]
    adapted = [row for row in plain if row.paper_row == _SHOWN]
    shown = [row for row in rows if row.method == SOURCE_ONLY] + adapted[:1]
    known = planner.parameters.methods
    return [{"key": row.key, "title": row.title, "look": look(row.method, known)} for row in shown]

"""What training did to every row, how sure that made its models, and what its parameters move: as panels of lines."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import pandas

from segadapt.core.artifacts import read_json
from segadapt.core.job import Job
from segadapt.evaluation import Evaluation
from segadapt.reporting.report.panels import Line, Panel, css

_TITLES = {
    "loss_source": "Source loss",
    "loss_target": "Target loss, in each method's own unit",
    "learning_rate": "Learning rate",
    "mIoU": "mIoU on labelled target images (%)",
    "sure_share": "Share of pixels that the teacher is sure of (%)",
    "mutual_information": "Label-free: mutual information (nats), higher is better",
    "mean_entropy": "Label-free: mean entropy (nats), lower is better",
    "max_square": "Label-free: mean sum of squares, higher is better",
    "soft_neighbourhood_density": "Label-free: soft neighbourhood density, higher is better",
}
"""Quantities in the order of their panels; a column of a history that is not named here comes last."""
_PERCENT = ("mIoU", "sure_share")
Points = list[tuple[float, float]]
StoryOf = Callable[[str], int | None]


def curves(job: Job, story_of: StoryOf) -> list[dict[str, Any]]:
    """Groups of panels, each with a title and a legend: one for the rows of each setting, one for each table's sweeps.

    Args:
        job: The page's: ``curves`` of its configuration are the groups.
        story_of: From the key of a row to the number of its story.
    """
    found = [_group(job, group, story_of) for group in job.config["curves"]]
    for table, looks in job.config["sweeps"].items():
        for each in job.read("robustness", row=table):
            found.append(_robustness(table, pandas.read_csv(each.path), looks))
    return [group for group in found if group["panels"]]


def _group(job: Job, group: dict[str, Any], story_of: StoryOf) -> dict[str, Any]:
    lines: dict[str, list[Line]] = {}
    reliability, rows = [], group["rows"]
    for place, row in enumerate(rows):
        story = story_of(row["key"])
        for seed in job.config["seeds"]:
            for quantity, points in _along(job, row, seed).items():
                title = f"{row['title']}, seed {seed}"
                lines.setdefault(quantity, []).append(Line(place, row["look"], title, points, story))
        if points := _reliability(job, row["key"]):
            reliability.append(Line(place, row["look"], row["title"], points, story))
    order = [*_TITLES, *(name for name in lines if name not in _TITLES)]
    panels = [Panel(_title(name), lines[name], marks=_is_scored(name)) for name in order if name in lines]
    if reliability:
        panels.append(
            Panel(
                "Reliability: share of right pixels (%), all seeds", reliability,
                rule=[(0, 0), (100, 100)], x_name="how sure the model is (%)", marks=True,
            )
        )  # fmt: skip
    return _as_group(group["title"], [(row["title"], row["look"]) for row in rows], panels)


def _as_group(title: str, rows: Sequence[tuple[str, int]], panels: Sequence[Panel]) -> dict[str, Any]:
    drawn = [panel.drawn() for panel in panels]
    seen = {line["row"] for panel in drawn for line in panel["lines"]}
    legend = [{"row": row, "title": each, "look": css(look)} for row, (each, look) in enumerate(rows) if row in seen]
    return {"title": title, "legend": legend, "panels": drawn}


def _is_scored(quantity: str) -> bool:
    """Whether it is known at a few steps alone, which are shown as marks."""
    return quantity in _TITLES and quantity not in ("loss_source", "loss_target", "learning_rate", "sure_share")


def _title(quantity: str) -> str:
    name = quantity.removeprefix("loss_").replace("_", " ").capitalize()
    return _TITLES.get(quantity, f"{name} loss" if quantity.startswith("loss_") else name)


def _along(job: Job, row: dict[str, Any], seed: int) -> dict[str, Points]:
    """The points of one run by quantity: what its history has, and what the models on its way and at its end score."""
    found: dict[str, Points] = {}
    for each in job.read("history", row=row["key"], seed=seed):
        history = pandas.read_csv(each.path)
        for name in history.columns.drop("step"):
            known = history[history[name].notna()]
            found[name] = list(zip(known["step"].tolist(), known[name].tolist(), strict=True))
    if not found:
        return {}
    start = _scored(job, row["from"], 0, seed)[-1:]
    for step in [*start, *_scored(job, row["key"], row["steps"], seed)]:
        for name in _TITLES.keys() & step.keys():
            if step[name] is not None:
                found.setdefault(name, []).append((step["step"], step[name]))
    return {
        name: [(step, 100 * value if name in _PERCENT else value) for step, value in points]
        for name, points in found.items()
        if points
    }


def _scored(job: Job, row: str | None, steps: int, seed: int) -> list[dict[str, Any]]:
    """What is known of a row's models, of that after all its ``steps`` at the end; nothing of a row that is not there.

    In self-training these are the steps of a round, as the history's are.
    """
    size = job.config["evaluation_size"]
    for each in job.read("metrics", row=row, seed=seed):
        metrics = read_json(Path(each.path))
        *on_the_way, last = [step | {"mIoU": step[size]} for step in metrics["steps"]] or [{}]
        return [*on_the_way, last | {"step": steps, "mIoU": metrics[size]["mIoU"]}]
    return []


def _reliability(job: Job, row: str) -> Points:
    """How sure the models are against how often they are right, in percent, by bin of confidence; of all seeds."""
    sums = []
    for each in job.read("confusion", row=row):
        measures = Evaluation.load(Path(each.path)).measures
        if measures is not None:
            sums.append([part.sum(axis=0, dtype=float) for part in measures.calibration])
    if not sums:
        return []
    pixels_B, right_B, confidence_B = numpy.sum(sums, axis=0)
    # A bin of a few pixels says nothing, and leaps.
    known_B = pixels_B > 1e-4 * pixels_B.sum()
    sure_B, share_B = (100 * each[known_B] / pixels_B[known_B] for each in (confidence_B, right_B))
    return list(zip(sure_B.tolist(), share_B.tolist(), strict=True))


def _robustness(table: str, found: pandas.DataFrame, looks: dict[str, int]) -> dict[str, Any]:
    """The difference from the control over the values of every parameter that a table sweeps."""
    titles, panels = list(looks), []
    for parameter, points in found.groupby("parameter", sort=False):
        lines, bands, dots = [], [], []
        values = sorted(set(points["value"]))
        for title, of_row in points.groupby("method", sort=False):
            place, look = titles.index(title), looks[title]
            of_row = of_row.sort_values("value", kind="stable")
            means = of_row.drop_duplicates("value")
            lines.append(Line(place, look, title, list(zip(means["value"], means["mean"], strict=True))))
            known = means[means["low"].notna()]
            bands.append((place, look, list(zip(known["value"], known["low"], known["high"], strict=True))))
            dots += [
                Line(place, look, f"{title}, {parameter} = {value:g}, seed {seed}: {difference:+.2f}",
                     [(value, difference)])
                for value, seed, difference in zip(of_row["value"], of_row["seed"], of_row["difference"], strict=True)
            ]  # fmt: skip
        ends = [0.0, *points["difference"]]
        margin = 0.08 * (max(ends) - min(ends)) or 1.0
        panels.append(
            Panel(
                "Difference from the control (points)", lines, bands, dots,
                rule=[(values[0], 0), (values[-1], 0)], x_name=str(parameter), x_ticks=values,
                logarithmic=values[0] > 0 and values[-1] > 10 * values[0],
                limits=(min(ends) - margin, max(ends) + margin),
            )
        )  # fmt: skip
    return _as_group(f"{table}: how much a parameter matters", list(looks.items()), panels)

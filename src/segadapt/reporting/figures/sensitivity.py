"""How mIoU depends on one parameter at a time (the paper's Table 5, as curves)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import pandas
from matplotlib.figure import Figure

from segadapt.core.artifacts import read_json
from segadapt.core.job import Job
from segadapt.reporting.figures import style
from segadapt.reporting.tables.published import published_rows


@dataclass(frozen=True)
class Point:
    """mIoU in [0, 1] at one value of the parameter, one a seed; ``paper`` is the printed percentage, if it stands
    beside ours."""

    value: float
    miou_S: tuple[float, ...]
    paper: float | None = None


@dataclass(frozen=True)
class Panel:
    """One parameter of one method; ``symbol`` is its letter, ``look`` the method's colour in ``reporting.style``."""

    method: str
    symbol: str
    look: int
    points: tuple[Point, ...]


def draw(job: Job) -> dict[str, bytes]:
    """From the metrics of every cell and seed to ``results/figures/<table>_sensitivity.*``."""
    config = job.config
    size, paper = config["evaluation_size"], {}
    if config["published"] is not None:
        paper = {row.method: next(iter(row.miou.values())) for row in published_rows(config["published"])}
    panels = []
    for each in config["panels"]:
        points = []
        for point in each["points"]:
            paths = [job.input("metrics", row=point["key"], seed=seed) for seed in config["seeds"]]
            values = tuple(read_json(Path(path))[size]["mIoU"] for path in paths)
            points.append(Point(point["value"], values, paper.get(point["paper_row"])))
        panels.append(Panel(each["title"], each["symbol"], each["look"], tuple(points)))
    table = sensitivity_csv(panels, config["seeds"])
    return style.files(sensitivity_figure(panels, config["data_note"]), table)


def sensitivity_csv(panels: Sequence[Panel], seeds: Sequence[int]) -> bytes:
    """A line a point and seed: method, parameter, value, seed, mIoU and the paper's (percent, empty if not shown)."""
    lines = [
        (
            panel.method, panel.symbol, f"{point.value:g}", seed, f"{100 * miou:.2f}",
            "" if point.paper is None else f"{point.paper:.1f}",
        )
        for panel in panels
        for point in panel.points
        for seed, miou in zip(seeds, point.miou_S, strict=True)
    ]  # fmt: skip
    columns = ["method", "parameter", "value", "seed", "mIoU", "paper_mIoU"]
    return pandas.DataFrame(lines, columns=columns).to_csv(index=False, lineterminator="\n").encode()


def sensitivity_figure(panels: Sequence[Panel], note: str) -> Figure:
    """One panel a parameter: every seed as a dot, the mean as a line, the paper's points as grey diamonds.

    A parameter whose positive values span more than a factor of ten has a logarithmic axis.
    """
    figure = Figure(figsize=(4.2 * len(panels), 4.0), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, panel in zip(axes, panels, strict=True):
        points = sorted(panel.points, key=lambda point: point.value)
        value_P = numpy.array([point.value for point in points])
        miou_PS = 100 * numpy.array([point.miou_S for point in points])
        axis.plot(value_P, miou_PS.mean(axis=1), label="mean over seeds", **style.line(panel.look))
        for miou_P in miou_PS.T:
            axis.plot(value_P, miou_P, "o", color=style.colour(panel.look), markersize=4, alpha=0.5)
        paper = [(point.value, point.paper) for point in points if point.paper is not None]
        if paper:
            axis.plot(*zip(*paper, strict=True), "D", color=style.GREY, markersize=5, label="paper")
            axis.legend(fontsize=8, frameon=False)
        if value_P[0] > 0 and value_P[-1] > 10 * value_P[0]:
            axis.set_xscale("log")
            axis.set_xticks(value_P, [f"{value:g}" for value in value_P])
            axis.minorticks_off()
        style.quiet(axis, panel.method, xlabel=panel.symbol)
    axes[0].set_ylabel("mIoU (%)")
    figure.suptitle(note, fontsize=9, color=style.GREY, wrap=True)
    return figure

"""How far a parameter moves a method from its control: the paper's Table 5 as curves, from no effect to collapse."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segadapt.core.artifacts import read_json
from segadapt.core.job import Job
from segadapt.labels import CLASS_SETS
from segadapt.reporting.figures import style
from segadapt.reporting.tables.cells import MIOU, over_columns, shown
from segadapt.reporting.tables.intervals import PairedSeeds, paired_seeds
from segadapt.reporting.tables.published import published_rows


@dataclass(frozen=True)
class Point:
    """mIoU in [0, 1] at one value of the parameter and of the control, both one a seed.

    ``trained`` is the value that a preset's rule trains with in its place; ``paper`` is the printed percentage, if it
    stands beside ours.
    """

    value: float
    miou_S: tuple[float, ...]
    control_S: tuple[float, ...]
    trained: float | None = None
    paper: float | None = None

    @property
    def compared(self) -> PairedSeeds:
        """Against the control, seed by seed."""
        return paired_seeds(self.miou_S, self.control_S)


@dataclass(frozen=True)
class Curve:
    """A method; ``control`` is what it is compared with, ``look`` its colour in ``reporting.style``."""

    method: str
    control: str
    look: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """One parameter, by its letter, and the methods that it is varied of."""

    symbol: str
    curves: tuple[Curve, ...]


def draw(job: Job) -> dict[str, bytes]:
    """From the metrics of every cell, control and seed to ``results/figures/<table>_robustness.*``."""
    config = job.config
    size, paper = config["evaluation_size"], {}
    if config["published"] is not None:
        paper = {row.method: next(iter(row.miou.values())) for row in published_rows(config["published"])}

    def of_seeds(key: str) -> tuple[float, ...]:
        paths = [job.input("metrics", row=key, seed=seed) for seed in config["seeds"]]
        scores = [read_json(Path(path))[size] for path in paths]
        if "classes" in config:
            scores = [over_columns(each, CLASS_SETS[config["classes"]].classes, MIOU) for each in scores]
        return tuple(each[MIOU] for each in scores)

    def curve(each: dict) -> Curve:
        control_S = of_seeds(each["control"])
        points = [
            Point(it["value"], of_seeds(it["key"]), control_S, it.get("trained"), paper.get(it["paper_row"]))
            for it in each["points"]
        ]
        return Curve(each["title"], each["control_title"], each["look"], tuple(points))

    panels = [Panel(each["symbol"], tuple(map(curve, each["curves"]))) for each in config["panels"]]
    table = robustness_csv(panels, config["seeds"])
    return style.files(robustness_figure(panels, config["data_note"]), table)


def robustness_csv(panels: Sequence[Panel], seeds: Sequence[int]) -> bytes:
    """A line a point and seed; mIoU and the paper's in percent, ``difference`` from the control in points, ``mean`` and
    its interval over the seeds; empty for what is not known."""
    lines = []
    for panel in panels:
        for curve in panel.curves:
            for point in curve.points:
                found = point.compared
                over_seeds = [shown(100 * each) for each in (found.mean, found.low, found.high)]
                about = (curve.method, panel.symbol, f"{point.value:g}", f"{point.trained or point.value:g}")
                paper = "" if point.paper is None else f"{point.paper:.1f}"
                lines += [
                    (*about, seed, shown(100 * ours), shown(100 * (ours - control)), *over_seeds, paper)
                    for seed, ours, control in zip(seeds, point.miou_S, point.control_S, strict=True)
                ]
    columns = ["method", "parameter", "value", "trained", "seed", "mIoU", "difference", "mean", "low", "high"]
    return pandas.DataFrame(lines, columns=[*columns, "paper_mIoU"]).to_csv(index=False, lineterminator="\n").encode()


def robustness_figure(panels: Sequence[Panel], note: str) -> Figure:
    """A panel a parameter: the mean difference from the control over its values, a band for its 95 % interval, a dot a
    seed, and each curve's method at its end; the paper's points are grey diamonds.

    A parameter whose positive values span more than a factor of ten has a logarithmic axis. Bands are cut where they
    would leave the dots no room.
    """
    figure = Figure(figsize=(max(7.2, 4.6 * len(panels)), 4.4), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, panel in zip(axes, panels, strict=True):
        _draw_panel(axis, panel)
    dots = [100 * (a - b) for panel in panels for curve in panel.curves for each in curve.points
            for a, b in zip(each.miou_S, each.control_S, strict=True)]  # fmt: skip
    low, high = min(0.0, *dots), max(0.0, *dots)
    margin = 0.12 * (high - low) or 1.0
    axes[0].set(ylim=(low - margin, high + margin), ylabel="mIoU, difference from the control (points)")
    for axis, panel in zip(axes, panels, strict=True):
        _label_ends(axis, panel, low - margin, high + margin)
    figure.supxlabel("line: mean over seeds; band: its 95 % interval; dots: seeds", fontsize=8, color=style.GREY)
    figure.suptitle(note, fontsize=8, color=style.GREY, wrap=True)
    return figure


def _draw_panel(axis: Axes, panel: Panel) -> None:
    value_V = numpy.unique([point.value for curve in panel.curves for point in curve.points])
    is_wide = value_V[0] > 0 and value_V[-1] > 10 * value_V[0]
    axis.axhline(0, color=style.GREY, linewidth=1)
    control = " or ".join(dict.fromkeys(curve.control for curve in panel.curves))
    axis.annotate(
        control, (0.01, 0), xycoords=("axes fraction", "data"), xytext=(0, 9), textcoords="offset points", fontsize=8,
        color=style.GREY,
    )  # fmt: skip
    for place, curve in enumerate(panel.curves):
        points, look = sorted(curve.points, key=lambda point: point.value), style.line(curve.look)
        value_P = numpy.array([point.value for point in points])
        found = [point.compared for point in points]
        mean_P, low_P, high_P = (100 * numpy.array([getattr(each, name) for each in found])
                                 for name in ("mean", "low", "high"))  # fmt: skip
        axis.fill_between(value_P, low_P, high_P, color=look["color"], alpha=0.15, linewidth=0)
        axis.plot(value_P, mean_P, **look | {"linewidth": 2})
        # Side by side, so that no method's dots hide another's.
        aside = 1.04 ** (place - (len(panel.curves) - 1) / 2) if is_wide else 1.0
        for point in points:
            dots = [100 * (a - b) for a, b in zip(point.miou_S, point.control_S, strict=True)]
            axis.plot([point.value * aside] * len(dots), dots, "o", color=look["color"], markersize=3.5, alpha=0.7)
        paper = [
            (each.value, each.paper - 100 * numpy.mean(each.control_S)) for each in points if each.paper is not None
        ]
        if paper:
            axis.plot(*zip(*paper, strict=True), "D", color=style.GREY, markersize=5, label="paper, less our control")
            axis.legend(fontsize=8, frameon=False)
    if is_wide:
        axis.set_xscale("log")
    axis.set_xticks(value_V, [f"{value:g}" for value in value_V])
    axis.minorticks_off()
    letter = re.sub("_(.)", r"$_\1$", panel.symbol)
    style.quiet(axis, f"Robustness to {letter}", xlabel=letter + _as_trained(panel))


def _as_trained(panel: Panel) -> str:
    ratios = {f"{each.trained / each.value:.3g}" for curve in panel.curves for each in curve.points if each.trained}
    return f" of the paper, trained {' or '.join(sorted(ratios))} times as large" if ratios else ""


def _label_ends(axis: Axes, panel: Panel, low: float, high: float) -> None:
    """Each method's name to the right of its curve's end, names at least a line apart."""
    ends = []
    for curve in panel.curves:
        last = max(curve.points, key=lambda point: point.value)
        ends.append((100 * last.compared.mean, last.value, curve))
    below = -numpy.inf
    for height, value, curve in sorted(ends, key=lambda end: end[0]):
        below = max(height, below + 0.06 * (high - low))
        axis.annotate(curve.method, (value, below), xytext=(8, 0), textcoords="offset points", va="center", fontsize=9,
                      color=style.colour(curve.look), annotation_clip=False)  # fmt: skip

"""IoU of every class as bars: one group a class, one colour a method, with the spread over seeds."""

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
from segadapt.reporting.tables.cells import MIOU, over_columns

_BARS_OF_A_PANEL = 90


@dataclass(frozen=True)
class ClassBars:
    """A row of a table: ``iou_SK`` in [0, 1], one row a seed, one column a name of the figure, NaN where absent.

    ``origin`` is ``ours`` or ``control``; ``look`` is the row's colour in ``reporting.style``.
    """

    method: str
    origin: str
    seeds: tuple[int, ...]
    iou_SK: numpy.ndarray
    look: int

    def spread(self) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
        """Mean, lowest and highest over seeds in percent, each (K,); NaN if the class is absent in any seed."""
        percent_SK = 100 * self.iou_SK
        return percent_SK.mean(axis=0), percent_SK.min(axis=0), percent_SK.max(axis=0)


def draw(job: Job) -> dict[str, bytes]:
    """From the metrics of every row and seed to ``results/figures/<table>_classes.*``."""
    size, seeds = job.config["evaluation_size"], tuple(job.config["seeds"])
    classes, rows = CLASS_SETS[job.config["classes"]].classes, []
    for row in job.config["rows"]:
        found = [read_json(Path(job.input("metrics", row=row["key"], seed=seed)))[size] for seed in seeds]
        # None, an absent class, becomes NaN.
        iou_SK = numpy.array([[*over_columns(each, classes, MIOU).values()] for each in found], float)
        rows.append(ClassBars(row["title"], row["origin"], seeds, iou_SK, row["look"]))
    names = (*classes, MIOU)
    return style.files(bars_figure(names, rows, job.config["data_note"]), bars_csv(names, rows))


def bars_csv(names: Sequence[str], rows: Sequence[ClassBars]) -> bytes:
    """A line a row, seed and class: method, origin, seed, class, IoU in percent; empty where absent."""
    lines = [
        (row.method, row.origin, seed, name, "" if numpy.isnan(iou) else f"{100 * iou:.2f}")
        for row in rows
        for seed, iou_K in zip(row.seeds, row.iou_SK, strict=True)
        for name, iou in zip(names, iou_K, strict=True)
    ]
    frame = pandas.DataFrame(lines, columns=["method", "origin", "seed", "class", "IoU"])
    return frame.to_csv(index=False, lineterminator="\n").encode()


def bars_figure(names: Sequence[str], rows: Sequence[ClassBars], note: str) -> Figure:
    """Bars are means over seeds, thin lines reach from the lowest to the highest seed; controls are pale.

    Args:
        names: K names, the classes and perhaps ``mIoU`` after them; many stand in two panels, one below the other.
        rows: At least one, in the order of the bars of a group.
        note: What data it is.
    """
    parts = numpy.array_split(numpy.arange(len(names)), 2 if len(names) * len(rows) > _BARS_OF_A_PANEL else 1)
    figure = Figure(figsize=(12, 1.6 + 2.9 * len(parts)), layout="constrained")
    axes = figure.subplots(len(parts), squeeze=False, sharey=True)[:, 0]
    for axis, part in zip(axes, parts, strict=True):
        _groups(axis, part, rows)
        style.quiet(axis, "", ylabel="IoU (%)")
        axis.grid(False, axis="x")
        axis.set_xticks(numpy.arange(len(part)), [names[place] for place in part], fontsize=9)
        axis.margins(x=0.01)
    seeds = ", ".join(str(seed) for seed in rows[0].seeds)
    axes[0].set_title(f"Mean over seeds {seeds}; lines: lowest to highest seed; pale: controls", fontsize=10)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(note, fontsize=9, color=style.GREY, wrap=True)
    return figure


def _groups(axis: Axes, part: numpy.ndarray, rows: Sequence[ClassBars]) -> None:
    """A group of bars for each of the places ``part`` (P,) of the K names."""
    width = 0.84 / len(rows)
    for position, row in enumerate(rows):
        x_P = numpy.arange(len(part)) + (position - (len(rows) - 1) / 2) * width
        mean_P, low_P, high_P = (numpy.nan_to_num(each_K[part]) for each_K in row.spread())
        alpha = 0.55 if row.origin == "control" else 1.0
        axis.bar(x_P, mean_P, width, label=row.method, alpha=alpha, **style.shape(row.look))
        if len(row.seeds) > 1:
            axis.vlines(x_P, low_P, high_P, color="#333333", linewidth=0.8)

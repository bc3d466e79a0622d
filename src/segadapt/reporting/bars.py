"""IoU of every class as bars: one group a class, one colour a method, with the spread over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import pandas
from matplotlib.figure import Figure

from segadapt.reporting import style


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
        names: K names, the classes and perhaps ``mIoU`` after them.
        rows: At least one, in the order of the bars of a group.
        note: What data it is.
    """
    groups, width = numpy.arange(len(names)), 0.84 / len(rows)
    figure = Figure(figsize=(max(7.0, 0.3 + 0.16 * len(names) * (len(rows) + 1)), 4.8), layout="constrained")
    axis = figure.subplots()
    for position, row in enumerate(rows):
        x_K = groups + (position - (len(rows) - 1) / 2) * width
        mean_K, low_K, high_K = row.spread()
        alpha = 0.55 if row.origin == "control" else 1.0
        axis.bar(x_K, numpy.nan_to_num(mean_K), width, label=row.method, alpha=alpha, **style.shape(row.look))
        if len(row.seeds) > 1:
            axis.vlines(x_K, numpy.nan_to_num(low_K), numpy.nan_to_num(high_K), color="#333333", linewidth=0.8)
    seeds = ", ".join(str(seed) for seed in rows[0].seeds)
    style.quiet(axis, f"Mean over seeds {seeds}; lines: lowest to highest seed; pale: controls", ylabel="IoU (%)")
    axis.grid(False, axis="x")
    axis.set_xticks(groups, names, rotation=40, ha="right", fontsize=9)
    axis.margins(x=0.01)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(note, fontsize=9, color=style.GREY, wrap=True)
    return figure

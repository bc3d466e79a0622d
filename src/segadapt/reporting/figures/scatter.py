"""Classes as points: some property against IoU, with Pearson's r (the paper's Figures 2 and 4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segadapt.reporting.figures import style


@dataclass(frozen=True)
class Cloud:
    """One point a class. ``x_C`` is the property, ``iou_C`` is in [0, 1]; a class with a NaN in either is no point.

    ``method`` names the model, ``quantity`` the property; ``look`` is the method's colour in ``reporting.style``.
    """

    method: str
    quantity: str
    classes: tuple[str, ...]
    x_C: numpy.ndarray
    iou_C: numpy.ndarray
    look: int

    def points(self) -> tuple[numpy.ndarray, numpy.ndarray, list[str]]:
        """x (P,), IoU (P,) in [0, 1] and the names of the classes that are known in both."""
        known_C = numpy.isfinite(self.x_C) & numpy.isfinite(self.iou_C)
        names = [name for name, known in zip(self.classes, known_C, strict=True) if known]
        return self.x_C[known_C], self.iou_C[known_C], names

    def summary(self) -> str:
        """``"MaxSquare: r = 0.71 (19 classes)"``."""
        x_P, iou_P, names = self.points()
        r = pearson(x_P, iou_P)
        return f"{self.method}: r {'undefined' if numpy.isnan(r) else f'= {r:.2f}'} ({len(names)} classes)"


def pearson(x_P: numpy.ndarray, y_P: numpy.ndarray) -> float:
    """Pearson's correlation in [-1, 1]; NaN for fewer than three points, or where x or y does not vary."""
    x_P, y_P = numpy.asarray(x_P, float), numpy.asarray(y_P, float)
    if len(x_P) < 3 or numpy.ptp(x_P) == 0 or numpy.ptp(y_P) == 0:
        return float("nan")
    x_P, y_P = x_P - x_P.mean(), y_P - y_P.mean()
    return float(x_P @ y_P / (numpy.linalg.norm(x_P) * numpy.linalg.norm(y_P)))


def log_frequency(matrix_CC: numpy.ndarray) -> numpy.ndarray:
    """Natural log of each class's share of the labelled pixels, float64 (C,), from counts whose rows are labels.

    NaN for a class that is never labelled; the frequencies of Figure 4.
    """
    label_C = numpy.asarray(matrix_CC).sum(axis=1).astype(float)
    absent = numpy.full(len(label_C), numpy.nan)
    return numpy.log(label_C / max(label_C.sum(), 1.0), out=absent, where=label_C > 0)


def scatter_csv(clouds: Sequence[Cloud]) -> bytes:
    """A line a class and cloud: method, quantity, class, value, IoU in percent; empty where undefined."""
    lines = [
        (cloud.method, cloud.quantity, name, _cell(x, "{:.6g}"), _cell(100 * iou, "{:.2f}"))
        for cloud in clouds
        for name, x, iou in zip(cloud.classes, cloud.x_C, cloud.iou_C, strict=True)
    ]
    frame = pandas.DataFrame(lines, columns=["method", "quantity", "class", "value", "IoU"])
    return frame.to_csv(index=False, lineterminator="\n").encode()


def scatter_figure(clouds: Sequence[Cloud], note: str) -> Figure:
    """One panel a cloud, a column a method and a row a quantity, with the least-squares line and r in the title."""
    methods = list(dict.fromkeys(cloud.method for cloud in clouds))
    quantities = list(dict.fromkeys(cloud.quantity for cloud in clouds))
    figure = Figure(figsize=(5.6 * len(methods), 0.8 + 4.2 * len(quantities)), layout="constrained")
    axes = figure.subplots(len(quantities), len(methods), squeeze=False, sharex="row", sharey=True)
    for cloud in clouds:
        _panel(axes[quantities.index(cloud.quantity), methods.index(cloud.method)], cloud)
    for row in axes:
        row[0].set_ylabel("IoU (%)")
    # Lines may leave the picture below zero; points stay well inside it.
    axes[0, 0].set_ylim(-2, 2 + 106 * max((iou for cloud in clouds for iou in cloud.points()[1]), default=1.0))
    figure.suptitle(note, fontsize=9, color=style.GREY, wrap=True)
    return figure


def _panel(axis: Axes, cloud: Cloud) -> None:
    x_P, iou_P, names = cloud.points()
    axis.scatter(x_P, 100 * iou_P, s=22, color=style.colour(cloud.look))
    for name, x, iou in zip(names, x_P, iou_P, strict=True):
        axis.annotate(name, (x, 100 * iou), (3, 3), textcoords="offset points", fontsize=7, color=style.GREY)
    if not numpy.isnan(pearson(x_P, iou_P)):
        slope, start = numpy.polyfit(x_P, 100 * iou_P, 1)
        ends = numpy.array([x_P.min(), x_P.max()])
        axis.plot(ends, slope * ends + start, **style.line(cloud.look) | {"linestyle": "--"})
    style.quiet(axis, cloud.summary(), xlabel=cloud.quantity)


def _cell(value: float, form: str) -> str:
    return form.format(value) if numpy.isfinite(value) else ""

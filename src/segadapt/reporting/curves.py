"""What training did: losses and scores along the steps of every method, as data and as a picture."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import pandas
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
"""Okabe and Ito's colours, told apart by colour-blind eyes too; line styles change after the last one."""
STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Curve:
    """One run of a method. ``losses`` are (step, source loss, target loss or None), ``scores`` are (step, mIoU)."""

    method: str
    seed: int
    losses: Sequence[tuple[int, float, float | None]]
    scores: Sequence[tuple[int, float]]


def curves_csv(curves: Sequence[Curve]) -> bytes:
    """Every point as a line: method, seed, quantity, step, value; mIoU in percent."""
    lines = []
    for curve in curves:
        about = (curve.method, curve.seed)
        lines += [(*about, "loss_source", step, f"{source:.6g}") for step, source, _ in curve.losses]
        lines += [(*about, "loss_target", step, f"{loss:.6g}") for step, _, loss in curve.losses if loss is not None]
        lines += [(*about, "mIoU", step, f"{100 * score:.2f}") for step, score in curve.scores]
    frame = pandas.DataFrame(lines, columns=["method", "seed", "quantity", "step", "value"])
    return frame.to_csv(index=False, lineterminator="\n").encode()


def curves_png(curves: Sequence[Curve], note: str) -> bytes:
    """Source loss, and mIoU on the target's labelled images, against steps; one line a seed, one colour a method.

    Target losses stand in the CSV alone: methods measure them in different units. ``note`` says what data it is.
    """
    methods = list(dict.fromkeys(curve.method for curve in curves))
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for curve in curves:
        index = methods.index(curve.method)
        look = {"color": COLOURS[index % len(COLOURS)], "linestyle": STYLES[index // len(COLOURS) % len(STYLES)]}
        label = None if curve.method in left.get_legend_handles_labels()[1] else curve.method
        left.plot(*zip(*_smooth(curve.losses), strict=True), label=label, linewidth=1.3, **look)
        steps, scores = zip(*curve.scores, strict=True)
        right.plot(steps, [100 * score for score in scores], marker="o", markersize=3.5, linewidth=1.3, **look)
    left.set(xlabel="adaptation step", ylabel="cross-entropy, running mean")
    left.set_title("Source loss", fontsize=10)
    right.set(xlabel="adaptation step", ylabel="mIoU (%)")
    right.set_title("Labelled target images: to look at, never to choose by", fontsize=10)
    for axis in (left, right):
        axis.grid(color="#dddddd", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(note, fontsize=9, color="#555555")
    buffer = io.BytesIO()
    # No version of the drawing library in the file: equal curves give equal bytes.
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def _smooth(losses: Sequence[tuple[int, float, float | None]], share: float = 0.3) -> list[tuple[int, float]]:
    """An exponential mean of the source losses, each new one weighing ``share``."""
    points, mean = [], losses[0][1]
    for step, source, _ in losses:
        mean += share * (source - mean)
        points.append((step, mean))
    return points

"""What training did: losses and scores along the steps of every method, as data and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas
from matplotlib.figure import Figure

from segadapt.core.artifacts import read_json
from segadapt.core.job import Job
from segadapt.reporting.figures import style


@dataclass(frozen=True)
class Curve:
    """One run of a method. ``losses`` are (step, source loss, target loss or None), ``scores`` are (step, mIoU).

    ``look`` is the number of the method's colour and line in ``reporting.style``.
    """

    method: str
    seed: int
    losses: Sequence[tuple[int, float, float | None]]
    scores: Sequence[tuple[int, float]]
    look: int


def draw(job: Job) -> dict[str, bytes]:
    """From histories and metrics to ``results/figures/curves.png``, ``.svg`` and ``.csv``, the points behind them."""
    size, found = job.config["evaluation_size"], []
    for row in job.config["rows"]:
        for seed in job.config["seeds"]:
            history = pandas.read_csv(job.input("history", row=row["key"], seed=seed))
            history = history.astype(object).where(history.notna(), None)
            losses = list(history[["step", "loss_source", "loss_target"]].itertuples(index=False, name=None))
            metrics = read_json(Path(job.input("metrics", row=row["key"], seed=seed)))
            # The last entry is the model's own, at its step over all rounds; a history's steps are those of a round.
            kept = {each["step"]: each[size] for each in metrics["steps"][:-1]} | {row["steps"]: metrics[size]["mIoU"]}
            if row["from_source"]:
                kept[0] = read_json(Path(job.input("metrics", row="source_only", seed=seed)))[size]["mIoU"]
            found.append(Curve(row["title"], seed, losses, sorted(kept.items()), row["look"]))
    return style.files(curves_figure(found, job.config["data_note"]), curves_csv(found))


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


def curves_figure(curves: Sequence[Curve], note: str) -> Figure:
    """Source loss, and mIoU on the target's labelled images, against steps; one line a seed, one colour a method.

    Target losses stand in the CSV alone: methods measure them in different units. ``note`` says what data it is.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for curve in curves:
        look = style.line(curve.look)
        label = None if curve.method in left.get_legend_handles_labels()[1] else curve.method
        left.plot(*zip(*_smooth(curve.losses), strict=True), label=label, **look)
        steps, scores = zip(*curve.scores, strict=True)
        right.plot(steps, [100 * score for score in scores], marker="o", markersize=3.5, **look)
    style.quiet(left, "Source loss", xlabel="adaptation step", ylabel="cross-entropy, running mean")
    target = "Labelled target images: to look at, never to choose by"
    style.quiet(right, target, xlabel="adaptation step", ylabel="mIoU (%)")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(note, fontsize=9, color=style.GREY)
    return figure


def _smooth(losses: Sequence[tuple[int, float, float | None]], share: float = 0.3) -> list[tuple[int, float]]:
    """An exponential mean of the source losses, each new one weighing ``share``."""
    points, mean = [], losses[0][1]
    for step, source, _ in losses:
        mean += share * (source - mean)
        points.append((step, mean))
    return points

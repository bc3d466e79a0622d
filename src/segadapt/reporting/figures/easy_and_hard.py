"""Figure 5: accuracy on the easy and the hard target images along training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import pandas
from matplotlib.figure import Figure

from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.evaluation import Evaluation
from segadapt.reporting.figures import style

PARTS = ("all", "easy", "hard")


@dataclass(frozen=True)
class Followed:
    """One method: by part, accuracies (seeds, steps) as fractions; step 0 is the source-only model. ``look`` as in
    ``reporting.style``."""

    title: str
    look: int
    steps: tuple[int, ...]
    accuracy_SK: dict[str, numpy.ndarray]


def draw(job: Job) -> dict[str, bytes]:
    """From the evaluations of every method and seed to ``results/figures/figure5.*``."""
    config, seeds = job.config, job.config["seeds"]
    source_only = [Evaluation.load(Path(job.input("source_only", seed=seed))) for seed in seeds]
    followed = []
    for row in config["rows"]:
        runs = [Evaluation.load(Path(job.input("confusion", row=row["key"], seed=seed))) for seed in seeds]
        followed.append(follow(row["title"], row["look"], source_only, runs, config["share"], config["last_step"]))
    figure = easy_and_hard_figure(followed, config["share"], config["task"], config["data_note"])
    return style.files(figure, easy_and_hard_csv(followed, seeds))


def follow(
    title: str, look: int, source_only: Sequence[Evaluation], runs: Sequence[Evaluation], share: float, last_step: int
) -> Followed:
    """The accuracies of a method's runs, one a seed, each on the parts that its own source-only model sets."""
    steps = sorted(mode.step for mode in runs[0].statistics if mode.step is not None)
    found: dict[str, list[list[float]]] = {part: [] for part in PARTS}
    for before, run in zip(source_only, runs, strict=True):
        easy, hard = easy_and_hard(before.measures.confidence(), share)
        for part, of in zip(PARTS, (range(len(run.image_names)), easy, hard), strict=True):
            after = run.part(of)
            found[part].append([before.part(of).score(), *(after.score(step=step) for step in (*steps, None))])
    return Followed(title, look, (0, *steps, last_step), {part: numpy.array(each) for part, each in found.items()})


def easy_and_hard(confidence_N: numpy.ndarray, share: float) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Indices of the most and of the least confident ``share`` of N images, as many each, floor(share N).

    A tie goes to the earlier image. Source: MaxSquareLoss, Figure 5 (30 % of 795 images: 238).
    """
    order = numpy.argsort(-confidence_N, kind="stable")
    count = int(share * len(confidence_N))
    if count == 0:
        raise UserError(f"{share:g} of {len(confidence_N)} images are none; raise easy_and_hard.share")
    return order[:count], order[-count:]


def easy_and_hard_csv(followed: Sequence[Followed], seeds: Sequence[int]) -> bytes:
    """Every point as a line: method, images, seed, step, accuracy in percent."""
    lines = [
        (each.title, part, seed, step, f"{100 * value:.2f}")
        for each in followed
        for part in PARTS
        for seed, values in zip(seeds, each.accuracy_SK[part], strict=True)
        for step, value in zip(each.steps, values, strict=True)
    ]
    frame = pandas.DataFrame(lines, columns=["method", "images", "seed", "step", "accuracy"])
    return frame.to_csv(index=False, lineterminator="\n").encode()


def easy_and_hard_figure(followed: Sequence[Followed], share: float, task: str, note: str) -> Figure:
    """Three panels, all images, the easy and the hard ones; lines are means over seeds, bands their range."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    percent = f"{100 * share:.0f} %"
    titles = ("All target images", f"Easy: the {percent} most confident", f"Hard: the {percent} least confident")
    for axis, part, title in zip(figure.subplots(1, 3), PARTS, titles, strict=True):
        for each in followed:
            values_SK = 100 * each.accuracy_SK[part]
            axis.plot(
                each.steps, values_SK.mean(axis=0), marker="o", markersize=3, label=each.title, **style.line(each.look)
            )
            low_K, high_K = values_SK.min(axis=0), values_SK.max(axis=0)
            axis.fill_between(each.steps, low_K, high_K, color=style.colour(each.look), alpha=0.15, linewidth=0)
        style.quiet(axis, title, xlabel="step after the source-only model", ylabel="accuracy (%)")
        handles = axis.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(f"{task}. {note}", fontsize=9, color=style.GREY, wrap=True)
    return figure

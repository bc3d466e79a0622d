"""Draws how methods do on easy and on hard target images while they train, the paper's Figure 5."""

from pathlib import Path

from segadapt.core.job import Job, score_role
from segadapt.evaluation.answers import Answers
from segadapt.reporting.figures.easy_and_hard import easy_and_hard_csv, easy_and_hard_figure, follow
from segadapt.reporting.figures.style import write_figure
from segadapt.stages.runner import main


def draw(job: Job, scratch: Path) -> None:
    """From the answers of every method and seed to ``results/figures/figure5.*``."""
    config, seeds = job.config, job.config["seeds"]
    source_only = [Answers.load(Path(job.inputs[f"source_only/{seed}"])) for seed in seeds]
    followed = []
    for row in config["rows"]:
        runs = [Answers.load(Path(job.inputs[score_role("answers", row["key"], seed)])) for seed in seeds]
        followed.append(follow(row["title"], row["look"], source_only, runs, config["share"], config["last_step"]))
    figure = easy_and_hard_figure(followed, config["share"], config["task"], config["data_note"])
    write_figure(job.outputs, figure, easy_and_hard_csv(followed, seeds))


if __name__ == "__main__":
    main(draw)

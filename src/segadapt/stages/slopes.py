"""Draws the slopes of the target losses for two classes, the paper's Figure 1 and what it looks like in the logit."""

from pathlib import Path

from segadapt.core.job import Job
from segadapt.reporting.figures.slopes import slopes, slopes_csv, slopes_figure
from segadapt.reporting.figures.style import write_figure
from segadapt.stages.runner import main


def draw(job: Job, scratch: Path) -> None:
    """From the losses alone to ``results/figures/figure1.*``."""
    gamma = job.config["gamma"]
    frame = slopes(gamma)
    write_figure(job.outputs, slopes_figure(frame, gamma), slopes_csv(frame))


if __name__ == "__main__":
    main(draw)

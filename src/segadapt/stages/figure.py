"""Draws a figure: what it reads and how it looks, a file of ``reporting/figures`` says, which the job names."""

from pathlib import Path

from segadapt.core.artifacts import write_bytes
from segadapt.core.chosen import Chosen
from segadapt.core.job import Job
from segadapt.stages.runner import main

FIGURE = Chosen("figure", "segadapt.reporting.figures.{}")


def draw(job: Job, scratch: Path) -> None:
    """From what the figure reads to ``results/figures``; nothing is written before all of it is drawn."""
    for role, content in FIGURE.load(job.config["figure"]).draw(job).items():
        write_bytes(Path(job.outputs[role]), content)


if __name__ == "__main__":
    main(draw)

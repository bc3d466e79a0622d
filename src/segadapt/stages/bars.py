"""Draws the IoU of every class for the rows of a table."""

from pathlib import Path

import numpy

from segadapt.core.artifacts import read_json
from segadapt.core.job import Job, score_role
from segadapt.labels import CLASS_SETS
from segadapt.reporting.figures.bars import ClassBars, bars_csv, bars_figure
from segadapt.reporting.figures.style import write_figure
from segadapt.stages.runner import main


def draw(job: Job, scratch: Path) -> None:
    """From the metrics of every row and seed to ``results/figures/<table>_classes.*``."""
    size, seeds = job.config["evaluation_size"], tuple(job.config["seeds"])
    classes, rows = CLASS_SETS[job.config["classes"]].classes, []
    for row in job.config["rows"]:
        found = [read_json(Path(job.inputs[score_role("metrics", row["key"], seed)]))[size] for seed in seeds]
        # None, an absent class, becomes NaN.
        iou_SK = numpy.array([[*(each["IoU"][name] for name in classes), each["mIoU"]] for each in found], float)
        rows.append(ClassBars(row["title"], row["origin"], seeds, iou_SK, row["look"]))
    names = (*classes, "mIoU")
    write_figure(job.outputs, bars_figure(names, rows, job.config["data_note"]), bars_csv(names, rows))


if __name__ == "__main__":
    main(draw)

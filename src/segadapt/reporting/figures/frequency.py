"""How frequent each class is against how well a model segments it, the paper's Figure 4."""

import sys
from pathlib import Path

import numpy

from segadapt.core.job import Job
from segadapt.evaluation import Evaluation
from segadapt.labels import CLASS_SETS
from segadapt.reporting.figures import style
from segadapt.reporting.figures.scatter import Cloud, log_frequency, scatter_csv, scatter_figure

QUANTITY = "natural log of the class's share of labelled pixels"


def draw(job: Job) -> dict[str, bytes]:
    """From stored confusion matrices, whose row sums count the labels, to ``results/figures/figure4.*``."""
    size, clouds = job.config["evaluation_size"], []
    classes = CLASS_SETS[job.config["classes"]].classes
    for row in job.config["rows"]:
        paths = [job.input("confusion", row=row["key"], seed=seed) for seed in job.config["seeds"]]
        found = [Evaluation.load(Path(path)) for path in paths]
        # Every seed is scored on the same labels.
        x_C = log_frequency(found[0].matrix(size))
        iou_C = numpy.mean([each.iou(size) for each in found], axis=0)
        clouds.append(Cloud(row["title"], QUANTITY, classes, x_C, iou_C, row["look"]))
        print(f"{job.name}: {clouds[-1].summary()}", file=sys.stderr)
    return style.files(scatter_figure(clouds, job.config["data_note"]), scatter_csv(clouds))

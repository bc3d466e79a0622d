"""The page of a toy run: evaluations of known matrices, toy pictures, and a title that browsers would run."""

import os
from pathlib import Path

import numpy
from scored import make, record
from tiny import REPOSITORY, tiny_parameters

from segadapt.core.parameters import parameters_from
from segadapt.plan import Plan, make_plan
from segadapt.reporting.figures import gallery
from segadapt.stages import figure, table
from segadapt.stages.report import write

ROWS = ("source_only", "target_forwarded", "maxsquare", "minent", "oracle")
SEEDS = (1, 2, 3)
TITLE = 'Max<script>alert("1")</script> & "co"'
HISTORY = "step,learning_rate,loss_source,loss_target,sure_share\n" + "".join(
    f"{step},{0.01 / step:g},{3 / step:g},{-step / 8:g},{step / 8:g}\n" for step in (1, 2, 4)
)
"""Of every run."""
PAGE = Path("results/report/index.html")


def toy_gallery(models: dict) -> bytes:
    """Three images of 32 x 16: truth is class 0, the n-th row takes the n leftmost columns for class 1."""
    truth_HW = numpy.zeros((16, 32), numpy.uint8)
    images = []
    for number in range(3):
        picture = numpy.full((16, 32, 3), 80 * number, numpy.uint8)
        predictions, scores = {}, {}
        for place, key in enumerate(models):
            label_HW = truth_HW.copy()
            label_HW[:, :place] = 1
            predictions[key], scores[key] = gallery.label_map(label_HW), 50.0 + place
        about = {"name": f"<b>image {number}", "predictions": predictions, "scores": scores}
        about |= {"source": gallery.photograph(picture), "target": gallery.photograph(picture)}
        images.append(about | {"truth": gallery.label_map(truth_HW)})
    return gallery.gallery_file("toy <b>streets", "cityscapes19", models, images, 60)


def make_page(folder: Path) -> Plan:
    """Makes a project and its page in a folder; returns its plan."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        parameters = tiny_parameters(ROWS) | {"seeds": list(SEEDS)}
        parameters["methods"]["maxsquare"]["title"] = TITLE
        plan = make_plan(parameters_from(parameters, "tiny"))
        Path("results").mkdir()
        Path("results/published").symlink_to(REPOSITORY / "results/published")
        for job in plan.jobs:
            if job.stage == "gallery":
                job_file = Path(job.outputs["pictures"])
                job_file.parent.mkdir(parents=True, exist_ok=True)
                job_file.write_bytes(toy_gallery(job.config["models"]))
                record(job)
            elif job.stage in ("table", "statistics", "scoring", "measures", "costs"):
                record(job, more=table.assemble(job, Path("scratch")))
            elif job.stage == "bars":
                figure.draw(job, Path("scratch"))
                record(job)
            elif job.stage == "report":
                write(job, Path("scratch"))
            elif job.stage not in ("qualitative", "confidence", "frequency", "slopes", "curves"):
                make(job)
                if "history" in job.outputs:
                    Path(job.outputs["history"]).write_text(HISTORY)
                    record(job)
        return plan
    finally:
        os.chdir(before)

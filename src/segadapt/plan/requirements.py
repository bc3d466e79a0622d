"""What only the user can bring, asked for before anything runs: data sets, initial weights, an optional package."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path

from segadapt.core.errors import UserError
from segadapt.core.events import require_writer
from segadapt.core.files import require_regular
from segadapt.core.job import Job
from segadapt.core.stages import PREPARE, STAGES
from segadapt.data.datasets import dataset_module
from segadapt.plan.estimate.passes import said_architecture
from segadapt.plan.networks import encoder_of
from segadapt.plan.status import Status

NAMED = (2, 3, 6)
"""The paper's tables of segmentation whose rows it names; the others go by parts and parameters."""
_SNAPSHOTS = "/.dvc/tmp/exps/"


def check_requirements(due: Iterable[Status]) -> None:
    """UserError, one sentence, for the first folder or file that a job which must run needs and is not there."""
    for status in due:
        job = status.job
        if job.stage == PREPARE and not job.read("rendered") and not Path(job.config["root"]).is_dir():
            how_to_get = dataset_module(job.config["format"]).HOW_TO_GET
            raise UserError(f"folder {job.config['root']} is missing: {_of_a_snapshot() or how_to_get}")
        for weights in (each.path for each in job.read("initial_weights")):
            _check_weights(job, weights)
        if job.config.get("published") and job.read("published"):
            _check_published(job)
        if STAGES[job.stage].trains and job.run["tensorboard"]:
            require_writer(job.preset)


def _check_weights(job: Job, weights: str) -> None:
    """UserError for initial weights that are missing, or of another network."""
    if not Path(weights).is_file():
        if os.path.lexists(weights):
            require_regular(Path(weights), "initial weights")
        mend = f"put the file there, or point model.initial_weights in presets/{job.preset}.yaml at yours"
        raise UserError(f"initial weights {weights} are missing: {_of_a_snapshot() or mend}")
    wanted = job.config["model"]["backbone"]
    if (backbone := said_architecture(weights).get("backbone", wanted)) not in (wanted, encoder_of(wanted)):
        raise UserError(
            f"initial weights {weights} are those of {backbone}, and {job.name} is to train {wanted}; "
            f"point model.initial_weights in presets/{job.preset}.yaml at weights of that network"
        )


def _check_published(job: Job) -> None:
    """UserError for a table over classes of which the paper's reports some but not all, and for a row that would stand
    beside one that the paper's table does not have."""
    number, table = job.config["published"], Path(job.input("published"))
    if not table.is_file():
        return
    with open(table, newline="", encoding="utf-8") as file:
        printed = list(csv.DictReader(file))
    columns, reported = job.config.get("columns", ()), {name for row in printed for name, value in row.items() if value}
    missing = [name for name in columns if name not in reported]
    if missing and len(missing) < len(columns):
        raise UserError(
            f"params.yaml: experiments.{job.subject['table']}.published: table {number} of the paper has no "
            f"{', '.join(missing)}, so its rows cannot stand beside ours; set classes to those that it has, or "
            "published to null"
        )
    names = {": ".join(row[key] for key in ("city", "method") if key in row) for row in printed}
    for row in job.config.get("rows", ()) if number in NAMED else ():
        name = row.get("paper_row")
        # Of a sweep, values that the paper has not tried are rows like any other.
        if name is not None and name not in names and not row["is_cell"]:
            raise UserError(
                f"params.yaml: {job.name}: '{row['key']}' has paper_row: {name}, which is no row of the paper's table "
                f"{number}; known are {', '.join(sorted(names))}"
            )


def _of_a_snapshot() -> str | None:
    """What to do where this is a copy that ``dvc exp run --temp`` or ``--queue`` made; None elsewhere."""
    if _SNAPSHOTS not in Path.cwd().as_posix():
        return None
    return (
        "this is DVC's copy of the project, which has nothing that git ignores; write absolute paths into the preset, "
        "or run the experiment without --temp and --queue"
    )

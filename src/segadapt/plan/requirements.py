"""What only the user can bring, asked for before anything runs: data sets and initial weights."""

from collections.abc import Iterable
from pathlib import Path

from segadapt.core.errors import UserError
from segadapt.data.datasets import dataset_module
from segadapt.plan.status import Status

_SNAPSHOTS = "/.dvc/tmp/exps/"


def check_requirements(due: Iterable[Status]) -> None:
    """UserError, one sentence, for the first folder or file that a job which must run needs and is not there."""
    for status in due:
        job = status.job
        if job.stage == "prepare" and "rendered" not in job.inputs and not Path(job.config["root"]).is_dir():
            how_to_get = dataset_module(job.config["format"]).HOW_TO_GET
            raise UserError(f"folder {job.config['root']} is missing: {_of_a_snapshot() or how_to_get}")
        weights = job.inputs.get("initial_weights")
        if weights is not None and not Path(weights).is_file():
            mend = f"put the file there, or point presets.{job.preset}.model.initial_weights in params.yaml at yours"
            raise UserError(f"initial weights {weights} are missing: {_of_a_snapshot() or mend}")


def _of_a_snapshot() -> str | None:
    """What to do where this is a copy that ``dvc exp run --temp`` or ``--queue`` made; None elsewhere."""
    if _SNAPSHOTS not in Path.cwd().as_posix():
        return None
    return (
        "this is DVC's copy of the project, which has nothing that git ignores; write absolute paths into params.yaml, "
        "or run the experiment without --temp and --queue"
    )

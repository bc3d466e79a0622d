"""Trains the source-only model. It never sees a target image."""

from pathlib import Path

from segadapt.core.job import Job
from segadapt.models import save_model
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import starting_network
from segadapt.stages.runner import main
from segadapt.training.assembly import describe, make_trainer


def pretrain(job: Job, scratch: Path) -> None:
    """From initial weights to ``model.safetensors`` and ``history.csv``."""
    compute = set_up_compute(job.config["precision"], job.config["cpu_threads"])
    model = compute.place(starting_network(job))
    trainer = make_trainer(job, model, compute, scratch)
    trainer.run(job.name).write(Path(job.outputs["history"]))
    save_model(Path(job.outputs["model"]), model, describe(job, trainer))


if __name__ == "__main__":
    main(pretrain)

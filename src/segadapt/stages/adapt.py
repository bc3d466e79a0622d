"""Adapts a model to the target's unlabelled images by one method: a source model, or one at its initial weights."""

from pathlib import Path

from segadapt.core.job import Job
from segadapt.methods.composition import build_objective
from segadapt.models import save_model
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import starting_network
from segadapt.stages.runner import main
from segadapt.training.assembly import describe, make_adversary, make_trainer


def adapt(job: Job, scratch: Path) -> None:
    """To ``model.safetensors`` and ``history.csv``."""
    method = job.config["method"]
    compute = set_up_compute(job.config["precision"], job.config["cpu_threads"])
    objective = build_objective(method, job.config["protocol"])
    model = compute.place(starting_network(job))
    adversary = make_adversary(job, model, compute)
    trainer = make_trainer(job, model, compute, scratch, objective, method["lambda_target"], adversary)
    trainer.run(job.name).write(Path(job.outputs["history"]))
    save_model(Path(job.outputs["model"]), model, describe(job, trainer))


if __name__ == "__main__":
    main(adapt)

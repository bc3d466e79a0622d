"""Trains an image classifier: on a source alone, or by one method on source and target."""

from pathlib import Path

from segadapt.core.job import Job
from segadapt.methods.composition import build_objective
from segadapt.models import save_model
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import starting_network
from segadapt.stages.runner import main
from segadapt.training.assembly import describe, make_adversary, make_trainer


def train(job: Job, scratch: Path) -> None:
    """From a model or initial weights to ``model.safetensors`` and ``history.csv``."""
    method = job.config.get("method")
    compute = set_up_compute(job.config["precision"], job.config["cpu_threads"])
    model = compute.place(starting_network(job))
    if method is None:
        trainer = make_trainer(job, model, compute, scratch)
    else:
        objective, adversary = build_objective(method, job.config["protocol"]), make_adversary(job, model, compute)
        trainer = make_trainer(job, model, compute, scratch, objective, method["lambda_target"], adversary)
    trainer.run(job.name).write(Path(job.outputs["history"]))
    save_model(Path(job.outputs["model"]), model, describe(job, trainer))


if __name__ == "__main__":
    main(train)

"""One round of self-training: goes on from the round before, on the pseudo-labels that its model gave."""

from pathlib import Path

from segadapt.core.job import Job
from segadapt.methods.composition import build_objective
from segadapt.models import save_model
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import trained_network
from segadapt.selftraining.rounds import for_round
from segadapt.stages.runner import main
from segadapt.training.assembly import describe, make_trainer


def self_train(job: Job, scratch: Path) -> None:
    """From a model, its pseudo-labels and both caches to ``model.safetensors`` and ``history.csv``."""
    method = job.config["method"]
    compute = set_up_compute(job.config["precision"], job.config["cpu_threads"])
    objective = build_objective(method, job.config["protocol"])
    model = compute.place(trained_network(Path(job.inputs["model"]), job.config))
    trainer = for_round(make_trainer(job, model, compute, scratch, objective, method["lambda_target"]), job)
    trainer.run(job.name).write(Path(job.outputs["history"]))
    save_model(Path(job.outputs["model"]), model, describe(job, trainer))


if __name__ == "__main__":
    main(self_train)

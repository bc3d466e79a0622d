"""Trains the source-only model. It never sees a target image."""

import sys
from pathlib import Path

from segadapt.core.job import Job
from segadapt.models import initialise, save_model
from segadapt.models.initial_weights import initial_architecture, load_backbone
from segadapt.stages.runner import main
from segadapt.training.assembly import describe, make_trainer, network
from segadapt.training.compute import set_up_compute


def pretrain(job: Job, scratch: Path) -> None:
    """From initial weights to ``model.safetensors`` and ``history.csv``."""
    compute = set_up_compute(job.config["precision"], job.config["cpu_threads"])
    weights = job.inputs.get("initial_weights")
    initial = None if weights is None else initial_architecture(Path(weights))
    model = initialise(network(job.config, initial), job.config["seed"], job.config["model"]["initialisation"])
    if weights is not None:
        fraction = load_backbone(Path(weights), model)
        print(f"initial weights: {fraction:.1%} of all tensors loaded, the heads start anew", file=sys.stderr)
    model = compute.place(model)
    trainer = make_trainer(job, model, compute, scratch)
    trainer.run(job.name).write(Path(job.outputs["history"]))
    save_model(Path(job.outputs["model"]), model, describe(job, trainer))


if __name__ == "__main__":
    main(pretrain)

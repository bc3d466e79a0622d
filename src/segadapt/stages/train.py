"""Trains a network by one method, or on its source alone: from a trained model, or from initial weights.

For all stages that train, whose models, sizes and schedules are their own in ``params.yaml``.
"""

from pathlib import Path

from segadapt.core.chosen import Chosen
from segadapt.core.job import Job
from segadapt.models import save_model
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import starting_network
from segadapt.stages.runner import main
from segadapt.training.assembly import describe, make_trainer

ROUND = Chosen("round", "segadapt.selftraining.rounds")


def train(job: Job, scratch: Path) -> None:
    """To ``model.safetensors`` and ``history.csv``; a round of self-training has its own images and pseudo-labels."""
    compute = set_up_compute(job.config["precision"], job.config["cpu_threads"])
    model = compute.place(starting_network(job))
    trainer = make_trainer(job, model, compute, scratch)
    if "round" in job.config:
        trainer = ROUND.load(job.config["round"]).for_round(trainer, job)
    trainer.run(job.name).write(Path(job.outputs["history"]))
    save_model(Path(job.outputs["model"]), model, describe(job, trainer))


if __name__ == "__main__":
    main(train)

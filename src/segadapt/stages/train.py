"""Trains a network by one method, or on its source alone: from a trained model, or from initial weights.

For all stages that train, whose models, sizes and schedules are their own in ``params.yaml``.
"""

from pathlib import Path

from segadapt.core.chosen import Chosen
from segadapt.core.job import Job
from segadapt.labels import register
from segadapt.models import save_model
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import starting_network
from segadapt.stages.runner import main
from segadapt.training.assembly import describe, make_trainer
from segadapt.training.replicas import Replica, joined
from segadapt.training.trainer import Trainer

ROUND = Chosen("round", "segadapt.selftraining.rounds")


def train(job: Job, scratch: Path) -> None:
    """To ``model.safetensors`` and ``history.csv``; a round of self-training has its own images and pseudo-labels."""
    trainer = _trainer(job, scratch, Replica(0, job.processes))
    with joined(job.processes, follow, job, scratch):
        trainer.run(job.name).write(Path(job.outputs["history"]))
    save_model(Path(job.outputs["model"]), trainer.model, describe(job, trainer))


def follow(replica: Replica, job: Job, scratch: Path) -> None:
    """What another process of the same training does."""
    register(job.config.get("class_sets", {}).values())
    _trainer(job, scratch, replica).follow()


def _trainer(job: Job, scratch: Path, replica: Replica) -> Trainer:
    compute = set_up_compute(job.config["precision"], job.config["cpu_threads"])
    model = compute.place(starting_network(job))
    trainer = make_trainer(job, model, compute, scratch, replica)
    return ROUND.load(job.config["round"]).for_round(trainer, job) if "round" in job.config else trainer


if __name__ == "__main__":
    main(train)

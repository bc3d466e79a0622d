"""What a training job starts from: a trained model, or initial weights."""

import sys
from pathlib import Path

from segadapt.core.job import Job
from segadapt.models import Network, initialise
from segadapt.models.initial_weights import initial_architecture, load_backbone
from segadapt.training.assembly import network, trained_network


def starting_network(job: Job) -> Network:
    """The job's input ``model`` if it has one, else a network of the seed's initialisation, on the CPU.

    The input ``initial_weights``, if there, replaces the backbone of the latter. UserError if what a file holds
    contradicts the configuration.
    """
    if "model" in job.inputs:
        return trained_network(Path(job.inputs["model"]), job.config)
    weights = job.inputs.get("initial_weights")
    initial = None if weights is None else initial_architecture(Path(weights))
    model = initialise(network(job.config, initial), job.config["seed"], job.config["model"]["initialisation"])
    if weights is not None:
        fraction = load_backbone(Path(weights), model)
        print(f"initial weights: {fraction:.1%} of all tensors loaded, the heads start anew", file=sys.stderr)
    return model

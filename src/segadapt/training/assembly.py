"""From a job's configuration to a network, a trainer or a predictor."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segadapt.core.chosen import Chosen
from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.core.parameters import width_height
from segadapt.data.batches.augment import Augmentation
from segadapt.data.batches.loader import BatchSource
from segadapt.data.packed.cache import PackedCache
from segadapt.labels import CLASS_SETS
from segadapt.methods import AnyAdversary, Objective
from segadapt.models import Architecture, BatchNormPolicy, Network, build, open_model, to_input
from segadapt.training.compute import Compute
from segadapt.training.dropout import has_dropout
from segadapt.training.graphs import recorder_for
from segadapt.training.optimiser import ParameterGroup, RepeatedSGD, parameter_groups
from segadapt.training.snapshots import Snapshots
from segadapt.training.state import StateStore
from segadapt.training.trainer import Loop, Trainer

IMAGE_SIZE = "image_size"
"""Metadata key: the WIDTHxHEIGHT that a model was trained at, hence what photographs should be shrunk to."""
ADVERSARY = Chosen("method.adversarial.game", "segadapt.training.adversary", {"dann": "segadapt.methods.dann"})


def network(config: dict[str, Any], initial: Architecture | None = None) -> Network:
    """The network that a card's configuration describes, with torch's default weights.

    ``initial`` is what the file of initial weights says of itself: strides and input follow it.
    """
    wanted = _wanted(config)
    if initial is not None:
        wanted = replace(wanted, stride_placement=initial.stride_placement, input=initial.input)
        _refuse_contradiction("the initial weights", initial, config, ("backbone",))
    return build(wanted)


def trained_network(weights: Path, config: dict[str, Any]) -> Network:
    """The network of a file of weights, as the file describes it; UserError if the configuration says otherwise."""
    model = open_model(weights)[0]
    names = ("backbone", "num_classes", "class_set", "task", "bottleneck", "aspp_branches", "auxiliary")
    _refuse_contradiction(str(weights), model.architecture, config, names)
    return model


def _wanted(config: dict[str, Any]) -> Architecture:
    settings = config["model"]
    return Architecture(
        backbone=settings["backbone"],
        num_classes=len(CLASS_SETS[settings["classes"]]),
        aspp_branches=config["aspp_branches"],
        auxiliary=config["auxiliary"],
        input=settings["input"] or "caffe",
        class_set=settings["classes"],
        task=CLASS_SETS[settings["classes"]].task,
        bottleneck=settings["bottleneck"],
    )


def _refuse_contradiction(who: str, have: Architecture, config: dict[str, Any], names: tuple[str, ...]) -> None:
    wanted = _wanted(config)
    if config["model"]["input"] is not None:
        names += ("input",)
    for name in names:
        if name not in have.differences(wanted):
            continue
        key = "classes" if name in ("num_classes", "class_set", "task") else name
        key = f"model.{key}" if key in ("classes", "backbone", "input", "bottleneck") else key
        raise UserError(
            f"{who}: made for {name} {getattr(have, name)}, but params.yaml says {key}: {getattr(wanted, name)} "
            f"for this preset; set {key} to match (or model.input to null), or use other weights"
        )


def predictor(weights: Path, config: dict[str, Any], compute: Compute) -> Callable[[np.ndarray], Tensor]:
    """:func:`image_predictor` of a file of weights; UserError if the configuration says otherwise than the file."""
    return image_predictor(trained_network(weights, config), compute)


def image_predictor(model: Network, compute: Compute) -> Callable[[np.ndarray], Tensor]:
    """A function from image_HWC (uint8 RGB at network size) to the final head's logits_1CHW, in evaluation mode.

    The image is fed as the model's own input convention says.
    """
    convention = model.architecture.input
    model = compute.place(model).eval()

    @torch.inference_mode()
    def predict(image_HWC: np.ndarray) -> Tensor:
        image_BHWC = torch.from_numpy(np.array(image_HWC))[None]
        with compute.autocast():
            return model(compute.layout(to_input(image_BHWC, convention, compute.device)))[0]

    return predict


def make_trainer(
    job: Job, model: Network, compute: Compute, scratch: Path,
    objective: Objective | None = None, lambda_target: float = 0.0, adversary: AnyAdversary | None = None,
) -> Trainer:  # fmt: skip
    """The trainer of a pretrain, adapt or refine job; the model must be on the compute's device."""
    settings, model_settings = job.config["training"], job.config["model"]
    compute.keep_compiled_code(Path(job.compiled_code))
    groups = parameter_groups(model, settings["head_factor"])
    if isinstance(getattr(adversary, "network", None), nn.Module):
        # An adversary of features learns with the heads, by the same optimiser.
        theirs = {f"discriminator.{name}": each for name, each in adversary.network.named_parameters()}
        groups += (ParameterGroup("discriminator", settings["head_factor"], theirs),)
    optimiser = RepeatedSGD(groups, settings["momentum"], settings["weight_decay"], job.config["repeated_updates"])
    loop_keys = ("steps", "horizon", "learning_rate", "annealing", "power", "auxiliary_weight", "joint_batch")
    run_keys = ("log_steps", "save_steps", "save_seconds", "loader_threads")
    loop = Loop(
        **{key: settings[key] for key in loop_keys},
        **{key: job.run[key] for key in run_keys},
        lambda_target=lambda_target,
    )
    return Trainer(
        model=model,
        optimiser=optimiser,
        loop=loop,
        source=_batch_source(job, "source", compute),
        target=_batch_source(job, "target", compute) if objective or adversary else None,
        objective=objective,
        batch_norm=BatchNormPolicy(**model_settings["batch_norm"]),
        input_convention=model.architecture.input,
        compute=compute,
        store=StateStore(scratch),
        snapshots=Snapshots.of(job, scratch),
        adversary=adversary,
        recorder=recorder_for(compute, adversary is not None, has_dropout(model)),
    )


def make_adversary(job: Job, model: Network, compute: Compute) -> AnyAdversary | None:
    """The adversary of an adaptation job, its discriminators on the device; None if its method has none."""
    settings = job.config["method"]["adversarial"]
    if settings is None:
        return None
    module = ADVERSARY.load(settings["game"])
    if settings["game"] == "dann":
        game = module.FeatureGame.of(settings, model.num_features, job.config["seed"])
        compute.place(game.network)
        return game
    epsilon = job.config["protocol"]["adam_epsilon"]
    return module.build(settings, model.num_classes, job.config["seed"], compute, epsilon)


def describe(job: Job, trainer: Trainer) -> dict[str, str]:
    """Metadata of a trained model: the job that made it, and the size of the images that it saw last."""
    cache = (trainer.target or trainer.source).cache
    return {"job": job.name, IMAGE_SIZE: f"{cache.width}x{cache.height}"}


def _batch_source(job: Job, domain: str, compute: Compute) -> BatchSource:
    cache = PackedCache(Path(job.inputs[domain]))
    if domain == "source" and cache.class_set != job.config["model"]["classes"]:
        raise UserError(
            f"{job.inputs[domain]} holds labels of {cache.class_set}, the model has {job.config['model']['classes']}; "
            "delete the cache's folder and run again"
        )
    settings = job.config["training"]
    crop = settings["crop"] and width_height(settings["crop"])
    augmentation = Augmentation(**{key: settings[key] for key in ("mirror", "blur", "colour", "zoom")}, crop=crop)
    on_gpu = compute.device.type == "cuda"
    return BatchSource(
        cache, domain, job.config["seed"], settings["batch_size"], augmentation,
        with_labels=domain == "source", pin_memory=on_gpu, on_device=on_gpu,
    )  # fmt: skip

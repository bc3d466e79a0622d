"""From a job's configuration to a network, a trainer or a predictor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.data.augment import Augmentation
from segadapt.data.cache import PackedCache
from segadapt.data.loader import BatchSource
from segadapt.labels import CLASS_SETS
from segadapt.methods import Objective
from segadapt.models import BatchNormPolicy, apply_batchnorm_policy, deeplabv2, load_model, to_input
from segadapt.training.compute import Compute
from segadapt.training.optimiser import RepeatedSGD, parameter_groups
from segadapt.training.state import StateStore
from segadapt.training.trainer import Loop, Trainer


def network(config: dict[str, Any]) -> nn.Module:
    """The DeepLab-v2 that a card's configuration describes, with torch's default weights."""
    settings = config["model"]
    classes = len(CLASS_SETS[settings["classes"]])
    return deeplabv2(settings["backbone"], classes, config["aspp_branches"], config["auxiliary"])


def predictor(weights: Path, config: dict[str, Any], compute: Compute) -> Callable[[np.ndarray], Tensor]:
    """A function from image_HWC (uint8 RGB at network size) to the final head's logits_1CHW, in evaluation mode."""
    model = network(config)
    load_model(weights, model)
    model = compute.place(model)
    settings = config["model"]
    apply_batchnorm_policy(model, BatchNormPolicy(**settings["batch_norm"]), training=False)

    @torch.inference_mode()
    def predict(image_HWC: np.ndarray) -> Tensor:
        image_BHWC = torch.from_numpy(np.array(image_HWC))[None]
        with compute.autocast():
            return model(compute.layout(to_input(image_BHWC, settings["input"], compute.device)))[0]

    return predict


def make_trainer(
    job: Job, model: nn.Module, compute: Compute, scratch: Path,
    objective: Objective | None = None, lambda_target: float = 0.0,
) -> Trainer:  # fmt: skip
    """The trainer of a pretrain, adapt or refine job; the model must be on the compute's device."""
    settings, model_settings = job.config["training"], job.config["model"]
    groups = parameter_groups(model, settings["head_factor"])
    optimiser = RepeatedSGD(groups, settings["momentum"], settings["weight_decay"], job.config["repeated_updates"])
    loop_keys = ("steps", "horizon", "learning_rate", "power", "auxiliary_weight")
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
        target=None if objective is None else _batch_source(job, "target", compute),
        objective=objective,
        batch_norm=BatchNormPolicy(**model_settings["batch_norm"]),
        input_convention=model_settings["input"],
        compute=compute,
        store=StateStore(scratch),
    )


def _batch_source(job: Job, domain: str, compute: Compute) -> BatchSource:
    cache = PackedCache(Path(job.inputs[domain]))
    if domain == "source" and cache.class_set != job.config["model"]["classes"]:
        raise UserError(
            f"{job.inputs[domain]} holds labels of {cache.class_set}, the model has {job.config['model']['classes']}; "
            "delete the cache's folder and run again"
        )
    settings = job.config["training"]
    augmentation = Augmentation(**{key: settings[key] for key in ("mirror", "blur", "colour", "zoom")})
    return BatchSource(
        cache, domain, job.config["seed"], settings["batch_size"], augmentation,
        with_labels=domain == "source", pin_memory=compute.device.type == "cuda",
    )  # fmt: skip

"""Puts a job's method together: a target loss, adversarial training, or both, with or without guidance."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from segadapt.core.chosen import Chosen, class_name
from segadapt.core.parameters import BatchNormPolicy
from segadapt.losses import ImageWeight
from segadapt.methods.method import Method
from segadapt.methods.settings import Settings
from segadapt.models import Network

TARGET_LOSS = Chosen("method.target_loss", "segadapt.methods.{}")
ADVERSARIAL = Chosen("method.adversarial.name", "segadapt.methods.adversarial.{}")
GUIDANCE = Chosen("method.guidance", "segadapt.methods.multi_level")


def build_method(config: Mapping[str, Any], model: nn.Module, initial: Callable[[], Network] | None = None) -> Method:
    """The method of a job's configuration, for the network that it will train; source images alone if it has none.

    ``initial``: see :class:`Settings`.
    UserError if ``target_loss`` names no file of ``segadapt/methods``.
    """
    entry = config.get("method") or {}
    loss, adversarial = entry.get("target_loss"), entry.get("adversarial")
    method = Method if loss is None else getattr(TARGET_LOSS.load(loss), class_name(loss))
    options = None if loss is None else getattr(TARGET_LOSS.load(loss), "Options", None)
    made = method(replace(_settings(config, options), initial=initial), model)
    if adversarial is None:
        return made
    name, beside = adversarial["name"], None if loss is None else made
    return getattr(ADVERSARIAL.load(name), class_name(name))(_settings(config, None), model, beside)


def _settings(config: Mapping[str, Any], options: type | None) -> Settings:
    entry, protocol = config.get("method") or {}, config.get("protocol") or {}
    weight, guidance = entry.get("image_weight"), entry.get("guidance")
    training = config["training"]
    return Settings(
        lambda_target=entry.get("lambda_target", 0.0),
        protocol=protocol,
        options=options and options(**entry["options"]),
        image_weight=weight
        and ImageWeight(weight["alpha"], protocol["image_weight_index"], protocol["image_weight_half"]),
        guidance=guidance and GUIDANCE.load(guidance).guidance_of(guidance, protocol),
        adversarial=entry.get("adversarial"),
        **{key: training[key] for key in ("auxiliary_weight", "accumulate", "joint_batch")},
        batch_norm=BatchNormPolicy(**config.get("model", {}).get("batch_norm", {})),
        seed=config["seed"],
    )

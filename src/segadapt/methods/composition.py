"""Puts an entry of ``params.yaml`` together: a target loss, with or without guidance."""

from typing import Any

from segadapt.core.chosen import Chosen
from segadapt.core.errors import UserError
from segadapt.losses import ImageWeight
from segadapt.methods import Objective

TARGET_LOSS = Chosen("method.target_loss", "segadapt.methods.{}")
GUIDANCE = Chosen("method.guidance", "segadapt.methods.multi_level")


def build_objective(method: dict[str, Any], protocol: dict[str, Any]) -> Objective | None:
    """The objective of a method entry; None for a method that sees no target image.

    UserError if ``target_loss`` names no file of ``segadapt/methods``.
    """
    name = method["target_loss"]
    if name is None:
        return None
    objective = TARGET_LOSS.load(name).build(method, protocol)
    if method["guidance"] is None:
        return objective
    return GUIDANCE.load(method["guidance"]).with_guidance(objective, method, protocol)


def image_weight(method: dict[str, Any], protocol: dict[str, Any]) -> ImageWeight | None:
    """The image-wise weighting of a method entry under a protocol, or None."""
    settings = method["image_weight"]
    if settings is None:
        return None
    return ImageWeight(settings["alpha"], protocol["image_weight_index"], protocol["image_weight_half"])


def own_options(method: dict[str, Any], **defaults: float) -> dict[str, float]:
    """The entry's ``options`` over a method's defaults; UserError for one that the method doesn't have."""
    for name in method["options"]:
        if name not in defaults:
            known = ", ".join(defaults)
            raise UserError(f"methods: target_loss {method['target_loss']} has no option '{name}'; it has {known}")
    return defaults | method["options"]

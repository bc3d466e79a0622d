"""Networks that no job could build or train: refused when the plan is made, by what params.yaml says alone."""

from collections.abc import Iterable

from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.core.parameters import ModelSettings, width_height
from segadapt.core.workload import SMALLEST_SIDE
from segadapt.models.backbones import WideBackbone, find_backbone


def has_branches(model: ModelSettings, where: str) -> bool:
    """Whether the network's heads are sums of branches; UserError, with the key ``where``, for an unknown backbone."""
    try:
        return not isinstance(find_backbone(model.backbone), WideBackbone)
    except UserError as error:
        raise UserError(f"params.yaml: {where}.backbone: {error}") from error


def check_classifier(model: ModelSettings, where: str) -> None:
    """UserError for a backbone of which there is no image classifier."""
    if not has_branches(model, where):
        raise UserError(f"params.yaml: {where}.backbone: {model.backbone} has no classifier; name a plain ResNet")


def check_discriminators(jobs: Iterable[Job], sizes: dict[str, str], preset: str) -> None:
    """UserError for a method whose discriminators would be given maps that are too small.

    ``sizes``: of the images in every cache, by the cache's manifest.
    """
    for job in jobs:
        game = job.config.get("method", {}).get("adversarial")
        if game is None or game["game"] == "dann":
            continue
        for role in ("source", "target"):
            size = job.config["training"]["crop"] or sizes[job.inputs[role]]
            if min(width_height(size)) < SMALLEST_SIDE:
                raise UserError(
                    f"params.yaml: presets.{preset}: {job.name} trains discriminators on {role} images of {size}; they "
                    f"need at least {SMALLEST_SIDE} pixels each way: choose a larger cache or crop"
                )

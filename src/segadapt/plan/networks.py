"""Networks that no job could build or train: refused when the plan is made, by what params.yaml says alone."""

from collections.abc import Iterable, Iterator
from typing import Any

from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.core.parameters import in_file, width_height
from segadapt.core.workload import SMALLEST_SIDE
from segadapt.models.backbones import NETWORK
from segadapt.plan.code import ROOT, constant_of, functions_of


def file_of(backbone: str, where: str) -> str:
    """The module that builds the network; UserError, with the key ``where`` of its section, for an unknown backbone."""
    try:
        (module,) = NETWORK.modules({"model": {"backbone": backbone}}, ROOT)
    except UserError as error:
        raise UserError(f"{in_file(where)}.backbone: {error}") from error
    return module


def has_switch(backbone: str, switch: str, where: str) -> bool:
    """Whether the network goes by that switch of an architecture (``segadapt.models.backbones``)."""
    return switch in constant_of(file_of(backbone, where), "SWITCHES")


def encoder_of(backbone: str) -> str:
    """The backbone whose weights a network starts from: its own, or another one with the same encoder."""
    try:
        other = constant_of(file_of(backbone, "model"), "BACKBONES")[backbone]
    except ValueError:  # sizes that are more than plain values
        return backbone
    return other if isinstance(other, str) else backbone


def feature_cell(backbone: str) -> int | None:
    """Pixels each way of an image that a cell of the network's features has; None for a network that gives none."""
    try:
        return constant_of(file_of(backbone, "model"), "FEATURE_CELL")
    except KeyError:
        return None


def check_classifier(backbone: str, where: str) -> None:
    """UserError for a backbone of which there is no image classifier."""
    if "classification" not in functions_of(file_of(backbone, where)):
        raise UserError(f"{in_file(where)}.backbone: {backbone} has no classifier; name a plain ResNet")


def check_heads(jobs: Iterable[Job], preset: str) -> None:
    """UserError for a job of an auxiliary head that its network does not have."""
    where = f"presets.{preset}"
    for job in jobs:
        backbone = job.config.get("model", {}).get("backbone")
        if job.config.get("auxiliary") and not has_switch(backbone, "auxiliary", where):
            raise UserError(
                f"presets/{preset}.yaml: {job.name} needs an auxiliary head, and {backbone} has none; leave out "
                "methods with guidance, adversarial.lambda_low or auxiliary, or name another backbone"
            )


def check_sides(jobs: Iterable[Job], sizes: dict[str, str], preset: str) -> None:
    """UserError for images that are too small for their network, or cannot be divided into what it works on.

    ``sizes``: of the images in every cache, by the cache's manifest.
    """
    for job, backbone, module in _with_networks(jobs, preset):
        multiple = _constant(module, "SIDES", {}).get(backbone, 1)
        least = _constant(module, "LEAST_SIZES", {}).get(backbone, (1, 1))[::-1]
        crop = (job.config.get("training") or {}).get("crop")
        for role in ("source", "target", "labelled"):
            size = next((crop or sizes[each.path] for each in job.read(role)), None)
            if size is not None and any(side % multiple for side in width_height(size)):
                raise UserError(
                    f"presets/{preset}.yaml: {job.name} gives {backbone} {role} images of {size}, whose sides must be "
                    f"multiples of {multiple}: choose another cache or crop"
                )
            if size is not None and any(side < want for side, want in zip(width_height(size), least, strict=True)):
                raise UserError(
                    f"presets/{preset}.yaml: {job.name} gives {backbone} {role} images of {size}, and it needs "
                    f"{least[0]}x{least[1]} at least: choose a larger cache or crop"
                )


def check_tokens(jobs: Iterable[Job], preset: str) -> None:
    """UserError for a method that hides tokens of a network that has none."""
    for job, backbone, module in _with_networks(jobs, preset):
        loss = (job.config.get("method") or {}).get("target_loss")
        hides = loss is not None and _constant(f"segadapt.methods.{loss}", "HIDES_TOKENS", False)
        if hides and not _constant(module, "HIDES_TOKENS", False):
            raise UserError(
                f"presets/{preset}.yaml: {job.name} hides tokens, and {backbone} has none; list it in a setting of "
                "a vision transformer, such as streets_vit"
            )


def check_discriminators(jobs: Iterable[Job], sizes: dict[str, str], preset: str) -> None:
    """UserError for a method whose discriminators would be given maps that are too small.

    ``sizes``: of the images in every cache, by the cache's manifest.
    """
    for job in jobs:
        adversarial = job.config.get("method", {}).get("adversarial")
        if adversarial is None or adversarial["name"] == "dann":
            continue
        for role in ("source", "target"):
            size = job.config["training"]["crop"] or sizes[job.input(role)]
            if min(width_height(size)) < SMALLEST_SIDE:
                raise UserError(
                    f"presets/{preset}.yaml: {job.name} trains discriminators on {role} images of {size}; they "
                    f"need at least {SMALLEST_SIDE} pixels each way: choose a larger cache or crop"
                )


def _with_networks(jobs: Iterable[Job], preset: str) -> Iterator[tuple[Job, str, str]]:
    """The jobs that have a network, its backbone, and the module that builds it."""
    for job in jobs:
        backbone = job.config.get("model", {}).get("backbone")
        if backbone is not None:
            yield job, backbone, file_of(backbone, f"presets.{preset}")


def _constant(module: str, name: str, default: Any) -> Any:
    """What a module's text says under that name; ``default`` if it says nothing."""
    try:
        return constant_of(module, name)
    except KeyError:
        return default

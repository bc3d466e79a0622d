"""The passes through networks that a job is made of: over which images, how often, with or without a backward."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json
from segadapt.core.errors import UserError
from segadapt.core.files import require_regular
from segadapt.core.job import Job
from segadapt.core.parameters import width_height
from segadapt.core.stages import EVALUATE, PSEUDO_LABEL, STAGES
from segadapt.core.workload import DiscriminatorPass, NetworkPass, Pass
from segadapt.labels import CLASS_SETS
from segadapt.plan.methods import needs_features, target_passes
from segadapt.plan.plan import Plan

TRAINING = tuple(stage.name for stage in STAGES.values() if stage.trains)
SCORING = tuple(stage.name for stage in STAGES.values() if stage.scores)
"""Stages that pass images through a network; all others cost the processor's time alone."""
_LONGEST_HEADER = 100_000_000


def passes(job: Job, plan: Plan) -> Counter[Pass]:
    """How often the job does each pass; of stages that run no network, none."""
    if job.stage in TRAINING:
        one_step = _step(job, plan)
        return Counter({each: times * job.config["training"]["steps"] for each, times in one_step.items()})
    if job.stage == EVALUATE:
        return _evaluation(job, plan)
    if job.stage == PSEUDO_LABEL:
        images = image_count(job, "target", plan) or 0
        each = replace(_network(job, plan, None), size=_cache_size(job, "target", plan))
        # The second look at an image, for the pixels above the thresholds, is at logits that were kept.
        return Counter({each: images * (2 if job.config["flip"] else 1)})
    return Counter()


def step_images(job: Job, plan: Plan) -> str:
    """What a training step looks at: ``"1280x720 + 1024x512"``, ``"2 of 192x108"``."""
    sizes = [f"{width}x{height}" for width, height in (_seen_size(job, role, plan) for role in _domains(job))]
    batch_size = job.config["training"]["batch_size"]
    return " + ".join(size if batch_size == 1 else f"{batch_size} of {size}" for size in sizes)


def image_count(job: Job, role: str, plan: Plan) -> int | None:
    """How many images a job's cache holds: as packed, else as its authors ship the split; None if neither says."""
    prepare = plan.by_output[job.input(role)]
    manifest = Path(prepare.outputs["manifest"])
    packed = _packed_count(manifest, manifest.stat().st_mtime_ns) if manifest.is_file() else None
    return prepare.config["count"] if packed is None else packed


@cache
def _packed_count(manifest: Path, changed: int) -> int | None:
    """How many records a manifest lists, read once as long as it was ``changed`` at the same time; None if it is none.

    A large data set's is megabytes.
    """
    try:
        return len(read_json(manifest)["records"])
    except (UserError, KeyError, TypeError):
        return None


def unknown_caches(job: Job, plan: Plan) -> set[str]:
    """Names of the prepare jobs whose caches the job passes over as a whole and whose images are not counted yet."""
    roles = {EVALUATE: ("labelled",), PSEUDO_LABEL: ("target",)}.get(job.stage, ())
    return {plan.by_output[job.input(role)].name for role in roles if image_count(job, role, plan) is None}


def _domains(job: Job) -> list[str]:
    return [role for role in ("source", "target") if job.read(role)]


def _step(job: Job, plan: Plan) -> Counter[Pass]:
    """As ``segadapt.training.trainer`` does it: the source's images, the target's passes, the discriminators."""
    config, found = job.config, Counter()
    method, batch_size = config.get("method"), config["training"]["batch_size"]
    adversarial = None if method is None else method["adversarial"]
    source = replace(
        _network(job, plan, config["model"]["batch_norm"]), learns=True, batch_size=batch_size,
        size=_seen_size(job, "source", plan),
    )  # fmt: skip
    if method is None or (method["target_loss"] is None and adversarial is None):
        return Counter([source])
    # Of a method that sees no target image, what it passes besides is of the source's.
    size = _seen_size(job, "target" if job.read("target") else "source", plan)
    if config["training"]["joint_batch"]:
        return Counter([replace(source, batch_size=2 * batch_size)])
    # With nothing to learn from them, target images are passed forward alone.
    learns = method["lambda_target"] > 0 or adversarial is not None
    kinds = target_passes(method["target_loss"])
    found.update([source, *(replace(source, size=size, learns=learns and kind == "learns") for kind in kinds)])
    if needs_features(method["target_loss"], method["options"]):
        found[replace(source, learns=False)] += 1
    for head in ("final", "low") if adversarial else ():
        if adversarial[f"lambda_{head}"] > 0:
            judge = DiscriminatorPass(source.num_classes, adversarial["width"], size, batch_size)
            found.update([judge, replace(judge, learns=True), replace(judge, learns=True, size=source.size)])
    return found


def _evaluation(job: Job, plan: Plan) -> Counter[Pass]:
    config, found = job.config, Counter()
    snapshots, labelled = len(job.snapshots), image_count(job, "labelled", plan) or 0
    crop, one = config.get("crop"), _network(job, plan, None)
    size = width_height(crop) if crop else _cache_size(job, "labelled", plan)
    straight_and_mirrored = 2 if config["test_time"]["flip"] else 1
    for auxiliary in config.get("auxiliary_of_members", [config["auxiliary"]]):
        member = replace(one, auxiliary=auxiliary)
        found[replace(member, size=size)] += labelled * (straight_and_mirrored + snapshots)
        if job.read("target"):
            images = min(config["label_free_images"], image_count(job, "target", plan) or config["label_free_images"])
            found[replace(member, size=_cache_size(job, "target", plan))] += images * (1 + snapshots)
    return found


def _network(job: Job, plan: Plan, batch_norm: dict[str, bool] | None) -> NetworkPass:
    """One image of a size that is still to be said; evaluated if no ``batch_norm`` of training is given."""
    config = job.config
    classes = CLASS_SETS[config["model"]["classes"]]
    affine = ("train_affine", "train_stem_affine")
    switches = {} if batch_norm is None else {key: batch_norm[key] for key in ("batch_statistics", *affine)}
    return NetworkPass(
        config["model"]["backbone"], len(classes), (0, 0), task=classes.task, bottleneck=config["model"]["bottleneck"],
        bf16=config["precision"]["bf16"], aspp_branches=config["aspp_branches"], auxiliary=config["auxiliary"],
        stride_placement=_stride_placement(job, plan), **switches,
    )  # fmt: skip


def _cache_size(job: Job, role: str, plan: Plan) -> tuple[int, int]:
    return width_height(plan.by_output[job.input(role)].config["size"])


def _seen_size(job: Job, role: str, plan: Plan) -> tuple[int, int]:
    crop = job.config["training"]["crop"]
    return _cache_size(job, role, plan) if crop is None else width_height(crop)


def _stride_placement(job: Job, plan: Plan) -> str | None:
    """What the initial weights say of their strides, up the chain of models; None if they are not here."""
    while not job.read("initial_weights"):
        if not (before := job.read("model")):
            return None
        job = plan.by_output[before[0].path]
    return said_architecture(job.input("initial_weights")).get("stride_placement")


def said_architecture(path: str) -> dict[str, Any]:
    """What the header of a file of weights says of its network, its tensors unread; {} for one that says nothing."""
    try:
        require_regular(Path(path), "weights")
        with Path(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            # Foreign files begin otherwise, and would be read as a whole.
            header: Any = json.loads(file.read(min(length, _LONGEST_HEADER)))
        said = json.loads(header["__metadata__"]["architecture"])
        return said if isinstance(said, dict) else {}
    except (OSError, ValueError, KeyError, TypeError):  # a UserError is a ValueError
        # What is wrong with the file is for the job that trains on it to say.
        return {}

"""From a job's configuration, or a file of weights, to a network: to train on, or to predict with."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.labels import CLASS_SETS
from segadapt.models.architecture import Architecture
from segadapt.models.backbones import NETWORK
from segadapt.models.compute import Compute
from segadapt.models.initialisation import initialise
from segadapt.models.input import to_input
from segadapt.models.network import Network
from segadapt.models.networks import build
from segadapt.models.weights import load_tensors, open_model

IMAGE_SIZE = "image_size"
"""Metadata key: the WIDTHxHEIGHT that a model was trained at, hence what photographs should be shrunk to."""

HeadsPredictor = Callable[[np.ndarray], tuple[Tensor, Tensor | None]]

# --- what training starts from --------------------------------------------------------------------


def starting_network(job: Job) -> Network:
    """The job's input ``model`` if it has one, else a network of the seed's initialisation, on the CPU.

    The input ``initial_weights``, if there, replaces the backbone of the latter. UserError if what a file holds
    contradicts the configuration.
    """
    if job.read("model"):
        return trained_network(Path(job.input("model")), job.config)
    weights = [Path(each.path) for each in job.read("initial_weights")]
    initial = initial_architecture(weights[0]) if weights else None
    model = initialise(network(job.config, initial), job.config["seed"], job.config["model"]["initialisation"])
    if weights:
        fraction = load_backbone(weights[0], model)
        print(f"initial weights: {fraction:.1%} of all tensors loaded, the heads start anew", file=sys.stderr)
    return model


def initial_network(job: Job) -> Network:
    """The job's network with the weights of its input ``initial_weights``, to look at: evaluated, never trained."""
    path = Path(job.input("initial_weights"))
    model = network(job.config, initial_architecture(path))
    load_backbone(path, model)
    return model.requires_grad_(False).eval()


def network(config: dict[str, Any], initial: Architecture | None = None) -> Network:
    """The network that a card's configuration describes, with torch's default weights.

    ``initial`` is what the file of initial weights says of itself: strides and input follow it.
    """
    wanted = _wanted(config)
    if initial is not None:
        if encoder_of(wanted.backbone) == initial.backbone:
            initial = replace(initial, backbone=wanted.backbone)
        wanted = replace(wanted, stride_placement=initial.stride_placement, input=initial.input)
        _refuse_contradiction("the initial weights", initial, config, ("backbone",))
    return build(wanted)


def encoder_of(backbone: str) -> str:
    """The backbone whose weights a network starts from: its own, or another one with the same encoder."""
    other = NETWORK.load(backbone).BACKBONES[backbone]
    return other if isinstance(other, str) else backbone


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


# --- initial weights ------------------------------------------------------------------------------


def initial_architecture(path: Path) -> Architecture:
    """What the weight file says of its network: the one that trains on must have its strides and its input.

    UserError for a file that ``segadapt`` did not write, or that does not say.
    """
    return Architecture.from_metadata(load_tensors(path)[1], path)


def load_backbone(path: Path, model: Network) -> float:
    """Copies every backbone tensor of a weight file into ``model`` and returns the loaded fraction of its tensors.

    Heads in the file are passed over by name, for their classes are other ones. UserError, with the model
    unchanged, if any backbone tensor is missing, foreign or of another shape: when initial weights silently
    fail to load, source-only results drop to the twenties (AdaptSegNet issue 81).
    """
    tensors, _ = load_tensors(path)
    own = model.state_dict()
    wanted = {name for name in own if not model.is_of_head(name)}
    given = {name for name in tensors if not model.is_of_head(name)}
    # Files saved before PyTorch 0.4.1 have no such counters.
    missing = {name for name in wanted - given if not name.endswith("num_batches_tracked")}
    misfits = sorted(name for name in wanted & given if own[name].shape != tensors[name].shape)
    if missing or given - wanted or misfits:
        raise UserError(
            f"{path} does not fit the backbone: missing {sorted(missing)[:3]}, foreign {sorted(given - wanted)[:3]}, "
            f"of another shape {misfits[:3]}; choose weights of the backbone in the preset"
        )
    model.load_state_dict({name: tensors[name] for name in wanted & given}, strict=False)
    return len(wanted & given) / len(own)


# --- prediction -----------------------------------------------------------------------------------


def heads_predictor(model: Network, compute: Compute) -> HeadsPredictor:
    """A function from image_HWC (uint8 RGB at network size) to both heads' logits_1CHW, in evaluation mode.

    The low head's are None if the model has no auxiliary head; the image is fed as the model's own input convention
    says.
    """
    convention = model.architecture.input
    model = compute.place(model).eval()

    @torch.inference_mode()
    def predict(image_HWC: np.ndarray) -> tuple[Tensor, Tensor | None]:
        image_BHWC = torch.from_numpy(np.array(image_HWC))[None]
        with compute.autocast():
            return model.whole(compute.layout(to_input(image_BHWC, convention, compute.device)))[:2]

    return predict


def final_predictor(model: Network, compute: Compute) -> Callable[[np.ndarray], Tensor]:
    """:func:`heads_predictor` of the final head alone."""
    predict = heads_predictor(model, compute)
    return lambda image_HWC: predict(image_HWC)[0]


def predictor(weights: Path, config: dict[str, Any], compute: Compute) -> Callable[[np.ndarray], Tensor]:
    """:func:`final_predictor` of a file of weights; UserError if the configuration says otherwise than the file."""
    return final_predictor(trained_network(weights, config), compute)

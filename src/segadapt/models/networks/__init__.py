"""From an architecture to a network; one file a network, found by the backbones that it names."""

import torch

from segadapt.core.errors import UserError
from segadapt.models.architecture import FIRST_1X1, Architecture
from segadapt.models.backbones import NETWORK
from segadapt.models.initialisation import initialise
from segadapt.models.network import Network


def outline(architecture: Architecture) -> Network:
    """The network without memory (on torch's device ``meta``): names, shapes and types. UserError without a head."""
    if architecture.num_classes is None:
        raise UserError("num_classes is None; a network needs a whole number of at least 2 classes")
    build_one = getattr(NETWORK.load(architecture.backbone), architecture.task, None)
    if build_one is None:
        raise UserError(f"backbone {architecture.backbone!r} has no classifier; use a plain ResNet")
    with torch.device("meta"):
        model = build_one(architecture)
    model.architecture = architecture
    return model


def allocate(model: Network) -> Network:
    """Gives an :func:`outline` memory on the CPU, its content undefined, and returns it."""
    # ``to_empty`` does the same, but makes torch import its symbolic algebra: seconds a job.
    empty = {name: torch.empty(tensor.shape, dtype=tensor.dtype) for name, tensor in model.state_dict().items()}
    model.load_state_dict(empty, assign=True)
    return model


def build(architecture: Architecture) -> Network:
    """The network on the CPU in float32, initialised by ``initialise(model, seed=0, scheme="released")``."""
    return initialise(allocate(outline(architecture)), seed=0, scheme="released")


def deeplabv2(
    backbone: str = "resnet101",
    num_classes: int = 19,
    aspp_branches: int = 2,
    auxiliary: bool = True,
    stride_placement: str = FIRST_1X1,
    input_convention: str = "caffe",
) -> Network:
    """DeepLab-v2 on the CPU in float32, initialised by ``initialise(model, seed=0, scheme="released")``.

    ``backbone`` is a name in the ``BACKBONES`` of a network's file. ``aspp_branches`` is 2 (released code of
    MaxSquareLoss and AdaptSegNet) or 4 (the paper, ADVENT): how many of the four dilations 6, 12, 18, 24 each head
    sums. ``auxiliary`` adds a head on layer3's output, which the multi-level methods need. ``stride_placement`` is
    ``"first_1x1"`` (the released code) or ``"3x3"`` (for torchvision's weights). ``input_convention`` is only noted,
    for whoever feeds it.

    ``model(image_BCHW)`` returns ``(logits_final_BCHW, logits_low_BCHW)`` at network resolution: (H/8 + 1, W/8 + 1)
    for H and W divisible by 8, because the pooling rounds up; ``logits_low_BCHW`` is None without the auxiliary head.
    On a wide backbone it is a :class:`WideResNet`, which has neither branches nor a choice of strides, and maps of
    (ceil(H/8), ceil(W/8)).
    Nothing here reads or moves torch's global random state. UserError on an impossible argument.
    """
    return build(Architecture(backbone, num_classes, aspp_branches, auxiliary, stride_placement, input_convention))

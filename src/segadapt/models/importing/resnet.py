"""ResNets, with DeepLab-v2's heads or none.

Facts: ZJULearning/MaxSquareLoss ``tools/train_source.py`` (checkpoints; the init file's skipped ``Scale.layer5``),
wasidennis/AdaptSegNet ``model/deeplab.py`` (single-level oracle) and ``model/deeplab_multi.py``, valeoai/ADVENT
``advent/model/deeplabv2.py`` (all four branches), yzou2/CRST ``deeplab/model.py`` (one head, all four branches) and
``deeplab/datasets.py`` (RGB), torchvision ``models/resnet.py`` (stride in the 3x3, RGB).
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.models.architecture import THE_3X3
from segadapt.models.importing.family import Family, Kind
from segadapt.models.initialisation import RELEASED_STD
from segadapt.models.networks.deeplab import BACKBONES, Backbone

_CLASSIFIER = (("fc.", "the classifier of ImageNet's 1000 classes"),)

KINDS = {
    "maxsquare": Kind("MaxSquareLoss, a training checkpoint or flat", "caffe", aspp_branches=2),
    "adaptsegnet": Kind("AdaptSegNet or MaxSquareLoss, a flat file", "caffe", aspp_branches=2),
    "adaptsegnet_single": Kind(
        "AdaptSegNet, one head on layer4 that is named layer5", "caffe", aspp_branches=2,
        renamed=(("layer5.", "layer6."),),
    ),
    "crst": Kind(
        "CRST, one head on layer4 that is named layer5 (sums all four branches)", "imagenet", aspp_branches=4,
        renamed=(("layer5.", "layer6."),),
    ),
    "advent": Kind("ADVENT (sums all four branches)", "caffe", aspp_branches=4),
    "deeplab_init": Kind(
        "initial DeepLab weights of AdaptSegNet and MaxSquareLoss", "caffe", prefix="Scale.",
        skipped=(("layer5.", "the 2048-channel head of another network, which shares a name with the auxiliary head"),),
    ),
    "torchvision": Kind("torchvision ResNet, ImageNet", "imagenet", THE_3X3, skipped=_CLASSIFIER),
    "caffe": Kind("Caffe-style ResNet under torchvision's names, ImageNet", "caffe_vgg", skipped=_CLASSIFIER),
}  # fmt: skip


def _kind_of_resnet(path: object, tensors: Mapping[str, Tensor], is_maxsquare: bool) -> str:
    if any(key.startswith("Scale.") for key in tensors):
        return "deeplab_init"
    heads = {key.split(".")[0] for key in tensors} & {"layer5", "layer6"}
    if heads == {"layer5"} and _head_inputs(tensors, "layer5") == _channels(tensors, "layer4"):
        return (
            "adaptsegnet_single" if unused_branches(tensors) else _branches_unknown(path, SINGLE, _input_hint(tensors))
        )
    if "layer6" in heads:
        two = "maxsquare" if is_maxsquare else "adaptsegnet"
        return two if unused_branches(tensors) else _branches_unknown(path, DOUBLE)
    if heads:
        raise UserError(f"{path}: its only head, layer5, does not fit layer4; say which file this is with --kind")
    if not any(key.startswith("layer1.") for key in tensors):
        raise UserError(
            f"{path} is no network that segadapt knows: a ResNet has a layer1, and its first key is "
            f"{min(tensors)}; use weights of a ResNet (docs/weights.md)"
        )
    raise UserError(
        f"{path} is a ResNet without heads, and neither its stride placement nor its input can be read from it"
        f"{_input_hint(tensors)}; add --kind torchvision (stride in the 3x3, RGB mean/std) or --kind caffe "
        "(stride in the first 1x1, BGR minus mean)"
    )


SINGLE = "--kind crst (4), or --kind adaptsegnet_single (2)"
DOUBLE = "--kind advent (4), or --kind maxsquare or --kind adaptsegnet (2)"


def _branches_unknown(path: object, kinds: str, hint: str = "") -> str:
    raise UserError(
        f"{path} has a head whose four branches all look trained, so the file cannot tell whether 2 or 4 are "
        f"summed{hint}; add {kinds}"
    )


def unused_branches(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the branches of dilation 18 and 24, in every head, still look like the first draw from N(0, 0.01²).

    A branch that is left out of the sum gets no gradient and no weight decay, so its mean, spread and kurtosis stay
    within the scatter of so many draws (five standard errors are allowed).
    """
    names = [f"{head}.conv2d_list.{branch}.weight" for head in ("layer5", "layer6") for branch in (2, 3)]
    found = [tensors[name] for name in names if name in tensors]
    return bool(found) and all(map(_is_first_draw, found))


def _is_first_draw(weight: Tensor) -> bool:
    draws = weight.double().flatten() / RELEASED_STD
    centred, error = draws - draws.mean(), draws.numel() ** -0.5
    spread = centred.pow(2).mean().sqrt()
    kurtosis = centred.pow(4).mean() / spread.pow(4)
    deviations = (draws.mean(), (spread - 1) * 2**0.5, (kurtosis - 3) / 24**0.5)
    return all(abs(each.item()) < 5 * error for each in deviations)


def _head_inputs(tensors: Mapping[str, Tensor], head: str) -> int | None:
    weight = tensors.get(f"{head}.conv2d_list.0.weight")
    return None if weight is None or weight.ndim != 4 else weight.shape[1]


def _channels(tensors: Mapping[str, Tensor], layer: str) -> int | None:
    weight = tensors.get(f"{layer}.0.conv3.weight")
    return None if weight is None else weight.shape[0]


def _input_hint(tensors: Mapping[str, Tensor]) -> str:
    variance = tensors.get("bn1.running_var")
    if variance is None or not variance.numel():
        return ""
    median = variance.double().median().item()
    family = "images of 0..255, as Caffe's do" if median > 50 else "normalised images, as torchvision's do"
    return f" (the stem's median variance {median:.3g} looks like {family})"


def _describe_resnet(path: object, tensors: Mapping[str, Tensor], kind: Kind) -> dict[str, Any]:
    if kind.aspp_branches == 4 and unused_branches(tensors):
        raise UserError(
            f"{path}: the branches of dilation 18 and 24 were never trained, so summing all four would add noise; "
            f"use {'--kind adaptsegnet_single' if kind.renamed else '--kind maxsquare or --kind adaptsegnet'}, "
            "where two are summed"
        )
    head = tensors.get("layer6.conv2d_list.0.weight")
    if (head is None) != (kind.aspp_branches is None):
        raise UserError(
            f"{path} has {'no' if head is None else 'a'} segmentation head, unlike {kind.title}; try another --kind"
        )
    return {
        "backbone": _resnet(path, tensors),
        "num_classes": None if head is None else head.shape[0],
        "aspp_branches": kind.aspp_branches or 2,
        "auxiliary": any(name.startswith("layer5.") for name in tensors),
        "stride_placement": kind.stride_placement,
    }


def _resnet(path: object, tensors: Mapping[str, Tensor]) -> str:
    """By the number of blocks in each layer and the stem's channels."""
    numbers = [re.match(r"layer([1-4])\.(\d+)\.", name) for name in tensors]
    blocks = {(int(each[1]), int(each[2])) for each in numbers if each}
    counts = tuple(sum(layer == each for layer, _ in blocks) for each in (1, 2, 3, 4))
    stem = tensors.get("conv1.weight")
    width = 0 if stem is None or stem.ndim != 4 else stem.shape[0]
    names = [name for name, each in BACKBONES.items() if each == Backbone(counts, width)]
    if not names:
        raise UserError(
            f"{path} is no network that segadapt knows: its layers have {counts} blocks and its stem {width} "
            f"channels; known are {', '.join(f'{name} {each.blocks}' for name, each in BACKBONES.items())}"
        )
    return names[0]


FAMILY = Family(
    ("layer1.0.conv1.weight", "layer1.0.bn1.weight", "layer4.0.conv1.weight"), _kind_of_resnet, _describe_resnet
)

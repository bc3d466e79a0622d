"""SegFormer's encoders, what DAFormer, HRDA and MIC train on them, and their DeepLab-v2.

Facts: NVlabs/SegFormer at 65fa8cf (``mit_b*.pth``: a flat dictionary with ImageNet's classifier), lhoyer/DAFormer at
e6f6e04, lhoyer/HRDA at c370b5b, lhoyer/MIC at 2f932a9 ``mmseg/models/uda/dacs.py`` (checkpoints of mmcv: the network,
its teacher and the frozen encoder of the feature distance beside it, an optimiser).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.models.importing.family import Family, Kind
from segadapt.models.networks import hrda, mit, resnet_v1c

_CLASSIFIER = "the classifier of ImageNet's 1000 classes"
KINDS = {
    "mit": Kind(
        "SegFormer's encoder (mit_b*.pth), ImageNet", "imagenet", renamed=(("", "backbone."),), family="mit",
        skipped=(("head.weight", _CLASSIFIER), ("head.bias", _CLASSIFIER)),
    ),
    "daformer": Kind("DAFormer, or MIC on it", "imagenet", family="daformer", image_size="1024x512"),
    "hrda": Kind("HRDA, or MIC on it", "imagenet", family="hrda", image_size="2048x1024"),
    "daformer_dlv2": Kind(
        "DeepLab-v2 of DAFormer's and MIC's code", "imagenet", family="daformer_dlv2", image_size="1024x512"
    ),
}  # fmt: skip
STAGES = (1, 2, 3, 4)


def _describe(path: object, tensors: Mapping[str, Tensor], kind: Kind) -> dict[str, Any]:
    head = "decode_head.head" if kind.family == "hrda" else "decode_head"
    classes = tensors.get(f"{head}.conv_seg.weight")
    encoder = _encoder(path, tensors)
    names = {of: name for name, of in hrda.BACKBONES.items()} if kind.family == "hrda" else {encoder: encoder}
    if encoder not in names:
        raise UserError(f"{path} has HRDA on {encoder}, and segadapt knows it on {', '.join(names)}; use such a file")
    return {
        "backbone": names[encoder],
        "num_classes": None if classes is None else len(classes),
        "auxiliary": False,
    }


def _encoder(path: object, tensors: Mapping[str, Tensor]) -> str:
    """By the channels and the number of blocks of the four stages."""
    weights = [tensors.get(f"backbone.patch_embed{stage}.proj.weight") for stage in STAGES]
    widths = tuple(0 if weight is None else len(weight) for weight in weights)
    numbers = [re.match(r"backbone\.block([1-4])\.(\d+)\.", name) for name in tensors]
    blocks = {(int(each[1]), int(each[2])) for each in numbers if each}
    depths = tuple(max((block + 1 for of, block in blocks if of == stage), default=0) for stage in STAGES)
    names = [name for name, each in mit.BACKBONES.items() if (each.widths, each.depths) == (widths, depths)]
    if not names:
        raise UserError(
            f"{path} is no network that segadapt knows: a Mix Transformer of {widths} channels and {depths} blocks; "
            f"known are {', '.join(mit.BACKBONES)}"
        )
    return names[0]


def _describe_dlv2(path: object, tensors: Mapping[str, Tensor], kind: Kind) -> dict[str, Any]:
    """By the number of blocks in each layer and the stem's last channels."""
    numbers = [re.match(r"backbone\.layer([1-4])\.(\d+)\.", name) for name in tensors]
    blocks = {(int(each[1]), int(each[2])) for each in numbers if each}
    counts = tuple(max((block + 1 for of, block in blocks if of == layer), default=0) for layer in STAGES)
    stem, classes = (tensors.get(name) for name in ("backbone.stem.6.weight", "decode_head.aspp_modules.0.conv.weight"))
    width = 0 if stem is None else len(stem)
    names = [name for name, each in resnet_v1c.BACKBONES.items() if (each.blocks, each.width) == (counts, width)]
    if not names:
        raise UserError(
            f"{path} is no network that segadapt knows: a ResNet, its deep stem of {width} channels, {counts} blocks; "
            f"known are {', '.join(f'{name} {each.blocks}' for name, each in resnet_v1c.BACKBONES.items())}"
        )
    return {"backbone": names[0], "num_classes": None if classes is None else len(classes), "auxiliary": False}


def _family(kind: str, sign: str, describe: Callable[..., dict[str, Any]] = _describe) -> Family:
    beside = {"ema_model.": "the teacher", "imnet_model.": "the encoder of the feature distance"}
    return Family(
        (sign,), lambda path, tensors, is_maxsquare: kind, describe, inner="backbone.", student="model.", beside=beside
    )


FAMILIES = {
    "mit": Family(("patch_embed1.proj.weight",), lambda path, tensors, is_maxsquare: "mit", _describe),
    "daformer": _family("daformer", "decode_head.fuse_layer.bottleneck.conv.weight"),
    "hrda": _family("hrda", "decode_head.head.fuse_layer.bottleneck.conv.weight"),
    "daformer_dlv2": _family("daformer_dlv2", "decode_head.aspp_modules.0.conv.weight", _describe_dlv2),
}

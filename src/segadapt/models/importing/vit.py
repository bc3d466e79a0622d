"""DINOv2's encoders and VFM-UDA's networks.

Facts: facebookresearch/dinov2 at b8931f7 (``dinov2_vit*14_pretrain.pth``: a flat dictionary), tue-mps/vfm-uda at
598fdbc ``training/uda_vit/uda_vit_generic.py`` (Lightning's checkpoints: the network, and its teacher beside it).
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.models.importing.family import Family, Kind
from segadapt.models.networks.vit import BACKBONES

KINDS = {
    "dinov2": Kind("DINOv2, an encoder", "imagenet", renamed=(("", "encoder."),), family="dinov2"),
    "vfm_uda": Kind(
        "VFM-UDA", "imagenet", skipped=(("token_masking.", "the encoder's mask token by another name"),),
        family="vfm_uda", image_size="2048x1024",
    ),
}  # fmt: skip


def _describe(path: object, tensors: Mapping[str, Tensor], kind: Kind) -> dict[str, Any]:
    out = tensors.get("out.weight")
    return {"backbone": _backbone(path, tensors), "num_classes": None if out is None else len(out), "auxiliary": False}


def _backbone(path: object, tensors: Mapping[str, Tensor]) -> str:
    """By the width, the number of blocks, the size of a patch and the number of registers."""

    def shape(name: str, place: int) -> int:
        tensor = tensors.get(f"encoder.{name}")
        return 0 if tensor is None or tensor.ndim <= place else tensor.shape[place]

    numbers = [re.match(r"encoder\.blocks\.(\d+)\.", name) for name in tensors]
    depth = max((int(each[1]) + 1 for each in numbers if each), default=0)
    told = (shape("cls_token", 2), depth, shape("patch_embed.proj.weight", 3), shape("register_tokens", 1))
    known = {name: (each.width, each.depth, each.patch, each.registers) for name, each in BACKBONES.items()}
    names = [name for name, each in known.items() if each == told]
    if not names:
        raise UserError(
            f"{path} is no network that segadapt knows: a vision transformer of {told[0]} channels, {depth} blocks, "
            f"patches of {told[2]} pixels and {told[3]} registers; known are {', '.join(known)}"
        )
    return names[0]


FAMILIES = {
    "dinov2": Family(("cls_token",), lambda path, tensors, is_maxsquare: "dinov2", _describe),
    "vfm_uda": Family(
        ("upscale.0.weight",), lambda path, tensors, is_maxsquare: "vfm_uda", _describe, inner="encoder.",
        student="network.", beside={"network_ema.": "the teacher", "network_feature_extractor.": "a frozen encoder"},
    ),
}  # fmt: skip

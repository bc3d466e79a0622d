"""VGG-16 as torchvision trained it on ImageNet, for Cross City's network.

Facts: torchvision ``models/vgg.py`` (RGB; ``vgg16-397923af.pth``, a flat dictionary). Its first fully connected layer
reads a map of 7x7, so that its weights are those of a 7x7 convolution, as Yu and Koltun's front end takes them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.models.importing.family import Family, Kind
from segadapt.models.networks.vgg import BACKBONES, DEPTHS

FC6_SIDE = 7


def _convolutions() -> Iterator[tuple[str, str]]:
    """Their names and ours; an activation stands after each, and a pooling after each block."""
    place = 0
    for block, depth in enumerate(DEPTHS, 1):
        for number in range(1, depth + 1):
            yield f"features.{place}.", f"conv{block}_{number}."
            place += 2
        place += 1


KINDS = {
    "torchvision_vgg": Kind(
        "torchvision VGG-16, ImageNet", "imagenet", family="vgg",
        skipped=(("classifier.6.", "the classifier of ImageNet's 1000 classes"),),
        renamed=(*_convolutions(), ("classifier.0.", "fc6."), ("classifier.3.", "fc7.")),
        convolved={"fc6.weight": FC6_SIDE, "fc7.weight": 1},
    ),
}  # fmt: skip


def _describe(path: object, tensors: Mapping[str, Tensor], kind: Kind) -> dict[str, Any]:
    """By the channels of the blocks and the width of what follows."""
    names = [f"conv{block}_1.weight" for block in range(1, len(DEPTHS) + 1)] + ["fc6.weight"]
    told = tuple(len(tensors[name]) if name in tensors else 0 for name in names)
    known = {name: (*each.channels, each.wide) for name, each in BACKBONES.items()}
    found = next((name for name, each in known.items() if each == told), None)
    if found is None:
        raise UserError(
            f"{path} is no VGG-16 that segadapt knows: blocks and wide layer of {told} channels; known are "
            f"{', '.join(f'{name} {each}' for name, each in known.items())}"
        )
    return {"backbone": found, "num_classes": None, "auxiliary": False}


FAMILIES = {"vgg": Family(("features.0.weight",), lambda path, tensors, is_maxsquare: "torchvision_vgg", _describe)}

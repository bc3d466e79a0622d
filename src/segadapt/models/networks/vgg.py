"""VGG-16 as Cross City runs it: dilated instead of pooled a fourth and fifth time, and a learned upsampling.

Facts: Chen et al., ICCV 2017, ``Adapt_Road_Scene``, after Yu and Koltun's front end (ICLR 2016). Its features, which
the method aligns, are those of the second wide layer after dropout, at an eighth of the image.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segadapt.models.architecture import Architecture
from segadapt.models.initialisation import Draws
from segadapt.models.network import Group, Network

DEPTHS = (2, 2, 3, 3, 3)
STRIDE, POOLED = 8, 3
"""Of the features, which come after so many of the five blocks are pooled."""


@dataclass(frozen=True)
class VggBackbone:
    """Channels of the five blocks and of the two wide layers, the first a 7x7 convolution dilated by ``dilation``."""

    channels: tuple[int, int, int, int, int] = (64, 128, 256, 512, 512)
    wide: int = 4096
    dilation: int = 4
    dropout: float = 0.5


BACKBONES = {
    "vgg16": VggBackbone(),
    # As thin as "streets"; undilated, for at 4 a 7x7 convolution is wider than maps of 16x32 are high.
    "streets_vgg": VggBackbone(channels=(8, 16, 32, 64, 64), wide=128, dilation=1),
}
SWITCHES = ()


class Vgg(Network):
    """``score`` is a 1x1 convolution to the classes, ``upscore`` a transposed one to the image's size."""

    heads = ("score", "upscore")

    def __init__(self, backbone: VggBackbone, num_classes: int) -> None:
        super().__init__()
        self.num_classes, before = num_classes, 3
        for block, (depth, channels) in enumerate(zip(DEPTHS, backbone.channels, strict=True), 1):
            spread = 2 if block == len(DEPTHS) else 1
            for number in range(1, depth + 1):
                layer = nn.Conv2d(before, channels, 3, padding=spread, dilation=spread)
                self.add_module(f"conv{block}_{number}", layer)
                before = channels
        reach = 3 * backbone.dilation
        self.fc6 = nn.Conv2d(before, backbone.wide, 7, padding=reach, dilation=backbone.dilation)
        self.fc7 = nn.Conv2d(backbone.wide, backbone.wide, 1)
        self.dropout = nn.Dropout(backbone.dropout)
        self.score = nn.Conv2d(backbone.wide, num_classes, 1)
        self.upscore = nn.ConvTranspose2d(num_classes, num_classes, 2 * STRIDE, STRIDE, STRIDE // 2, bias=False)

    def group_of(self, name: str) -> Group:
        """Biases apart from the weights beside them, without decay."""
        group = super().group_of(name)
        return group._replace(name=f"{group.name} biases", decays=False) if name.endswith(".bias") else group

    def start(self, name: str, parameter: Tensor, draws: Draws) -> bool:
        """The upsampling begins as a bilinear one of each class."""
        if name != "upscore.weight":
            return False
        ramp = 1 - (torch.arange(2 * STRIDE) - (STRIDE - 0.5)).abs() / STRIDE
        with torch.no_grad():
            parameter.zero_()
            parameter.diagonal().copy_((ramp[:, None] * ramp)[:, :, None].expand(-1, -1, self.num_classes))
        return True

    def forward(self, image_BCHW: Tensor) -> tuple[Tensor, None]:
        """Float images in the network's input convention to ``(logits_BCHW of the image's size, None)``."""
        features_BCHW = image_BCHW
        for block, depth in enumerate(DEPTHS, 1):
            for number in range(1, depth + 1):
                features_BCHW = getattr(self, f"conv{block}_{number}")(features_BCHW).relu()
            if block <= POOLED:
                features_BCHW = F.max_pool2d(features_BCHW, 2, ceil_mode=True)
        features_BCHW = self.dropout(self.fc6(features_BCHW).relu())
        features_BCHW = self.dropout(self.fc7(features_BCHW).relu())
        height, width = image_BCHW.shape[2:]
        return self.upscore(self.score(features_BCHW))[:, :, :height, :width], None


def segmentation(architecture: Architecture) -> Vgg:
    """VGG-16 with dilation."""
    return Vgg(BACKBONES[architecture.backbone], architecture.num_classes)

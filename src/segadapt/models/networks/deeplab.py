"""DeepLab-v2 as the domain adaptation papers run it: dilated ResNet, output stride 8, one or two ASPP heads.

Facts: ZJULearning/MaxSquareLoss ``graphs/models/deeplab_multi.py`` at 2fbc18f (structure, parameter names, two of
four branches), wasidennis/AdaptSegNet ``model/deeplab_multi.py``, valeoai/ADVENT ``advent/model/deeplabv2.py``
(four branches).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from segadapt.models.architecture import FIRST_1X1, THE_3X3, Architecture
from segadapt.models.network import Network

EXPANSION = 4
"""Channels that leave a bottleneck, over the channels of its 3x3 convolution (He et al. 2016)."""

ASPP_DILATIONS = (6, 12, 18, 24)
LAYER_STRIDES = (1, 2, 1, 1)
LAYER_DILATIONS = (1, 1, 2, 4)
RELEASED_BACKBONE = ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4.")


@dataclass(frozen=True)
class Backbone:
    """``blocks`` bottlenecks in layer1 to layer4; layer L works at ``width * 2**(L-1)`` channels inside its blocks.

    The stem has ``width`` channels, and layer L hands on ``4 * width * 2**(L-1)``.
    """

    blocks: tuple[int, int, int, int]
    width: int = 64

    def inner_channels(self, layer: int) -> int:
        """Channels of the 3x3 convolutions of ``layer`` (1 to 4)."""
        return self.width * 2 ** (layer - 1)

    def channels(self, layer: int) -> int:
        """Channels of the map that ``layer`` (1 to 4) hands on."""
        return EXPANSION * self.inner_channels(layer)


BACKBONES = {
    "resnet101": Backbone(blocks=(3, 4, 23, 3)),
    "resnet50": Backbone(blocks=(3, 4, 6, 3)),
    # For the built-in street scenes: every layer of the large nets, thin enough to learn on one CPU core in a minute.
    "streets": Backbone(blocks=(1, 1, 1, 1), width=8),
    "streets16": Backbone(blocks=(1, 1, 1, 1), width=16),
    # For small pictures of single things, the built-in digits among them.
    "digits": Backbone(blocks=(1, 1, 1, 1), width=8),
}
SWITCHES = ("aspp_branches", "stride_placement", "auxiliary")


class Bottleneck(nn.Module):
    """1x1, dilated 3x3, 1x1 with a shortcut; ``strides`` are those of the first 1x1 and of the 3x3."""

    def __init__(
        self, in_channels: int, inner_channels: int, strides: tuple[int, int], dilation: int, project: bool
    ) -> None:
        super().__init__()
        out_channels, stride = EXPANSION * inner_channels, max(strides)
        self.conv1 = nn.Conv2d(in_channels, inner_channels, 1, stride=strides[0], bias=False)
        self.bn1 = nn.BatchNorm2d(inner_channels)
        self.conv2 = nn.Conv2d(
            inner_channels, inner_channels, 3, stride=strides[1], padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(inner_channels)
        self.conv3 = nn.Conv2d(inner_channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if project:
            shortcut = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out_channels))

    def forward(self, features_BCHW: Tensor) -> Tensor:
        shortcut_BCHW = features_BCHW if self.downsample is None else self.downsample(features_BCHW)
        residual_BCHW = self.relu(self.bn1(self.conv1(features_BCHW)))
        residual_BCHW = self.relu(self.bn2(self.conv2(residual_BCHW)))
        residual_BCHW = self.bn3(self.conv3(residual_BCHW))
        return self.relu(residual_BCHW + shortcut_BCHW)


class AsppHead(nn.Module):
    """The sum of the first ``branches`` of four dilated 3x3 convolutions.

    The others exist because released checkpoints carry them; they take no part and get no gradient.
    """

    def __init__(self, in_channels: int, num_classes: int, branches: int) -> None:
        super().__init__()
        self.branches = branches
        self.conv2d_list = nn.ModuleList(
            nn.Conv2d(in_channels, num_classes, 3, padding=dilation, dilation=dilation) for dilation in ASPP_DILATIONS
        )

    def forward(self, features_BCHW: Tensor) -> Tensor:
        logits_BCHW = self.conv2d_list[0](features_BCHW)
        for branch in self.conv2d_list[1 : self.branches]:
            logits_BCHW = logits_BCHW + branch(features_BCHW)
        return logits_BCHW


def residual_layer(
    backbone: Backbone, layer: int, stride_placement: str, stride: int, dilation: int = 1
) -> nn.Sequential:
    """``layer`` (1 to 4) of a ResNet, whose first block takes steps of ``stride`` pixels."""
    in_channels = backbone.width if layer == 1 else backbone.channels(layer - 1)
    strides = (1, stride) if stride_placement == THE_3X3 else (stride, 1)
    inner_channels = backbone.inner_channels(layer)
    first = Bottleneck(in_channels, inner_channels, strides, dilation, project=True)
    others = (
        Bottleneck(backbone.channels(layer), inner_channels, (1, 1), dilation, project=False)
        for _ in range(backbone.blocks[layer - 1] - 1)
    )
    return nn.Sequential(first, *others)


def released_repeats(name: str) -> int:
    """How often the released parameter generator lists the parameter ``name``.

    It visits the stem's and the layers' modules with all that is nested in them and yields each one's parameters
    recursively: once for the stem, three times in a block (layer, block, convolution), four times in a ``downsample``.
    The heads are listed plainly, once.
    """
    return name.count(".") if name.startswith(RELEASED_BACKBONE) else 1


class DeepLabV2(Network):
    """See :func:`segadapt.models.deeplabv2`; ``layer6`` is the final head, ``layer5`` the auxiliary one or None."""

    heads = ("layer6", "layer5")
    released_repeats = staticmethod(released_repeats)

    def __init__(
        self, backbone: Backbone, num_classes: int, aspp_branches: int, auxiliary: bool,
        stride_placement: str = FIRST_1X1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_classes = num_classes
        self.conv1 = nn.Conv2d(3, backbone.width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(backbone.width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            residual_layer(backbone, layer, stride_placement, LAYER_STRIDES[layer - 1], LAYER_DILATIONS[layer - 1])
            for layer in (1, 2, 3, 4)
        )
        self.layer5 = AsppHead(backbone.channels(3), num_classes, aspp_branches) if auxiliary else None
        self.layer6 = AsppHead(backbone.channels(4), num_classes, aspp_branches)

    def forward(self, image_BCHW: Tensor) -> tuple[Tensor, Tensor | None]:
        """Float images in the network's input convention to ``(logits_final_BCHW, logits_low_BCHW or None)``."""
        features_BCHW = self.maxpool(self.relu(self.bn1(self.conv1(image_BCHW))))
        middle_BCHW = self.layer3(self.layer2(self.layer1(features_BCHW)))
        logits_low_BCHW = None if self.layer5 is None else self.layer5(middle_BCHW)
        return self.layer6(self.layer4(middle_BCHW)), logits_low_BCHW


def segmentation(architecture: Architecture) -> DeepLabV2:
    """DeepLab-v2 on a ResNet."""
    return DeepLabV2(
        BACKBONES[architecture.backbone], architecture.num_classes, architecture.aspp_branches, architecture.auxiliary,
        architecture.stride_placement,
    )  # fmt: skip


def classification(architecture: Architecture) -> Network:
    """A ResNet with one head."""
    from segadapt.models.classifier import ImageClassifier  # which is made of the layers above

    backbone = BACKBONES[architecture.backbone]
    return ImageClassifier(backbone, architecture.num_classes, architecture.bottleneck, architecture.stride_placement)

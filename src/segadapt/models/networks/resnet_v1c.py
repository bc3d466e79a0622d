"""DeepLab-v2 as DAFormer, HRDA and MIC run it: a ResNet with a deep stem, a head that sums two dilations.

Not the network of MaxSquareLoss, AdaptSegNet and DACS (``deeplab.py``). Facts: lhoyer/DAFormer at e6f6e04
``mmseg/models/backbones/resnet.py`` (``ResNetV1c``) and ``mmseg/models/decode_heads/dlv2_head.py``; names of tensors
are the originals'.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segadapt.models.architecture import Architecture
from segadapt.models.network import Network
from segadapt.models.networks.deeplab import Backbone, Bottleneck

BACKBONES = {"resnet101_v1c": Backbone(blocks=(3, 4, 23, 3))}
SWITCHES = ()
STRIDES = (1, 2, 1, 1)
DILATIONS = ((1, 1), (1, 1), (1, 2), (2, 4))
"""Of each layer's first block and of its others."""
ASPP_DILATIONS = (6, 12)
HEAD_STD = 0.01


class ResNetV1c(nn.Module):
    """Three 3x3 convolutions for a stem, then four layers, to an eighth of the image."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        half, layers = backbone.width // 2, []
        sizes = ((3, half, 2), (half, half, 1), (half, backbone.width, 1))
        for before, width, stride in sizes:
            layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        self.stem = nn.Sequential(*layers)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        before = backbone.width
        for number, (stride, (first, rest)) in enumerate(zip(STRIDES, DILATIONS, strict=True), 1):
            inner, width = backbone.inner_channels(number), backbone.channels(number)
            blocks = [Bottleneck(before, inner, (1, stride), first, project=True)]
            blocks += [
                Bottleneck(width, inner, (1, 1), rest, project=False) for _ in range(backbone.blocks[number - 1] - 1)
            ]
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
            before = width

    def forward(self, image_BCHW: Tensor) -> Tensor:
        map_BCHW = self.maxpool(self.stem(image_BCHW))
        return self.layer4(self.layer3(self.layer2(self.layer1(map_BCHW))))


class DilatedConv(nn.Module):
    """A branch of the head."""

    def __init__(self, in_channels: int, num_classes: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, num_classes, 3, padding=dilation, dilation=dilation)


class TwoDilations(nn.Module):
    """The sum of two dilated convolutions."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.aspp_modules = nn.ModuleList(DilatedConv(in_channels, num_classes, each) for each in ASPP_DILATIONS)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        one, other = (branch.conv(map_BCHW) for branch in self.aspp_modules)
        return one + other


class DeepLabV1c(Network):
    """Logits at the size of the image, to which they are resized without aligned corners."""

    heads = ("decode_head",)
    aligned = False

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.backbone = ResNetV1c(backbone)
        self.decode_head = TwoDilations(backbone.channels(4), num_classes)

    def start(self, name: str, parameter: Tensor, draws) -> bool:
        """The head's biases at 0 in any scheme; all else by the common rules."""
        if not self.is_of_head(name):
            return False
        if name.endswith(".bias"):
            nn.init.zeros_(parameter)
        else:
            draws.normal(parameter, name, HEAD_STD)
        return True

    def forward(self, image_BCHW: Tensor) -> tuple[Tensor, None]:
        """Float images in the network's input convention to (logits_BCHW, None)."""
        logits_BChw = self.decode_head(self.backbone(image_BCHW))
        wide_BChw = logits_BChw.to(torch.promote_types(logits_BChw.dtype, torch.float32))
        return F.interpolate(wide_BChw, size=image_BCHW.shape[2:], mode="bilinear"), None


def segmentation(architecture: Architecture) -> DeepLabV1c:
    """DAFormer's DeepLab-v2."""
    return DeepLabV1c(BACKBONES[architecture.backbone], architecture.num_classes)

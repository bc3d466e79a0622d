"""The "wider" ResNet-38, model A1, as CBST runs it: pre-activation units, output stride 8, heads of two convolutions.

Facts: Wu, Shen and van den Hengel 2016, "Wider or Deeper"; yzou2/CBST ``util/symbol/resnet_v2.py`` (``rna_feat_a1`` at
inverse resolution 8 with dropout, ``fcrna_model_a1``), after itijyou/ademxapp, which ``issegm/train_src.py`` and
``issegm/solve_ST.py`` call. There is no auxiliary head there; ours stands on level5, whose channels and dilation are
those of DeepLab's layer3.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from segadapt.models.architecture import Architecture
from segadapt.models.network import Group, Network


@dataclass(frozen=True)
class WideBackbone:
    """A "wider" pre-activation ResNet: ``units`` residual units in level2 to level7, on a stem of ``width`` channels.

    The heads' two 3x3 convolutions are dilated by ``head_dilation``. How the network is trained belongs to it, as to
    CBST's (there in ``util/symbol/symbol.py``, ``lr_type`` alex): in training ``dropout`` of the activations before the
    last convolution of level6's and level7's units is zeroed, and biases, those of batch norm too, learn at
    ``bias_factor`` times the rate of the weights beside them and do not decay.
    """

    units: tuple[int, int, int, int, int, int]
    width: int = 64
    head_dilation: int = 12
    dropout: tuple[float, float] = (0.3, 0.5)
    bias_factor: float = 2.0

    def channels(self, level: int) -> tuple[int, ...]:
        """Output channels of the convolutions in one unit of ``level`` (2 to 7); the last is what it hands on."""
        factors = {2: (2, 2), 3: (4, 4), 4: (8, 8), 5: (8, 16), 6: (8, 16, 32), 7: (16, 32, 64)}[level]
        return tuple(factor * self.width for factor in factors)

    def dropout_in(self, level: int) -> float:
        """The share that is zeroed before the last convolution of a unit of ``level`` (2 to 7)."""
        return {6: self.dropout[0], 7: self.dropout[1]}.get(level, 0.0)

    @property
    def head_channels(self) -> int:
        """Channels between the two convolutions of a head."""
        return 8 * self.width


BACKBONES = {
    # Model A1 of 38 layers, on which CBST's rows of the paper stand; the second is as thin as "streets",
    # and its heads are dilated in proportion to maps of 12x24: at 12, half of their weights would see padding alone.
    "wide_resnet38": WideBackbone(units=(3, 3, 6, 3, 1, 1)),
    "streets_wide": WideBackbone(units=(1, 1, 2, 1, 1, 1), width=4, head_dilation=2),
}
SWITCHES = ("auxiliary",)


class Level(NamedTuple):
    """What the first unit of a level does to the map: ``first`` and ``rest`` are dilations of its convolutions.

    A level that would have halved the map dilates instead, and its very first convolution still sees the finer map.
    """

    kernels: tuple[int, ...]
    stride: int = 1
    first: int = 1
    rest: int = 1


LEVELS = {
    2: Level((3, 3), stride=2),
    3: Level((3, 3), stride=2),
    4: Level((3, 3), stride=2),
    5: Level((3, 3), first=1, rest=2),
    6: Level((1, 3, 1), first=2, rest=4),
    7: Level((1, 3, 1), first=4, rest=4),
}


def _convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1, bias=False):
    dilation = dilation if kernel > 1 else 1
    padding = kernel // 2 * dilation
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, bias=bias)


class Unit(nn.Module):
    """Batch norm, ReLU and convolution, two or three times, beside a shortcut that starts after the first ReLU."""

    def __init__(
        self, in_channels: int, channels: tuple[int, ...], kernels: tuple[int, ...], stride: int,
        dilations: tuple[int, ...], project: bool, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        inputs, strides = (in_channels, *channels[:-1]), (stride, *[1] * (len(channels) - 1))
        self.norms = nn.ModuleList(nn.BatchNorm2d(each) for each in inputs)
        self.convs = nn.ModuleList(map(_convolution, inputs, channels, kernels, strides, dilations))
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.stride = stride
        self.shortcut = _convolution(in_channels, channels[-1], 1) if project else None

    def forward(self, features_BCHW: Tensor) -> Tensor:
        active_BCHW = self.relu(self.norms[0](features_BCHW))
        # The stride is taken before the 1x1 convolution and not in it: with fewer than 8 channels in channels-last
        # memory, the backward pass of oneDNN's strided one writes out of bounds (torch 2.13).
        seen_BCHW = active_BCHW if self.stride == 1 else active_BCHW[:, :, :: self.stride, :: self.stride]
        shortcut_BCHW = features_BCHW if self.shortcut is None else self.shortcut(seen_BCHW)
        residual_BCHW = self.convs[0](active_BCHW)
        for norm, conv in zip(self.norms[1:], self.convs[1:], strict=True):
            residual_BCHW = self.relu(norm(residual_BCHW))
            if self.dropout is not None and conv is self.convs[-1]:
                residual_BCHW = self.dropout(residual_BCHW)
            residual_BCHW = conv(residual_BCHW)
        return shortcut_BCHW + residual_BCHW


class TwoConvolutions(nn.Module):
    """A head: 3x3, ReLU, and 3x3 to the classes, both dilated; with ``norm`` on a raw residual sum."""

    def __init__(self, in_channels: int, backbone: WideBackbone, num_classes: int, norm: bool) -> None:
        super().__init__()
        hidden_channels, dilation = backbone.head_channels, backbone.head_dilation
        self.norm = nn.BatchNorm2d(in_channels) if norm else None
        self.relu = nn.ReLU(inplace=True)
        self.hidden = _convolution(in_channels, hidden_channels, 3, dilation=dilation, bias=True)
        self.classes = _convolution(hidden_channels, num_classes, 3, dilation=dilation, bias=True)

    def forward(self, features_BCHW: Tensor) -> Tensor:
        if self.norm is not None:
            features_BCHW = self.relu(self.norm(features_BCHW))
        return self.classes(self.relu(self.hidden(features_BCHW)))


def _level(backbone: WideBackbone, number: int) -> nn.Sequential:
    about, channels = LEVELS[number], backbone.channels(number)
    in_channels = backbone.width if number == 2 else backbone.channels(number - 1)[-1]
    later, dropout = (about.rest,) * (len(channels) - 1), backbone.dropout_in(number)
    first = Unit(in_channels, channels, about.kernels, about.stride, (about.first, *later), True, dropout)
    others = (
        Unit(channels[-1], channels, about.kernels, 1, (about.rest, *later), False, dropout)
        for _ in range(backbone.units[number - 2] - 1)
    )
    return nn.Sequential(first, *others)


class WideResNet(Network):
    """A stem, six levels and a last batch norm; ``layer6`` is the final head, ``layer5`` the auxiliary one or None."""

    heads = ("layer6", "layer5")

    def __init__(self, backbone: WideBackbone, num_classes: int, auxiliary: bool) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.bias_factor = backbone.bias_factor
        self.stem = _convolution(3, backbone.width, 3)
        self.level2 = _level(backbone, 2)
        self.level3 = _level(backbone, 3)
        self.level4 = _level(backbone, 4)
        self.level5 = _level(backbone, 5)
        self.level6 = _level(backbone, 6)
        self.level7 = _level(backbone, 7)
        self.norm7 = nn.BatchNorm2d(backbone.channels(7)[-1])
        self.relu = nn.ReLU(inplace=True)
        middle, last = backbone.channels(5)[-1], backbone.channels(7)[-1]
        self.layer5 = TwoConvolutions(middle, backbone, num_classes, norm=True) if auxiliary else None
        self.layer6 = TwoConvolutions(last, backbone, num_classes, norm=False)

    def group_of(self, name: str) -> Group:
        """Biases apart from the weights beside them, without decay."""
        group = super().group_of(name)
        if not name.endswith(".bias"):
            return group
        return group._replace(name=f"{group.name} biases", factor=self.bias_factor, decays=False)

    def forward(self, image_BCHW: Tensor) -> tuple[Tensor, Tensor | None]:
        """Float images in the network's input convention to ``(logits_final_BCHW, logits_low_BCHW or None)``.

        The maps are (ceil(H/8), ceil(W/8)); the middle of a map's pixel (i, j) is the image's pixel (8i, 8j).
        """
        middle_BCHW = self.level5(self.level4(self.level3(self.level2(self.stem(image_BCHW)))))
        logits_low_BCHW = None if self.layer5 is None else self.layer5(middle_BCHW)
        features_BCHW = self.relu(self.norm7(self.level7(self.level6(middle_BCHW))))
        return self.layer6(features_BCHW), logits_low_BCHW


def segmentation(architecture: Architecture) -> WideResNet:
    """The wider ResNet."""
    return WideResNet(BACKBONES[architecture.backbone], architecture.num_classes, architecture.auxiliary)

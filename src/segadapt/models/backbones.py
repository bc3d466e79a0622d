"""The residual backbones that a segmentation network can stand on: depth and width, nothing else."""

from dataclasses import dataclass

from segadapt.core.errors import UserError

EXPANSION = 4
"""Channels that leave a bottleneck, over the channels of its 3x3 convolution (He et al. 2016)."""


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


@dataclass(frozen=True)
class WideBackbone:
    """A "wider" pre-activation ResNet (Wu, Shen and van den Hengel 2016): see ``segadapt.models.wide_resnet``.

    ``units`` residual units in level2 to level7, on a stem of ``width`` channels; the heads' two 3x3 convolutions are
    dilated by ``head_dilation``. How the network is trained belongs to it, as to CBST's (there in
    ``util/symbol/symbol.py``, ``lr_type`` alex): in training ``dropout`` of the activations before the last convolution
    of level6's and level7's units is zeroed, and biases, those of batch norm too, learn at ``bias_factor`` times the
    rate of the weights beside them and do not decay.
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


BACKBONES: dict[str, Backbone | WideBackbone] = {
    "resnet101": Backbone(blocks=(3, 4, 23, 3)),
    "resnet50": Backbone(blocks=(3, 4, 6, 3)),
    # For the built-in street scenes: every layer of the large nets, thin enough to learn on one CPU core in a minute.
    "streets": Backbone(blocks=(1, 1, 1, 1), width=8),
    # For small pictures of single things, the built-in digits among them.
    "digits": Backbone(blocks=(1, 1, 1, 1), width=8),
    # Model A1 of 38 layers, on which CBST's rows of the paper stand; the second is as thin as "streets",
    # and its heads are dilated in proportion to maps of 12x24: at 12, half of their weights would see padding alone.
    "wide_resnet38": WideBackbone(units=(3, 3, 6, 3, 1, 1)),
    "streets_wide": WideBackbone(units=(1, 1, 2, 1, 1, 1), width=4, head_dilation=2),
}


def find_backbone(name: str) -> Backbone | WideBackbone:
    """The backbone of that name; UserError if there is none."""
    if name not in BACKBONES:
        raise UserError(f"backbone {name!r} is unknown; use one of {', '.join(sorted(BACKBONES))}")
    return BACKBONES[name]

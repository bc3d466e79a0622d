"""The residual backbones that DeepLab-v2 can stand on: depth and width, nothing else."""

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


BACKBONES = {
    "resnet101": Backbone(blocks=(3, 4, 23, 3)),
    "resnet50": Backbone(blocks=(3, 4, 6, 3)),
    # For the built-in street scenes: every layer of the large nets, thin enough to learn on one CPU core in a minute.
    "streets": Backbone(blocks=(1, 1, 1, 1), width=8),
}


def find_backbone(name: str) -> Backbone:
    """The backbone of that name; UserError if there is none."""
    if name not in BACKBONES:
        raise UserError(f"backbone {name!r} is unknown; use one of {', '.join(sorted(BACKBONES))}")
    return BACKBONES[name]

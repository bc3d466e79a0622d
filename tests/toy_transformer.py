"""A tiny network with what ResNets lack: layer norms, linear layers, a bare parameter, groups of its own.

Its text is what ``segadapt/models/networks`` would be given: a network is one file.
"""

import torch
from torch import Tensor, nn

from segadapt.models.architecture import Architecture
from segadapt.models.network import HEADS, NORMS, Group, Network

BACKBONES = {"toy_transformer": 8}
SWITCHES = ()


class ToyTransformer(Network):
    """Patches of 8x8 pixels, a position, a norm and a mixing layer; one head."""

    heads = ("decode_head",)
    # As DAFormer's: the first of these that is in a parameter's name.
    groups = (("pos_block", Group("positions", decays=False)), ("head", HEADS), ("norm", NORMS))

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.patch_embed = nn.Conv2d(3, width, 8, stride=8)
        self.pos_block = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Linear(width, width)
        self.decode_head = nn.Conv2d(width, num_classes, 1)

    def start(self, name: str, parameter: Tensor, draws) -> bool:
        """Positions from a truncated normal."""
        if name == "pos_block":
            draws.truncated_normal(parameter, name, 0.02)
        return name == "pos_block"

    def forward(self, image_BCHW: Tensor) -> tuple[Tensor, None]:
        """Float images to (logits_BCHW, None) at an eighth of their size."""
        tokens_BHWC = self.patch_embed(image_BCHW / 128).movedim(1, -1) + self.pos_block
        tokens_BHWC = tokens_BHWC + self.mlp(self.norm(tokens_BHWC)).relu()
        return self.decode_head(tokens_BHWC.movedim(-1, 1)), None


def segmentation(architecture: Architecture) -> ToyTransformer:
    """The network."""
    return ToyTransformer(BACKBONES[architecture.backbone], architecture.num_classes)

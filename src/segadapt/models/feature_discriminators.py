"""Discriminators of the domains that see features, one place at a time: Cross City (Chen et al., ICCV 2017)."""

import torch
from torch import Tensor, nn

from segadapt.models.initialisation import Draws

START_STD = 1e-3


class FeatureDiscriminators(nn.Module):
    """``count`` networks side by side, each of three 1x1 convolutions to a pair of scores, source and target.

    They start at N(0, 0.001²), cut off at two standard deviations, biases at 0, by draws of ``name``.
    """

    def __init__(self, num_features: int, width: int, count: int, dropout: float, seed: int, name: str) -> None:
        super().__init__()
        self.count, self.dropout = count, dropout
        with torch.random.fork_rng(devices=[]):  # PyTorch's own draws, which are written over, move no one's state.
            self.layers = nn.ModuleList(
                nn.Conv2d(before, count * after, 1, groups=groups)
                for before, after, groups in (
                    (num_features, width, 1), (count * width, width, count), (count * width, 2, count)
                )
            )  # fmt: skip
        for place, layer in enumerate(self.layers):
            Draws(seed).truncated_normal(layer.weight, f"{name}.{place}", START_STD)
            nn.init.zeros_(layer.bias)

    def forward(self, features_BFHW: Tensor, random: torch.Generator) -> Tensor:
        """score_BC2HW of ``count`` discriminators C; ``random``, on the features' device, drops hidden units."""
        hidden_BXHW = features_BFHW
        for layer in self.layers[:-1]:
            hidden_BXHW = layer(hidden_BXHW).relu()
            drawn_BXHW = torch.rand(hidden_BXHW.shape, generator=random, device=hidden_BXHW.device)
            hidden_BXHW = hidden_BXHW * (drawn_BXHW >= self.dropout) / (1 - self.dropout)
        return self.layers[-1](hidden_BXHW).unflatten(1, (self.count, 2))

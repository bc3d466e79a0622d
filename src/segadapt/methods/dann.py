"""DANN: features from which no discriminator can tell the domain (Ganin et al., JMLR 2016).

The discriminator learns with the network, by the same optimiser; between the two the gradient is reversed.
Source of its shape: thuml/Transfer-Learning-Library ``tllib/modules/domain_discriminator.py`` (two hidden layers with
batch norm and ReLU, here as 1x1 convolutions) and ``tllib/alignment/dann.py`` (both domains in one batch).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from segadapt.losses.domain import SOURCE, TARGET, domain_loss
from segadapt.losses.gradient_reversal import ramp, reverse_gradient
from segadapt.methods import Prediction
from segadapt.models import initialise


def discriminator(num_features: int, width: int) -> nn.Sequential:
    """Features (B, F, 1, 1) to scores (B, 1, 1, 1); a high one says target."""
    hidden = [
        layer
        for before in (num_features, width)
        for layer in (nn.Conv2d(before, width, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
    ]
    return nn.Sequential(*hidden, nn.Conv2d(width, 1, 1))


@dataclass(frozen=True)
class FeatureGame:
    """``weight`` is the discriminator's share of the loss, ``steepness`` that of the reversal's ramp."""

    network: nn.Sequential
    weight: float
    steepness: float
    columns: tuple[str, ...] = ("loss_discriminator_features",)

    @classmethod
    def of(cls, settings: Mapping[str, Any], num_features: int, seed: int) -> "FeatureGame":
        """As an entry's ``adversarial`` section says; the discriminator's weights depend on the seed alone."""
        with torch.random.fork_rng(devices=[]):  # PyTorch's own draws, which are written over, move no one's state.
            network = discriminator(num_features, settings["width"])
        return cls(initialise(network, seed, "torch"), settings["lambda_final"], settings["ramp"])

    def loss(self, source: Prediction, target: Prediction, progress: float) -> tuple[Tensor, Tensor]:
        """What both minimise together at ``progress`` in [0, 1], and the discriminator's loss, detached, to look at.

        In the discriminator's weights its gradient is that of ``weight`` times the binary cross-entropy, mean over
        both domains; in the features it is reversed and scaled by the ramp.
        """
        features_BFHW = torch.cat([source.features_BFHW, target.features_BFHW])
        score_B1HW = self.network(reverse_gradient(features_BFHW, ramp(progress, self.steepness)))
        of_source, of_target = score_B1HW.tensor_split([len(source.features_BFHW)])
        loss = 0.5 * (domain_loss(of_source, SOURCE) + domain_loss(of_target, TARGET))
        return self.weight * loss, loss.detach()

    def tensors(self) -> dict[str, Tensor]:
        """Weights and statistics, for storing; the momentum is the optimiser's."""
        return dict(self.network.state_dict())

    def load(self, stored: Mapping[str, Tensor]) -> None:
        """Restores what :meth:`tensors` gave."""
        self.network.load_state_dict(dict(stored), strict=True)

"""DANN: features from which no discriminator can tell the domain (Ganin et al., JMLR 2016).

The discriminator learns with the network, by the same optimiser; between the two the gradient is reversed.
Source of its shape: thuml/Transfer-Learning-Library ``tllib/modules/domain_discriminator.py`` (two hidden layers with
batch norm and ReLU, here as 1x1 convolutions) and ``tllib/alignment/dann.py`` (both domains in one batch).
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from segadapt.data.batches.batch import Batch
from segadapt.losses.domain import SOURCE, TARGET, domain_loss
from segadapt.losses.gradient_reversal import ramp, reverse_gradient
from segadapt.methods import Method, Pass, Prediction, Settings, Step
from segadapt.models import initialise


def discriminator(num_features: int, width: int) -> nn.Sequential:
    """Features (B, F, 1, 1) to scores (B, 1, 1, 1); a high one says target."""
    hidden = [
        layer
        for before in (num_features, width)
        for layer in (nn.Conv2d(before, width, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
    ]
    return nn.Sequential(*hidden, nn.Conv2d(width, 1, 1))


class Dann(Method):
    """For joint batches of classifiers; ``beside`` is a method whose loss on target images is added.

    The discriminator's weights depend on the seed alone.
    """

    columns = ("discriminator_features",)
    replays = False

    def __init__(self, settings: Settings, model: nn.Module, beside: Method | None = None) -> None:
        super().__init__(settings, model)
        self.beside = beside
        self.weight, self.steepness = settings.adversarial["lambda_final"], settings.adversarial["ramp"]
        with torch.random.fork_rng(devices=[]):  # PyTorch's own draws, which are written over, move no one's state.
            network = discriminator(model.num_features, settings.adversarial["width"])
        self.discriminator = initialise(network, settings.seed, "torch")

    def learned_with_network(self) -> dict[str, nn.Parameter]:
        return dict(self.discriminator.named_parameters())

    def passes(self, step: Step) -> Sequence[Pass]:
        (joint,) = super().passes(step)

        def losses(source: Prediction, target: Prediction) -> dict[str, Tensor]:
            both = joint.losses(source, target)
            return both | {"discriminator_features": self.weight * self.domain_loss(source, target, step.progress)}

        return (replace(joint, losses=losses),)

    def on_target(self, prediction: Prediction, batch: Batch) -> Tensor:
        if self.beside is None:
            return prediction.logits_final_BCHW.new_zeros(())
        return self.beside.on_target(prediction, batch)

    def domain_loss(self, source: Prediction, target: Prediction, progress: float) -> Tensor:
        """The binary cross-entropy of the discriminator, mean over both domains, at ``progress`` in [0, 1].

        In the features its gradient is reversed and scaled by the ramp.
        """
        features_BFHW = torch.cat([source.features_BFHW, target.features_BFHW])
        score_B1HW = self.discriminator(reverse_gradient(features_BFHW, ramp(progress, self.steepness)))
        of_source, of_target = score_B1HW.tensor_split([len(source.features_BFHW)])
        return 0.5 * (domain_loss(of_source, SOURCE) + domain_loss(of_target, TARGET))

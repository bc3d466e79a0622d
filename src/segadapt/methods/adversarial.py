"""The adversarial training that AdaptSegNet and AdvEnt share: one discriminator for each head that takes part.

A method's own file says what the discriminators see: ``output_map(logits_BCHW, size) -> map_BCHW`` with as many
channels as classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from segadapt.core.errors import UserError
from segadapt.losses.domain import SOURCE, TARGET, domain_loss
from segadapt.methods import Prediction
from segadapt.models import initialise
from segadapt.models.discriminator import Discriminator


@dataclass(frozen=True)
class Game:
    """``lambdas`` weigh the heads ("final", "low") that take part; ``discriminators`` have the same keys."""

    output_map: Callable[[Tensor, tuple[int, int]], Tensor]
    objective: str
    lambdas: dict[str, float]
    discriminators: nn.ModuleDict

    @classmethod
    def of(cls, settings: dict, output_map: Callable, num_classes: int, seed: int) -> "Game":
        """As an entry's ``adversarial`` section says; the discriminators' weights depend on the seed alone."""
        lambdas = {head: settings[f"lambda_{head}"] for head in ("final", "low") if settings[f"lambda_{head}"] > 0}
        with torch.random.fork_rng(devices=[]):  # PyTorch's own draws, which are written over, move no one's state.
            networks = nn.ModuleDict({head: Discriminator(num_classes, settings["width"]) for head in lambdas})
        return cls(output_map, settings["objective"], lambdas, initialise(networks, seed, "torch"))

    def generator_loss(self, target: Prediction, size: tuple[int, int]) -> Tensor:
        """What the segmentation network minimises on target images: to be taken for source, lambdas included.

        The discriminators get no gradient from it. UserError if a head that takes part is missing.
        """
        losses = []
        for head, weight in self.lambdas.items():
            network = self.discriminators[head]
            constants = {name: parameter.detach() for name, parameter in network.named_parameters()}
            score_B1HW = functional_call(network, constants, (self.output_map(_logits(target, head), size),))
            losses.append(weight * domain_loss(score_B1HW, SOURCE, self.objective))
        return sum(losses[1:], losses[0])

    def discriminator_losses(
        self, source: Prediction, source_size: tuple[int, int], target: Prediction, target_size: tuple[int, int]
    ) -> dict[str, Tensor]:
        """By head, half the loss on source maps plus half that on target maps; neither prediction gets a gradient."""
        losses = {}
        for head, network in self.discriminators.items():
            halves = []
            for domain, prediction, size in ((SOURCE, source, source_size), (TARGET, target, target_size)):
                map_BCHW = self.output_map(_logits(prediction, head).detach(), size)
                halves.append(0.5 * domain_loss(network(map_BCHW), domain, self.objective))
            losses[head] = halves[0] + halves[1]
        return losses


def _logits(prediction: Prediction, head: str) -> Tensor:
    logits_BCHW = prediction.logits_final_BCHW if head == "final" else prediction.logits_low_BCHW
    if logits_BCHW is None:
        raise UserError("adversarial.lambda_low needs a model with the auxiliary head; use one, or set it to 0")
    return logits_BCHW

"""Discriminators of the domains on features, with optimisers of their own for themselves and for the features.

Five Adams move one network in Cross City: that of the task, and for each kind of alignment one of the discriminators
and one of the features against them. Adam has no scale, so what stands before a loss is a learning rate.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from segadapt.losses.alignment import SOURCE, TARGET, alignment_loss
from segadapt.methods.adversarial.adam import Adam
from segadapt.models import Network
from segadapt.models.feature_discriminators import FeatureDiscriminators

BETAS = (0.9, 0.999)
"""Epsilons are as TensorFlow has them."""


class Kind(NamedTuple):
    """``count`` discriminators that learn from step ``start`` on, at ``factor`` times the network's rate."""

    count: int
    factor: float
    start: int = 0


def behind_features(model: Network) -> list[nn.Parameter]:
    """The parameters that the features of the final head depend on."""
    return [each for name, each in model.named_parameters() if not model.is_of_head(name)]


class Alignment(nn.Module):
    """Discriminators, their Adam, and that of the ``behind`` features; gradients add up from update to update."""

    def __init__(self, discriminators: FeatureDiscriminators, behind: Sequence[nn.Parameter]) -> None:
        super().__init__()
        self.discriminators = discriminators
        learned = (list(discriminators.parameters()), behind)
        self.own, self.against = (Adam(each, "uncorrected", BETAS) for each in learned)
        self._sums: tuple[list[Tensor], list[Tensor]] | None = None

    def gather(
        self, features_BFHW: Tensor, domain: int, share_BCHW: Tensor | None, behind: Sequence[nn.Parameter],
        random: torch.Generator,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """One domain's half of both losses: the discriminators', and the features' against them.

        The latter is that of the other domain; of classes, where there are shares, the mean of both domains'.
        """
        score_BC2HW = self.discriminators(features_BFHW, random)
        own, other = (alignment_loss(score_BC2HW, each, share_BCHW) for each in (domain, SOURCE + TARGET - domain))
        losses = own / 2, (other if share_BCHW is None else (own + other) / 2) / 2
        found = tuple(map(_gradients, losses, (list(self.discriminators.parameters()), behind)))
        self._sums = found if self._sums is None else tuple(map(torch._foreach_add, self._sums, found))
        return losses[0].detach(), losses[1].detach()

    def update(self, behind: Sequence[nn.Parameter], own_rate: float, rate: float, number: int, steps: int) -> None:
        """Update ``number``, from 0, of both by the mean gradient of ``steps`` steps."""
        (own, against), self._sums = (torch._foreach_div(each, steps) for each in self._sums), None
        self.own.update(list(self.discriminators.parameters()), own, own_rate, number)
        self.against.update(behind, against, rate, number)


def _gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """Zeros of parameters that are frozen."""
    learned = [each for each in parameters if each.requires_grad]
    found = iter(torch.autograd.grad(loss, learned, retain_graph=True, materialize_grads=True))
    return [next(found) if each.requires_grad else torch.zeros_like(each) for each in parameters]

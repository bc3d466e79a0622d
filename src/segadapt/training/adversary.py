"""The discriminators' side of an adversarial run: their optimiser, their schedule, their resumable state."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from segadapt.core.chosen import Chosen
from segadapt.core.errors import UserError
from segadapt.methods import Prediction
from segadapt.methods.adversarial import Game
from segadapt.models.compute import Compute

GAME = Chosen("method.adversarial.game", "segadapt.methods.{}")
BETAS, EPSILON = (0.9, 0.99), 1e-8
"""Source: AdaptSegNet ``train_gta2cityscapes_multi.py``, ADVENT ``train_UDA.py``; the epsilon is PyTorch's default."""


def epsilon_of(update: int, where: str) -> float:
    """What today's Adam, ``m / (sqrt(v) + epsilon)`` of corrected moments, must be given in update number ``update``.

    ``corrected``: the constant, as in Kingma and Ba's Algorithm 1 and in PyTorch since 1.3. ``uncorrected``: PyTorch
    before that, under which the originals ran, added it to the root of the uncorrected v, which the correction then
    enlarges with it: tenfold in the first update (pytorch/pytorch#22628).
    """
    assert update >= 1 and where in ("corrected", "uncorrected"), (update, where)
    return EPSILON if where == "corrected" else EPSILON / (1 - BETAS[1] ** update) ** 0.5


class Adversary:
    """Discriminators that learn by Adam, one update a step.

    ``learning_rate`` is theirs at step 0; the trainer scales it by the segmentation network's schedule.
    ``adam_epsilon`` is the protocol's switch, see :func:`epsilon_of`.
    """

    def __init__(self, game: Game, learning_rate: float, adam_epsilon: str) -> None:
        self.game = game
        self.learning_rate = learning_rate
        self.adam_epsilon = adam_epsilon
        self.columns = tuple(f"loss_discriminator_{head}" for head in game.lambdas)
        self._parameters = dict(game.discriminators.named_parameters())
        self._means = {name: torch.zeros_like(each, requires_grad=False) for name, each in self._parameters.items()}
        self._squares = {name: torch.zeros_like(each, requires_grad=False) for name, each in self._parameters.items()}
        self._updates = 0

    def generator_loss(self, target: Prediction, size: tuple[int, int]) -> Tensor:
        """See :meth:`segadapt.methods.adversarial.Game.generator_loss`."""
        return self.game.generator_loss(target, size)

    def learn(
        self, source: Prediction, source_size: tuple[int, int], target: Prediction, target_size: tuple[int, int],
        learning_rate: float,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """One update of the discriminators; their losses before it, detached, in the order of ``columns``."""
        losses = self.game.discriminator_losses(source, source_size, target, target_size)
        gradients = torch.autograd.grad(sum(losses.values()), list(self._parameters.values()))
        # The function under torch.optim.Adam: the class imports the compiler, which costs seconds a job.
        with torch.no_grad():
            adam(
                list(self._parameters.values()), list(gradients), list(self._means.values()),
                list(self._squares.values()), [], [torch.tensor(float(self._updates)) for _ in gradients],
                amsgrad=False, beta1=BETAS[0], beta2=BETAS[1], lr=learning_rate, weight_decay=0.0,
                eps=epsilon_of(self._updates + 1, self.adam_epsilon), maximize=False,
            )  # fmt: skip
        self._updates += 1
        return tuple(loss.detach() for loss in losses.values())

    def tensors(self) -> dict[str, Tensor]:
        """Weights and moments, for storing."""
        stored = {"updates": torch.tensor(self._updates)}
        for kind, tensors in self._kinds().items():
            stored |= {f"{kind}.{name}": tensor.detach() for name, tensor in tensors.items()}
        return stored

    def load(self, stored: Mapping[str, Tensor]) -> None:
        """Restores what :meth:`tensors` gave, bit for bit; UserError, with nothing changed, on a misfit."""
        own = self.tensors()
        for name in own.keys() | stored.keys():
            if name not in own or name not in stored or own[name].shape != stored[name].shape:
                raise UserError(f"the stored state of the discriminators has another {name}; resume the run it is of")
        self._updates = int(stored["updates"])
        for kind, tensors in self._kinds().items():
            for name, tensor in tensors.items():
                tensor.detach().copy_(stored[f"{kind}.{name}"])

    def _kinds(self) -> dict[str, dict[str, Tensor]]:
        return {"weight": self._parameters, "mean": self._means, "square": self._squares}


def build(settings: dict[str, Any], num_classes: int, seed: int, compute: Compute, adam_epsilon: str) -> Adversary:
    """The adversary that the ``adversarial`` section of a method's entry describes, on the device."""
    output_map = GAME.load(settings["game"]).output_map
    game = Game.of(settings, output_map, num_classes, seed)
    compute.place(game.discriminators)
    return Adversary(game, settings["learning_rate"], adam_epsilon)

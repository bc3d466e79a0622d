"""The discriminators' own optimiser, whose moments are saved and resumed as they are: with the method."""

import copy

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

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


class Adam(nn.Module):
    """Both moments of a network's parameters; ``epsilon`` is the protocol's switch, see :func:`epsilon_of`."""

    def __init__(self, network: nn.Module, epsilon: str) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.means, self.squares = (copy.deepcopy(network).requires_grad_(False) for _ in range(2))
        for moment in (*self.means.parameters(), *self.squares.parameters()):
            moment.zero_()

    def update(self, network: nn.Module, loss: Tensor, learning_rate: float, number: int) -> None:
        """Update ``number``, from 0, of the network by a loss."""
        parameters = list(network.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        # The function under torch.optim.Adam: the class imports the compiler, which costs seconds a job.
        with torch.no_grad():
            adam(
                parameters, list(gradients), list(self.means.parameters()), list(self.squares.parameters()), [],
                [torch.tensor(float(number)) for _ in gradients], amsgrad=False, beta1=BETAS[0], beta2=BETAS[1],
                lr=learning_rate, weight_decay=0.0, eps=epsilon_of(number + 1, self.epsilon), maximize=False,
            )  # fmt: skip

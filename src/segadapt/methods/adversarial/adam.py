"""A method's own optimiser, of discriminators, whose moments are saved and resumed as they are: with the method."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETAS, EPSILON = (0.9, 0.99), 1e-8
"""Source: AdaptSegNet ``train_gta2cityscapes_multi.py``, ADVENT ``train_UDA.py``; the epsilon is PyTorch's default."""


def epsilon_of(update: int, where: str, beta2: float = BETAS[1]) -> float:
    """What today's Adam, ``m / (sqrt(v) + epsilon)`` of corrected moments, must be given in update number ``update``.

    ``corrected``: the constant, as in Kingma and Ba's Algorithm 1 and in PyTorch since 1.3. ``uncorrected``: PyTorch
    before that, under which the originals ran, added it to the root of the uncorrected v, which the correction then
    enlarges with it: tenfold in the first update (pytorch/pytorch#22628).
    """
    assert update >= 1 and where in ("corrected", "uncorrected"), (update, where)
    return EPSILON if where == "corrected" else EPSILON / (1 - beta2**update) ** 0.5


class Adam(nn.Module):
    """Both moments of parameters; ``epsilon`` is the protocol's switch, see :func:`epsilon_of`."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], epsilon: str, betas: tuple[float, float] = BETAS
    ) -> None:  # fmt: skip
        super().__init__()
        self.epsilon, self.betas, parameters = epsilon, betas, list(parameters)
        self.means, self.squares = (
            nn.ParameterList(nn.Parameter(torch.zeros_like(each), requires_grad=False) for each in parameters)
            for _ in range(2)
        )

    def update(
        self, parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor], learning_rate: float, number: int
    ) -> None:
        """Update ``number``, from 0, of the parameters by their gradients."""
        # The function under torch.optim.Adam: the class imports the compiler, which costs seconds a job.
        with torch.no_grad():
            adam(
                list(parameters), list(gradients), list(self.means), list(self.squares), [],
                [torch.tensor(float(number)) for _ in gradients], amsgrad=False, beta1=self.betas[0],
                beta2=self.betas[1], lr=learning_rate, weight_decay=0.0,
                eps=epsilon_of(number + 1, self.epsilon, self.betas[1]), maximize=False,
            )  # fmt: skip

"""k SGD updates with the same gradient, done at once.

Parameter, momentum and gradient go linearly into an update, hence into k of them: three numbers say how much of each is
in the momentum afterwards, three how much in the parameter. The k-th power of a 3x3 matrix has them, and two calls of
torch's fused SGD apply them, however large k is: one moves the momentum, and both together the parameter.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

CHUNK = 1 << 16
"""Elements of which a core's second-level cache holds parameter, momentum and gradient, in float32."""

Tensors = list[Tensor]


@dataclass(frozen=True)
class Update:
    """v <- momentum * v + share * (g + weight_decay * theta), then theta <- theta - lr * v.

    Where ``momentum`` is 0 there is no v: theta <- theta - lr * (g + weight_decay * theta).
    """

    lr: float | Tensor
    momentum: float
    weight_decay: float
    share: float = 1.0

    def apply(self, parameters: Tensors, gradients: Tensors, velocities: Tensors) -> None:
        """Runs it in place, one tensor after the other; all three of a tensor have one layout."""
        # What torch.optim.SGD calls; the class imports the compiler, which costs seconds a job.
        torch._fused_sgd_(
            parameters, gradients, velocities if self.momentum else [], lr=self.lr, momentum=self.momentum,
            weight_decay=self.weight_decay, dampening=1 - self.share, nesterov=False, maximize=False,
            is_first_step=False,
        )  # fmt: skip


def update_at_once(
    once: Update, repeats: int, accumulate_decay: bool, parameters: Tensors, gradients: Tensors, velocities: Tensors
) -> None:
    """``repeats`` times ``once``, whose ``lr`` is a plain number.

    With ``accumulate_decay`` the decay that an update adds stays in the gradient for those after it.
    """
    updates = combined(once, repeats, accumulate_decay)
    tensors = list(zip(parameters, gradients, velocities, strict=True))
    # On a CPU a chunk stays in the cache from one update to the next; elsewhere one launch serves many tensors.
    chunked = len(updates) > 1 and parameters[0].device.type == "cpu"
    for part in _chunks(tensors) if chunked else [tensors]:
        for update in updates:
            update.apply(*map(list, zip(*part, strict=True)))


def update_in_turn(
    once: Update, repeats: int, accumulate_decay: bool, parameters: Tensors, gradients: Tensors, velocities: Tensors
) -> None:
    """The same one update after the other: for an ``lr`` on the device, which may change while a graph is replayed."""
    for _ in range(repeats - 1):
        if accumulate_decay:
            gradients = torch._foreach_add(gradients, parameters, alpha=once.weight_decay)
        replace(once, weight_decay=0.0 if accumulate_decay else once.weight_decay).apply(
            parameters, gradients, velocities
        )
    once.apply(parameters, gradients, velocities)


def combined(once: Update, repeats: int, accumulate_decay: bool) -> list[Update]:
    """At most two updates that do together what ``repeats`` times ``once`` does."""
    lr, momentum, decay = once.lr, once.momentum, once.weight_decay
    if repeats == 1:
        return [once]
    # A row each for theta, v and g after one update: shares of theta, v and g before it.
    after_one = [[1 - lr * decay, -lr * momentum, -lr], [decay, momentum, 1], [decay * accumulate_decay, 0, 1]]
    theta, velocity, _ = np.linalg.matrix_power(after_one, repeats).tolist()
    if momentum == 0:
        return _without_momentum(theta[0] - 1, theta[2])
    # The new v, in the right amount, brings all of the old v that theta needs; theta and g then make up the difference.
    amount = theta[1] / velocity[1]
    rest_theta, rest_gradient = theta[0] - 1 - amount * velocity[0], theta[2] - amount * velocity[2]
    # The second update sees a theta that the first one has moved.
    first = Update(-amount / (1 + rest_theta), velocity[1], velocity[0] / velocity[2], velocity[2])
    return [first, *_without_momentum(rest_theta, rest_gradient)]


def _without_momentum(by_theta: float, by_gradient: float) -> list[Update]:
    """theta <- theta + by_theta * theta + by_gradient * g; nothing where the rate was 0."""
    return [] if by_gradient == 0 else [Update(-by_gradient, 0.0, by_theta / by_gradient)]


def _chunks(tensors: list[tuple[Tensor, ...]]) -> Iterator[list[tuple[Tensor, ...]]]:
    """Pieces of the tensors, as they lie in memory: of about ``CHUNK`` elements together."""
    part, held = [], 0
    for together in tensors:
        flat = (torch.as_strided(each, (each.numel(),), (1,)) for each in together)
        for piece in zip(*(each.split(CHUNK) for each in flat), strict=True):
            part.append(piece)
            held += len(piece[0])
            if held >= CHUNK:
                yield part
                part, held = [], 0
    if part:
        yield part

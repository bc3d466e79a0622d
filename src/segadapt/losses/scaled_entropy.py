"""The entropy of scaled probabilities: the paper's first cure for entropy's steep end (Fig. 1)."""

import functools

import torch

from segadapt.core.errors import UserError
from segadapt.losses.image_weight import ImageWeight
from segadapt.losses.stable_softmax import TopSoftmax
from segadapt.losses.target_loss import target_loss


def scaled_entropy(
    logits_BCHW: torch.Tensor,
    size: tuple[int, int] | None = None,
    normalisation: str = "released",
    image_weight: ImageWeight | None = None,
    gamma: float = 0.05,
) -> torch.Tensor:
    """Entropy of q = (1 - 2 gamma) p + gamma, in nats; the gradient goes through both factors.

    L = -(1/N) sum_n sum_c q log q, otherwise as :func:`segadapt.losses.entropy`. The slope in p stays below
    (1 - 2 gamma) |log gamma|, where that of the entropy has no bound. For two classes q is a distribution; for more
    its sum is 1 + (C - 2) gamma, as in the one place where several classes were ever scaled.

    gamma: in [0, 0.5); 0 gives the entropy. The paper doesn't say which one its figure shows.

    Returns a 0-dim tensor, once differentiable. UserError on a bad argument.
    Source: paper, Fig. 1; MaxSquareLoss, first commit, ``utils/loss.py``.
    """
    if isinstance(gamma, bool) or not isinstance(gamma, int | float) or not 0 <= gamma < 0.5:
        raise UserError(f"gamma is {gamma!r}; give a number of at least 0 and below 0.5.")
    pixel_loss = functools.partial(_pixel_scaled_entropy, gamma)
    return target_loss(pixel_loss, 1.0, logits_BCHW, size, normalisation, image_weight)


def _pixel_scaled_entropy(
    gamma: float, softmax: TopSoftmax, weight_BC: torch.Tensor | None, wants_slope: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """-sum_c w_c q_c log q_c (B, 1, H, W) and its slope (B, C, H, W)."""
    scaled_BCHW = softmax.probability_BCHW * (1 - 2 * gamma) + gamma
    log_BCHW = _log(scaled_BCHW, softmax, gamma)
    weight = 1.0 if weight_BC is None else weight_BC[:, :, None, None]
    value_B1HW = -(weight * scaled_BCHW * log_BCHW).sum(dim=1, keepdim=True)
    if not wants_slope:
        return value_B1HW, None
    slope_BCHW = weight * (log_BCHW + 1)
    return value_B1HW, (slope_BCHW.gather(1, softmax.top_B1HW) - slope_BCHW).mul_(1 - 2 * gamma)


def _log(scaled_BCHW: torch.Tensor, softmax: TopSoftmax, gamma: float) -> torch.Tensor:
    # Without scaling a probability may round to 0, whose logarithm only the offsets still know.
    return scaled_BCHW.log() if gamma > 0 else softmax.offset_BCHW - softmax.log_partition_B1HW

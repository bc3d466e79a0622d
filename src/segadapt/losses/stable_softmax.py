"""A soft-max kept relative to each pixel's top class, so that nothing near 0 or 1 cancels.

For a confident pixel 1 - p_top rounds to 0, for an undecided one p_k - p_top does; a gradient
formed from such differences is wrong by 1 % at a margin of 12 in float32 and zero beyond 18. Here
every difference is taken between logits, where it is exact, and only then exponentiated.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch


class TopSoftmax(NamedTuple):
    """The parts of a soft-max, all finite where the logits are.

    offset_BCHW: z_k - z_top, at most 0, exactly 0 at the top class.
    probability_BCHW: p_k in [0, 1].
    top_B1HW: int64 index of the largest logit, the first one of several.
    others_B1HW: sum of exp(offset) without the top class, so p_top = 1 / (1 + others).
    """

    offset_BCHW: torch.Tensor
    probability_BCHW: torch.Tensor
    top_B1HW: torch.Tensor
    others_B1HW: torch.Tensor

    @property
    def probability_top_B1HW(self) -> torch.Tensor:
        return (1 + self.others_B1HW).reciprocal()

    @property
    def log_partition_B1HW(self) -> torch.Tensor:
        """log sum_k exp(offset_k); log p_k = offset_k - log_partition, exact also where p_top rounds to 1."""
        return self.others_B1HW.log1p()


PixelLoss = Callable[[TopSoftmax, torch.Tensor | None, bool], tuple[torch.Tensor, torch.Tensor | None]]
"""(soft-max, weight_BC or None, wants_slope) -> (value_B1HW, slope_BCHW or None).

``slope`` is d value / d p_k less that of the top class, a fresh tensor. Both look at one pixel at a
time, so that they hold for any band of rows too.
"""


def top_softmax(logits_BCHW: torch.Tensor) -> TopSoftmax:
    """Soft-max over axis 1 of float32 or float64 logits; NaN where a pixel's top logit is not finite."""
    # max, not argmax: same first-index rule, and argmax over a strided axis is five times slower on a CPU.
    top_value_B1HW, top_B1HW = logits_BCHW.max(dim=1, keepdim=True)
    offset_BCHW = logits_BCHW - top_value_B1HW
    probability_BCHW = offset_BCHW.exp().scatter_(1, top_B1HW, 0.0)
    # The difference is 0, or NaN for an infinite top: without it an infinite logit would look like a sure class.
    others_B1HW = probability_BCHW.sum(dim=1, keepdim=True) + (top_value_B1HW - top_value_B1HW)
    total_B1HW = 1 + others_B1HW
    probability_BCHW.div_(total_B1HW).scatter_(1, top_B1HW, total_B1HW.reciprocal())
    return TopSoftmax(offset_BCHW, probability_BCHW, top_B1HW, others_B1HW)


def logit_gradient(probability_BCHW: torch.Tensor, slope_BCHW: torch.Tensor) -> torch.Tensor:
    """d value / d z from ``slope`` = d value / d p_k - d value / d p_top; overwrites ``slope``.

    The soft-max Jacobian gives p_k (g_k - sum_c p_c g_c), which does not change when one number is
    taken from every g. Taking the top class's makes its own term exactly 0, so the sum holds only
    the small terms of the other classes and the top class's gradient keeps its full precision.
    """
    mean_slope_B1HW = (probability_BCHW * slope_BCHW).sum(dim=1, keepdim=True)
    return slope_BCHW.sub_(mean_slope_B1HW).mul_(probability_BCHW)

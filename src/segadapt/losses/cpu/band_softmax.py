"""The soft-max of a band of rows in buffers that are used again, as exact as :mod:`segadapt.losses.stable_softmax`.

It keeps away from what is slow on a CPU: the index of a maximum, masks, and exponentials that can be had by algebra.
"""

from typing import NamedTuple

import torch

NEAR = 2.0**-7
SECOND_ORDER = 511 / 1024
"""expm1(x) = x + SECOND_ORDER x^2 within 3e-6 of itself for x in [-NEAR, 0], and 1 + that at -NEAR is a float32."""


class BandSoftmax(NamedTuple):
    """The parts of a band's soft-max; p = raised / total.

    offset_RCW: z_k - z_top, at most 0, exactly 0 at the top class.
    raised_RCW: exp(offset), exactly 1 at the top class.
    total_R1W: sum of ``raised``, so p_top = 1 / total.
    scratch_RCW: a buffer to write over.
    """

    offset_RCW: torch.Tensor
    raised_RCW: torch.Tensor
    total_R1W: torch.Tensor
    scratch_RCW: torch.Tensor

    @property
    def top_R1W(self) -> torch.Tensor:
        """p_top."""
        return self.total_R1W.reciprocal()

    def others_R1W(self) -> torch.Tensor:
        """Sum of ``raised`` without the top class, to full precision; overwrites ``scratch``.

        The fraction of 1 is 0 and that of every smaller number itself. Where several classes tie at the top it drops
        them all, but there the total is at least 2 and nothing cancels.
        """
        below_R1W = torch.frac(self.raised_RCW, out=self.scratch_RCW).sum(dim=1, keepdim=True)
        return torch.where(self.total_R1W < 1.5, below_R1W, self.total_R1W - 1)


def band_softmax(logits_RCW: torch.Tensor, raised_RCW: torch.Tensor, scratch_RCW: torch.Tensor) -> BandSoftmax:
    """Soft-max over axis 1 of finite float32 or float64 logits, all three overwritten."""
    offset_RCW = logits_RCW.sub_(logits_RCW.amax(dim=1, keepdim=True))
    torch.exp(offset_RCW, out=raised_RCW)
    return BandSoftmax(offset_RCW, raised_RCW, raised_RCW.sum(dim=1, keepdim=True), scratch_RCW)


def top_class(values_RCW: torch.Tensor) -> torch.Tensor:
    """Index of the largest of finite values, the first one of several: int64 (R, 1, W); overwrites ``values``."""
    num_classes = values_RCW.shape[1]
    # 0 at the top, -1 elsewhere: the index and the number of tops are two sums over classes.
    sign_RCW = values_RCW.sub_(values_RCW.amax(dim=1, keepdim=True)).sign_()
    index_and_one_2C = torch.stack([torch.arange(num_classes), torch.ones(num_classes, dtype=torch.int64)])
    sums_R2W = index_and_one_2C.to(sign_RCW.dtype) @ sign_RCW
    if bool((sums_R2W[:, 1] != 1 - num_classes).any()):
        return sign_RCW.max(dim=1, keepdim=True).indices
    return sums_R2W[:, :1].long() + num_classes * (num_classes - 1) // 2


def expm1_from(softmax: BandSoftmax) -> torch.Tensor:
    """exp(offset) - 1 to full precision also where it is near 0, in ``scratch``, at a third of ``expm1``'s cost.

    In float32, 1e-5 of itself at most: by the series above -NEAR and by ``raised`` below, each part constant where
    the other one holds.
    """
    offset_RCW, raised_RCW, _, scratch_RCW = softmax
    if offset_RCW.dtype != torch.float32:
        return torch.expm1(offset_RCW, out=scratch_RCW)
    torch.clamp(offset_RCW, min=-NEAR, out=scratch_RCW)
    scratch_RCW.addcmul_(scratch_RCW, scratch_RCW, value=SECOND_ORDER)
    far = SECOND_ORDER * NEAR**2 - NEAR + 1
    below_RCW = torch.sub(raised_RCW, far, out=offset_RCW).clamp_(max=0)
    return scratch_RCW.add_(below_RCW)

"""The entropy of the prediction, minimised by MinEnt: Eq. 3 of the paper."""

import torch

from segadapt.losses.cpu.band_softmax import BandSoftmax
from segadapt.losses.image_weight import ImageWeight, pick
from segadapt.losses.stable_softmax import TopSoftmax
from segadapt.losses.target_loss import target_loss


def entropy(
    logits_BCHW: torch.Tensor,
    size: tuple[int, int] | None = None,
    normalisation: str = "released",
    image_weight: ImageWeight | None = None,
) -> torch.Tensor:
    """Mean entropy of the class probabilities, in nats; the gradient goes through both factors.

    L = -(1/N) sum_n sum_c p(n, c) log p(n, c), N the pixels of the batch at ``size``; with
    weights L = -(1/B) sum_n w(n) sum_c p(n, c) log p(n, c) (see :class:`ImageWeight`, whose
    ``half`` has no part here).

    logits_BCHW: float, any device; computed in float32, or in float64 if given so.
    size: (H, W) the loss is defined at (bilinear, aligned corners); None for the logits' own.
    normalisation: "released" divides by C as well, "paper" does not.

    Returns a 0-dim tensor, once differentiable: in [0, log C], divided by C if "released",
    without weights. UserError on a bad argument.
    Source: paper Eq. 3; MaxSquareLoss ``utils/loss.py`` (``softCrossEntropy``, ``IWsoftCrossEntropy``).
    """
    return target_loss(
        pixel_entropy, 1.0, logits_BCHW, size, normalisation, image_weight, band_entropy, kernel="entropy"
    )


def pixel_entropy(
    softmax: TopSoftmax, weight_BC: torch.Tensor | None, wants_slope: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """-sum_c w_c p_c log p_c (B, 1, H, W) and its slope (B, C, H, W).

    The slope is -w_k (log p_k + 1) + w_top (log p_top + 1), without weights -(z_k - z_top).
    """
    log_partition_B1HW = softmax.log_partition_B1HW
    if weight_BC is None:
        spread_B1HW = (softmax.probability_BCHW * softmax.offset_BCHW).sum(dim=1, keepdim=True)
        return log_partition_B1HW - spread_B1HW, -softmax.offset_BCHW if wants_slope else None
    weight_BC11 = weight_BC[:, :, None, None]
    surprise_BCHW = log_partition_B1HW - softmax.offset_BCHW
    value_B1HW = surprise_BCHW.mul_(softmax.probability_BCHW).mul_(weight_BC11).sum(dim=1, keepdim=True)
    if not wants_slope:
        return value_B1HW, None
    slope_BCHW = pick(weight_BC, softmax.top_B1HW) - weight_BC11
    slope_BCHW.mul_(1 - log_partition_B1HW)
    return value_B1HW, slope_BCHW.sub_(weight_BC11 * softmax.offset_BCHW)


def band_entropy(
    softmax: BandSoftmax, weight_R1W: torch.Tensor | None, wants_gradient: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """-sum_c p_c log p_c (R, 1, W) and its logit gradient -p_k (o_k - m), o = z - z_top, m = sum_c p_c o_c."""
    log_partition_R1W = softmax.others_R1W().log1p_()
    product_RCW = torch.mul(softmax.raised_RCW, softmax.offset_RCW, out=softmax.scratch_RCW)
    top_R1W = softmax.total_R1W.reciprocal()
    mean_R1W = product_RCW.sum(dim=1, keepdim=True).mul_(top_R1W)
    value_R1W = log_partition_R1W.sub_(mean_R1W)
    if weight_R1W is not None:
        value_R1W.mul_(weight_R1W)
        top_R1W.mul_(weight_R1W)
    if not wants_gradient:
        return value_R1W, None
    gradient_RCW = product_RCW.addcmul_(softmax.raised_RCW, mean_R1W, value=-1)
    return value_R1W, gradient_RCW.mul_(top_R1W.neg_())

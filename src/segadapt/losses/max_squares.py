"""The maximum squares loss: Eq. 6 of the paper, and Eq. 13 with image weights."""

import math

import torch

from segadapt.losses.cpu.band_softmax import BandSoftmax, expm1_from
from segadapt.losses.image_weight import ImageWeight, check_image_weight, pick
from segadapt.losses.stable_softmax import TopSoftmax
from segadapt.losses.target_loss import target_loss


def max_squares(
    logits_BCHW: torch.Tensor,
    size: tuple[int, int] | None = None,
    normalisation: str = "released",
    half: bool = True,
    image_weight: ImageWeight | None = None,
) -> torch.Tensor:
    """Minus the mean of the squared probabilities; minimising it sharpens the prediction.

    L = -(1/2) (1/N) sum_n sum_c p(n, c)^2, N the pixels of the batch at ``size``; with weights
    L = -(1/B) sum_n w(n) sum_c p(n, c)^2 (see :class:`ImageWeight`).

    logits_BCHW: float, any device; computed in float32, or in float64 if given so.
    size: (H, W) the loss is defined at (bilinear, aligned corners); None for the logits' own.
    normalisation: "released" divides by C as well, "paper" does not.
    half: whether the 1/2 of Eq. 6 stands; with ``image_weight`` its own ``half`` decides instead.

    Returns a 0-dim tensor, once differentiable: in [-1/2, -1/(2C)], divided by C if "released",
    without weights and with the 1/2. UserError on a bad argument.
    Source: paper Eq. 6 and 13; MaxSquareLoss ``utils/loss.py`` (``MaxSquareloss``, ``IW_MaxSquareloss``).
    """
    check_image_weight(image_weight)
    halved = half if image_weight is None else image_weight.half
    factor = -0.5 if halved else -1.0
    return target_loss(
        pixel_squares, factor, logits_BCHW, size, normalisation, image_weight, band_squares, kernel="max_squares"
    )


def pixel_squares(
    softmax: TopSoftmax, weight_BC: torch.Tensor | None, wants_slope: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """sum_c w_c p_c^2 (B, 1, H, W) and its slope 2 (w_k p_k - w_top p_top) (B, C, H, W)."""
    squares_BCHW = softmax.probability_BCHW.square()
    if weight_BC is not None:
        squares_BCHW.mul_(weight_BC[:, :, None, None])
    value_B1HW = squares_BCHW.sum(dim=1, keepdim=True)
    if not wants_slope:
        return value_B1HW, None
    # p_k - p_top = p_top expm1(z_k - z_top), which holds for nearly equal logits too.
    slope_BCHW = softmax.offset_BCHW.expm1()
    if weight_BC is not None:
        slope_BCHW = _weighted_slope(softmax, slope_BCHW, weight_BC)
    return value_B1HW, slope_BCHW.mul_(2 * softmax.probability_top_B1HW)


def _weighted_slope(softmax: TopSoftmax, expm1_BCHW: torch.Tensor, weight_BC: torch.Tensor) -> torch.Tensor:
    """w_k exp(offset_k) - w_top, by the form that loses nothing on each side of exp(offset) = 1/2."""
    weight_BC11 = weight_BC[:, :, None, None]
    weight_top_B1HW = pick(weight_BC, softmax.top_B1HW)
    near_BCHW = (weight_BC11 - weight_top_B1HW).addcmul_(weight_BC11, expm1_BCHW)
    far_BCHW = softmax.offset_BCHW.exp().mul_(weight_BC11).sub_(weight_top_B1HW)
    return torch.where(softmax.offset_BCHW > -math.log(2), near_BCHW, far_BCHW)


def band_squares(
    softmax: BandSoftmax, weight_R1W: torch.Tensor | None, wants_gradient: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """sum_c p_c^2 (R, 1, W) and its logit gradient 2 p_top p_k (x_k - m), x = exp(z - z_top) - 1, m = sum_c p_c x_c.

    The value is p_top (1 + m).
    """
    product_RCW = expm1_from(softmax).mul_(softmax.raised_RCW)
    top_R1W = softmax.total_R1W.reciprocal()
    mean_R1W = product_RCW.sum(dim=1, keepdim=True).mul_(top_R1W)
    scale_R1W = top_R1W if weight_R1W is None else top_R1W * weight_R1W
    value_R1W = (1 + mean_R1W).mul_(scale_R1W)
    if not wants_gradient:
        return value_R1W, None
    gradient_RCW = product_RCW.addcmul_(softmax.raised_RCW, mean_R1W, value=-1)
    return value_R1W, gradient_RCW.mul_(2 * top_R1W * scale_R1W)

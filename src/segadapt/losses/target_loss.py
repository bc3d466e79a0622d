"""What entropy and maximum squares share: weights, normalisation, the sum over pixels."""

import torch

from segadapt.core.errors import UserError
from segadapt.losses.cpu.bands import scaled
from segadapt.losses.cpu.target_bands import BandLoss, target_bands
from segadapt.losses.dispatch import in_bands, in_cells
from segadapt.losses.exact_gradient import exact_gradient_loss
from segadapt.losses.image_weight import ImageWeight, check_image_weight, class_counts, class_weights, pick
from segadapt.losses.stable_softmax import PixelLoss, TopSoftmax, logit_gradient, top_softmax
from segadapt.losses.upsample import upsample, widen

NORMALISATIONS = ("released", "paper")


def target_loss(
    pixel_loss: PixelLoss,
    factor: float,
    logits_BCHW: torch.Tensor,
    size: tuple[int, int] | None,
    normalisation: str,
    image_weight: ImageWeight | None,
    band_loss: BandLoss | None = None,
    kernel: str | None = None,
) -> torch.Tensor:
    """``factor`` times the normalised sum of ``pixel_loss`` over pixels, as a 0-dim tensor.

    Without weights the sum is divided by the N pixels of the batch. With weights, which are near
    1/N of their image already, it is divided by the B images. "released" divides by C as well.
    ``band_loss`` and ``kernel`` are the objective's other forms, if it has them: see
    :mod:`segadapt.losses.cpu.target_bands` and :mod:`segadapt.losses.cuda.target`. UserError on a bad argument.
    """
    if normalisation not in NORMALISATIONS:
        raise UserError(f'normalisation is {normalisation!r}; give "released" or "paper".')
    check_image_weight(image_weight)
    wide_BCHW, size = widen(logits_BCHW, size)
    batch, num_classes, *_ = wide_BCHW.shape
    divisor = batch * (num_classes if normalisation == "released" else 1)
    if image_weight is None:
        divisor *= size[0] * size[1]
    scale = factor / divisor

    def in_one_piece(logits_BCHW: torch.Tensor, wants_gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        softmax = top_softmax(logits_BCHW)
        weight_BC, weight_B1HW = _weights(softmax, num_classes, image_weight)
        value_B1HW, slope_BCHW = pixel_loss(softmax, weight_BC, wants_gradient)
        if weight_B1HW is not None:
            value_B1HW = value_B1HW * weight_B1HW
        loss = value_B1HW.sum() * scale
        if not wants_gradient:
            return loss, None
        gradient_BCHW = logit_gradient(softmax.probability_BCHW, slope_BCHW)
        return loss, gradient_BCHW.mul_(scale if weight_B1HW is None else weight_B1HW * scale)

    def by_bands(logits_BCHW: torch.Tensor, wants_gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        sums = target_bands(pixel_loss, band_loss, logits_BCHW, size, image_weight, wants_gradient)
        return scaled(*sums, scale, logits_BCHW.dtype)

    def by_cells(logits_BCHW: torch.Tensor, wants_gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        from segadapt.losses.cuda.target import target_in_cells

        return target_in_cells(kernel, logits_BCHW, size, image_weight, scale, wants_gradient)

    if kernel is not None and in_cells(size, wide_BCHW):
        return exact_gradient_loss(wide_BCHW, by_cells)
    if in_bands(wide_BCHW):
        return exact_gradient_loss(wide_BCHW, by_bands)
    return exact_gradient_loss(upsample(wide_BCHW, size), in_one_piece)


def _weights(
    softmax: TopSoftmax, num_classes: int, image_weight: ImageWeight | None
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """(weight_BC, None) under index "class", (None, weight_B1HW) under "pixel", or two Nones."""
    if image_weight is None:
        return None, None
    counts_BC = class_counts(softmax.top_B1HW, num_classes)
    weight_BC = class_weights(counts_BC, image_weight.alpha, softmax.offset_BCHW.dtype)
    return (weight_BC, None) if image_weight.index == "class" else (None, pick(weight_BC, softmax.top_B1HW))

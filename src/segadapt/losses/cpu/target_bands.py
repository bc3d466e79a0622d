"""Entropy and maximum squares in bands: the histogram pass of image weights, and the pass that learns."""

from collections.abc import Callable

import torch

from segadapt.losses.cpu.band_image import BandImage, Buffers
from segadapt.losses.cpu.band_softmax import BandSoftmax, band_softmax, top_class
from segadapt.losses.cpu.bands import BandKernel, sum_over_bands
from segadapt.losses.cpu.interpolation import Span
from segadapt.losses.image_weight import ImageWeight, class_weights
from segadapt.losses.stable_softmax import PixelLoss, logit_gradient, top_softmax

BandLoss = Callable[[BandSoftmax, torch.Tensor | None, bool], tuple[torch.Tensor, torch.Tensor | None]]
"""(soft-max, weight_R1W of the pixels or None, wants_gradient) -> (weighted value_R1W, its logit gradient_RCW)."""


def target_bands(
    pixel_loss: PixelLoss,
    band_loss: BandLoss | None,
    logits_BCHW: torch.Tensor,
    size: tuple[int, int],
    image_weight: ImageWeight | None,
    wants_gradient: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The weighted sum over pixels and its gradient in the logits, as ``sum_over_bands`` returns it.

    ``band_loss`` serves all but class weights of Eq. 13, where (or if it is None) ``pixel_loss`` runs on bands.
    """
    buffers = Buffers(3, (logits_BCHW.shape[1], *size), logits_BCHW.dtype)

    def kernel_of_image(index: int, image: BandImage) -> BandKernel:
        weight_C, weight_H1W = _weights(image, image_weight, buffers)

        def kernel(band: Span) -> tuple[torch.Tensor, torch.Tensor | None]:
            logits_RCW, raised_RCW, scratch_RCW = buffers.of(band)
            image.form(band, logits_RCW)
            weight_R1W = None if weight_H1W is None else weight_H1W[band.output]
            if band_loss is None or weight_C is not None:
                return _pixelwise(pixel_loss, logits_RCW, weight_C, weight_R1W, wants_gradient)
            softmax = band_softmax(logits_RCW, raised_RCW, scratch_RCW)
            return band_loss(softmax, weight_R1W, wants_gradient)

        return kernel

    return sum_over_bands(logits_BCHW, size, kernel_of_image, wants_gradient)


def _pixelwise(
    pixel_loss: PixelLoss,
    logits_RCW: torch.Tensor,
    weight_C: torch.Tensor | None,
    weight_R1W: torch.Tensor | None,
    wants_gradient: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The plain form on a band, whose rows stand as a batch of images of one row."""
    softmax = top_softmax(logits_RCW[:, :, None])
    weight_RC = None if weight_C is None else weight_C.expand(len(logits_RCW), -1)
    value_R11W, slope_RC1W = pixel_loss(softmax, weight_RC, wants_gradient)
    value_R1W = value_R11W[:, 0]
    gradient_RCW = None if slope_RC1W is None else logit_gradient(softmax.probability_BCHW, slope_RC1W)[:, :, 0]
    if weight_R1W is None:
        return value_R1W, gradient_RCW
    return value_R1W * weight_R1W, None if gradient_RCW is None else gradient_RCW.mul_(weight_R1W)


def _weights(
    image: BandImage, image_weight: ImageWeight | None, buffers: Buffers
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """(weight_C, None) under index "class", (None, weight_H1W) under "pixel", or two Nones."""
    if image_weight is None:
        return None, None
    num_classes, height, width = image.shape
    by_pixel = image_weight.index == "pixel"
    top_H1W = torch.empty(height, 1, width, dtype=torch.int32) if by_pixel else None
    counts_C = torch.zeros(num_classes, dtype=torch.int64)
    for band in image.bands:
        logits_RCW, *_ = buffers.of(band)
        top_R1W = top_class(image.form(band, logits_RCW))
        counts_C += torch.bincount(top_R1W.flatten(), minlength=num_classes)
        if top_H1W is not None:
            top_H1W[band.output] = top_R1W
    weight_C = class_weights(counts_C[None], image_weight.alpha, logits_RCW.dtype)[0]
    if top_H1W is None:
        return weight_C, None
    return None, weight_C.index_select(0, top_H1W.flatten()).view(top_H1W.shape)

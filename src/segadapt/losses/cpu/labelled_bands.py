"""Cross-entropy in bands: the mean over the pixels that count, whoever gave the labels."""

from collections.abc import Callable

import torch

from segadapt.losses.cpu.band_image import BandImage, Buffers
from segadapt.losses.cpu.band_softmax import BandSoftmax, band_softmax
from segadapt.losses.cpu.bands import BandKernel, scaled, sum_over_bands
from segadapt.losses.cpu.interpolation import Span
from segadapt.losses.weighting import UNWEIGHTED, Weighting

LabelOfBand = Callable[[Span, BandSoftmax], tuple[torch.Tensor, torch.Tensor]]
"""(band, its soft-max, whose scratch may be overwritten) -> (label_R1W int64, in [0, C) everywhere, kept_R1W bool)."""

LabelOfImage = Callable[[int], LabelOfBand]
"""(index in the batch) -> the labels of that image's bands."""


def labelled_bands(
    logits_BCHW: torch.Tensor,
    size: tuple[int, int],
    label_of_image: LabelOfImage,
    wants_gradient: bool,
    weighting: Weighting = UNWEIGHTED,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(mean of -log p(label) over the kept pixels of all images, its gradient), both 0 if none is kept."""
    count = torch.zeros((), dtype=torch.int64)
    buffers = Buffers(3, (logits_BCHW.shape[1], *size), logits_BCHW.dtype)

    def kernel_of_image(index: int, image: BandImage) -> BandKernel:
        label_of_band = label_of_image(index)

        def kernel(band: Span) -> tuple[torch.Tensor, torch.Tensor | None]:
            logits_RCW, raised_RCW, scratch_RCW = buffers.of(band)
            softmax = band_softmax(image.form(band, logits_RCW), raised_RCW, scratch_RCW)
            label_R1W, kept_R1W = label_of_band(band, softmax)
            count.add_(kept_R1W.sum())
            factor_R1W = kept_R1W
            if weighting.factor_BHW is not None:
                factor_R1W = weighting.factor_BHW[index, band.output, None].where(kept_R1W, 0)
            return band_cross_entropy(softmax, label_R1W, factor_R1W, wants_gradient)

        return kernel

    sums = sum_over_bands(logits_BCHW, size, kernel_of_image, wants_gradient)
    pixels = len(logits_BCHW) * size[0] * size[1]
    divisor = pixels if weighting.denominator == "all" else max(int(count), 1)
    return scaled(*sums, 1 / divisor, logits_BCHW.dtype)


def band_cross_entropy(
    softmax: BandSoftmax, label_R1W: torch.Tensor, factor_R1W: torch.Tensor, wants_gradient: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """-log p_label (R, 1, W) and its logit gradient p_k - [k = label], both times ``factor``; overwrites ``raised``."""
    others_R1W = softmax.others_R1W()
    offset_R1W = softmax.offset_RCW.gather(1, label_R1W)
    value_R1W = (others_R1W.log1p() - offset_R1W).mul_(factor_R1W)
    if not wants_gradient:
        return value_R1W, None
    share_R1W = softmax.top_R1W.mul_(factor_R1W)
    # 1 - p_label is the share of the other classes: summed, not subtracted.
    at_label_R1W = others_R1W.sub_(offset_R1W.expm1_()).mul_(share_R1W).neg_()
    return value_R1W, softmax.raised_RCW.mul_(share_R1W).scatter_(1, label_R1W, at_label_R1W)

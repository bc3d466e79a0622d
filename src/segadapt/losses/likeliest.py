"""The likeliest class of every pixel at the size of a loss, and its probability: what a teacher has to say."""

import torch

from segadapt.core.errors import UserError
from segadapt.losses.cpu.band_image import BandImage, Buffers
from segadapt.losses.dispatch import in_bands
from segadapt.losses.upsample import upsample, widen

MOST_CLASSES = 255


def likeliest(logits_BCHW: torch.Tensor, size: tuple[int, int] | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """(label_BHW uint8, the first of several that are equally likely; probability_BHW in the logits' precision).

    logits_BCHW: float, any device; computed in float32, or in float64 if given so, without a gradient.
    size: (H, W) of the labels (bilinear, aligned corners); None for the logits' own.
    UserError on a wrong shape, dtype or size, or more than 255 classes.
    """
    wide_BCHW, size = widen(logits_BCHW.detach(), size)
    if wide_BCHW.shape[1] > MOST_CLASSES:
        raise UserError(f"{wide_BCHW.shape[1]} classes do not fit into labels of a byte; give at most {MOST_CLASSES}")
    if not in_bands(wide_BCHW):
        large_BCHW = upsample(wide_BCHW, size)
        return _likeliest(large_BCHW - large_BCHW.amax(dim=1, keepdim=True))
    label_BHW = torch.empty((len(wide_BCHW), *size), dtype=torch.uint8)
    probability_BHW = torch.empty(label_BHW.shape, dtype=wide_BCHW.dtype)
    buffers = Buffers(1, (wide_BCHW.shape[1], *size), wide_BCHW.dtype)
    for index, logits_CHW in enumerate(wide_BCHW):
        image = BandImage(logits_CHW, size)
        for band in image.bands:
            band_RCW = image.form(band, *buffers.of(band))
            band_RCW.sub_(band_RCW.amax(dim=1, keepdim=True))
            label_BHW[index, band.output], probability_BHW[index, band.output] = _likeliest(band_RCW)
    return label_BHW, probability_BHW


def _likeliest(offset_XCX: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Over axis 1 of logits less their largest, which are overwritten."""
    ids_C1 = torch.arange(offset_XCX.shape[1], dtype=torch.uint8, device=offset_XCX.device)
    ids_C1 = ids_C1.view(-1, *[1] * (offset_XCX.dim() - 2))
    # In bytes: ``max`` with its indices takes five times as long on a CPU. 255 below the top, the class at it.
    label_XX = (offset_XCX < 0).to(torch.uint8).mul_(255).bitwise_or_(ids_C1).amin(dim=1)
    return label_XX, offset_XCX.exp_().sum(dim=1).reciprocal_()

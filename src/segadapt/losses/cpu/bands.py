"""A loss without a tensor of its own size: bands of rows through one kernel, value and gradient in one pass.

Up-sampling is linear, so a band's logit gradient goes back to the network's logits at once, and neither the logits
nor their gradient exist at full size. A kernel is what an objective does to one band; the sum over bands, images and
both axes of the interpolation is here.
"""

from collections.abc import Callable

import torch

from segadapt.losses.cpu.band_image import BandImage
from segadapt.losses.cpu.interpolation import Span

BandKernel = Callable[[Span], tuple[torch.Tensor, torch.Tensor | None]]
"""band -> (value_R1W of its pixels, d value / d logits_RCW or None); buffers may be the same from call to call."""

KernelOfImage = Callable[[int, BandImage], BandKernel]
"""(index in the batch, its image) -> the kernel of its bands; may go through the bands once before."""


def sum_over_bands(
    logits_BCHW: torch.Tensor, size: tuple[int, int], kernel_of_image: KernelOfImage, wants_gradient: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(0-dim float64 sum over all pixels at ``size``, its gradient (B, C, h, w) in the logits or None).

    logits_BCHW: float32 or float64 on the CPU, finite, at the network's size.
    """
    gradient_BCHW = torch.empty(logits_BCHW.shape, dtype=logits_BCHW.dtype) if wants_gradient else None
    total = torch.zeros((), dtype=torch.float64)
    for index, logits_CHW in enumerate(logits_BCHW):
        image = BandImage(logits_CHW, size, None if gradient_BCHW is None else gradient_BCHW[index])
        kernel = kernel_of_image(index, image)
        for band in image.bands:
            value_R1W, gradient_RCW = kernel(band)
            total += value_R1W.sum(dtype=torch.float64)
            if gradient_BCHW is not None:
                image.add(band, gradient_RCW)
        if gradient_BCHW is not None:
            image.finish()
    return total, gradient_BCHW


def scaled(
    total: torch.Tensor, gradient_BCHW: torch.Tensor | None, scale: float, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The sum and its gradient times ``scale``, the loss as a number of ``dtype``."""
    loss = (total * scale).to(dtype)
    return loss, None if gradient_BCHW is None else gradient_BCHW.mul_(scale)

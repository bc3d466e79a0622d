"""Averaging over an image and its mirror image, which the released evaluation has as an option."""

from collections.abc import Callable

import numpy
import torch
import torch.nn.functional as F


def mirror_averaged(predict: Callable[[numpy.ndarray], torch.Tensor]) -> Callable[[numpy.ndarray], torch.Tensor]:
    """``predict`` (image_HWC to logits_1CHW) with the class probabilities of image and mirror image averaged.

    The result holds probabilities (1, C, H, W) at the image's size, where ``predict`` gave logits; their largest is
    the predicted class. As in MaxSquareLoss ``tools/evaluate.py``: logits are upsampled first (bilinear,
    ``align_corners=True``), then softmax, then the mean.
    """

    @torch.no_grad()
    def averaged(image_HWC: numpy.ndarray) -> torch.Tensor:
        straight_1CHW = probabilities(predict(image_HWC), image_HWC.shape[:2])
        mirrored_1CHW = probabilities(predict(mirror_image(image_HWC)), image_HWC.shape[:2])
        return (straight_1CHW + mirrored_1CHW.flip(-1)) / 2

    return averaged


def mirror_image(image_HWC: numpy.ndarray) -> numpy.ndarray:
    """The image with left and right exchanged, contiguous."""
    return numpy.ascontiguousarray(image_HWC[:, ::-1])


def probabilities(logits_1CHW: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Softmax, (1, C, H, W) float, of logits upsampled to ``size`` = (H, W); half precision becomes single first."""
    logits_1CHW = logits_1CHW.to(torch.promote_types(logits_1CHW.dtype, torch.float32))
    return F.interpolate(logits_1CHW, size=size, mode="bilinear", align_corners=True).softmax(dim=1)

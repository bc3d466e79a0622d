"""Averaging over an image and its mirror image, a habit that the released evaluation has as an option."""

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
        straight_1CHW = _probabilities(predict(image_HWC), image_HWC.shape[:2])
        mirrored_1CHW = _probabilities(predict(numpy.ascontiguousarray(image_HWC[:, ::-1])), image_HWC.shape[:2])
        return (straight_1CHW + mirrored_1CHW.flip(-1)) / 2

    return averaged


def _probabilities(logits_1CHW: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(logits_1CHW.float(), size=size, mode="bilinear", align_corners=True).softmax(dim=1)

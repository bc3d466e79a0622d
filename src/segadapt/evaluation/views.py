"""An image in every scoring mode, from one pass straight and one mirrored, or averaged over both alone."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy
import torch
import torch.nn.functional as F
from torch import Tensor

from segadapt.core.scoring_mode import ENSEMBLE, FINAL, LOW
from segadapt.models.loading import HeadsPredictor


def mirror_image(image_HWC: numpy.ndarray) -> numpy.ndarray:
    """The image with left and right exchanged, contiguous."""
    return numpy.ascontiguousarray(image_HWC[:, ::-1])


def probabilities(logits_1CHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Softmax, (1, C, H, W) float, of logits upsampled to ``size`` = (H, W); half precision becomes single first."""
    logits_1CHW = logits_1CHW.to(torch.promote_types(logits_1CHW.dtype, torch.float32))
    return F.interpolate(logits_1CHW, size=size, mode="bilinear", align_corners=True).softmax(dim=1)


class View(NamedTuple):
    """Scores (1, C, h, w) of one image whose largest is the predicted class: logits, or probabilities at image size."""

    scores_1CHW: Tensor
    head: str = FINAL
    flip: bool = False
    are_probabilities: bool = False
    aligned: bool = True

    def at(self, size: tuple[int, int]) -> Tensor:
        """The scores at ``size`` = (H, W), at least in single precision; with aligned corners, or without."""
        wide_1CHW = self.scores_1CHW.to(torch.promote_types(self.scores_1CHW.dtype, torch.float32))
        return F.interpolate(wide_1CHW, size=size, mode="bilinear", align_corners=self.aligned)

    def probabilities(self, size: tuple[int, int]) -> Tensor:
        """Class probabilities (1, C, H, W) at ``size`` = (H, W); logits are upsampled before their softmax."""
        return self.at(size) if self.are_probabilities else self.at(size).softmax(dim=1)


def all_views(predict: HeadsPredictor, flip: bool = True, heads: bool = True, aligned: bool = True) -> Callable:
    """A function from image_HWC to an iterator of its views, the final head's logits first.

    ``flip`` adds a view averaged with the mirror image's to every view; ``heads`` adds, where the model has an
    auxiliary head, the low head and the ensemble, the mean of both heads' softmax maps. Averages are of softmax maps
    of logits that were upsampled before, as in ``mirror_averaged``; ``aligned`` is the network's. The network runs
    once on the image and, with ``flip``, once on its mirror image; at most five float maps of image size are held at
    a time.
    """

    @torch.no_grad()
    def views(image_HWC: numpy.ndarray) -> Iterator[View]:
        size = image_HWC.shape[:2]
        final_1CHW, low_1CHW = predict(image_HWC)
        low_1CHW = low_1CHW if heads else None
        yield View(final_1CHW, aligned=aligned)
        if not flip and low_1CHW is None:
            return
        straight_1CHW = probabilities(final_1CHW, size)
        if flip:
            mirrored_final_1CHW, mirrored_low_1CHW = predict(mirror_image(image_HWC))
            averaged_1CHW = (straight_1CHW + probabilities(mirrored_final_1CHW, size).flip(-1)) / 2
            yield View(averaged_1CHW, FINAL, True, True, aligned)
        if low_1CHW is None:
            return
        yield View(low_1CHW, LOW, aligned=aligned)
        low_probability_1CHW = probabilities(low_1CHW, size)
        yield View((straight_1CHW + low_probability_1CHW) / 2, ENSEMBLE, False, True, aligned)
        if flip:
            del straight_1CHW
            low_averaged_1CHW = (low_probability_1CHW + probabilities(mirrored_low_1CHW, size).flip(-1)) / 2
            yield View(low_averaged_1CHW, LOW, True, True, aligned)
            yield View((averaged_1CHW + low_averaged_1CHW) / 2, ENSEMBLE, True, True, aligned)

    return views


def mirror_averaged(predict: Callable[[numpy.ndarray], Tensor]) -> Callable[[numpy.ndarray], Tensor]:
    """``predict`` (image_HWC to logits_1CHW) with the class probabilities of image and mirror image averaged.

    The result holds probabilities (1, C, H, W) at the image's size, where ``predict`` gave logits; their largest is
    the predicted class. As in MaxSquareLoss ``tools/evaluate.py``: logits are upsampled first (bilinear,
    ``align_corners=True``), then softmax, then the mean.
    """

    @torch.no_grad()
    def averaged(image_HWC: numpy.ndarray) -> Tensor:
        straight_1CHW = probabilities(predict(image_HWC), image_HWC.shape[:2])
        mirrored_1CHW = probabilities(predict(mirror_image(image_HWC)), image_HWC.shape[:2])
        return (straight_1CHW + mirrored_1CHW.flip(-1)) / 2

    return averaged

"""An image in every scoring mode, from one pass straight and one mirrored."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy
import torch
import torch.nn.functional as F
from torch import Tensor

from segadapt.core.scoring_mode import ENSEMBLE, FINAL, LOW
from segadapt.evaluation.mirror import mirror_image, probabilities
from segadapt.models.loading import HeadsPredictor


class View(NamedTuple):
    """Scores (1, C, h, w) of one image whose largest is the predicted class: logits, or probabilities at image size."""

    scores_1CHW: Tensor
    head: str = FINAL
    flip: bool = False
    are_probabilities: bool = False

    def probabilities(self, size: tuple[int, int]) -> Tensor:
        """Class probabilities (1, C, H, W) at ``size`` = (H, W); logits are upsampled before their softmax."""
        if not self.are_probabilities:
            return probabilities(self.scores_1CHW, size)
        return F.interpolate(self.scores_1CHW, size=size, mode="bilinear", align_corners=True)


def all_views(predict: HeadsPredictor, flip: bool = True, heads: bool = True) -> Callable:
    """A function from image_HWC to an iterator of its views, the final head's logits first.

    ``flip`` adds a view averaged with the mirror image's to every view; ``heads`` adds, where the model has an
    auxiliary head, the low head and the ensemble, the mean of both heads' softmax maps. Averages are of softmax maps
    of logits that were upsampled before, as in ``mirror_averaged``. The network runs once on the image and, with
    ``flip``, once on its mirror image; at most five float maps of image size are held at a time.
    """

    @torch.no_grad()
    def views(image_HWC: numpy.ndarray) -> Iterator[View]:
        size = image_HWC.shape[:2]
        final_1CHW, low_1CHW = predict(image_HWC)
        low_1CHW = low_1CHW if heads else None
        yield View(final_1CHW)
        if not flip and low_1CHW is None:
            return
        straight_1CHW = probabilities(final_1CHW, size)
        if flip:
            mirrored_final_1CHW, mirrored_low_1CHW = predict(mirror_image(image_HWC))
            averaged_1CHW = (straight_1CHW + probabilities(mirrored_final_1CHW, size).flip(-1)) / 2
            yield View(averaged_1CHW, FINAL, True, are_probabilities=True)
        if low_1CHW is None:
            return
        yield View(low_1CHW, LOW)
        low_probability_1CHW = probabilities(low_1CHW, size)
        yield View((straight_1CHW + low_probability_1CHW) / 2, ENSEMBLE, are_probabilities=True)
        if flip:
            del straight_1CHW
            low_averaged_1CHW = (low_probability_1CHW + probabilities(mirrored_low_1CHW, size).flip(-1)) / 2
            yield View(low_averaged_1CHW, LOW, True, are_probabilities=True)
            yield View((averaged_1CHW + low_averaged_1CHW) / 2, ENSEMBLE, True, are_probabilities=True)

    return views

"""How good a model may be on images without labels: four scores of its predictions, in one pass.

With p(x) the softmax of a pixel's logits at network resolution, the mean over all pixels x of all images, and
H(q) = -sum_c q_c ln q_c in nats:

    mutual_information         H(mean p(x)) - mean H(p(x)), in [0, ln C]: information maximisation
    mean_entropy               mean H(p(x)), in [0, ln C]; the one that is better the lower it is
    max_square                 mean sum_c p_c(x)^2, in [1 / C, 1]: what MaxSquare maximises (paper, Eq. 6)
    soft_neighbourhood_density whether pixels that are alike are predicted alike (``neighbourhood``)

Mutual information between pixel and predicted class asks that many classes are used and that every pixel is sure; it
is the one that chooses a step. The others would not do. Mean entropy is what MinEnt minimises on these very images,
and the max-square score what MaxSquare maximises, so both always improve with further training and are best of all
for a model that calls everything road; so is soft neighbourhood density. Such a collapsed model has no mutual
information, and zero is the worst. How well each of them ranks models is measured, not assumed (``reporting.ranking``).
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.evaluation.measures.neighbourhood import SoftNeighbourhood


class LabelFreeScore(NamedTuple):
    """The four scores; entropies in nats. Higher is better, but of ``mean_entropy``."""

    mutual_information: float
    mean_entropy: float
    max_square: float
    soft_neighbourhood_density: float


def label_free_score(
    predict: Callable[[numpy.ndarray], Tensor],
    images: Iterable[numpy.ndarray],
    progress: Callable[[int], object] | None = None,
) -> LabelFreeScore:
    """Scores a model on images (H, W, 3) uint8, one held at a time; every pixel of the logits counts alike.

    Args:
        predict: From an image, or a batch of them, to logits (B, C, h, w), float.
        images: Target images; no label is asked for.
        progress: Called with 1 after every image.

    Raises:
        UserError: for no image, and for logits that are not finite.
    """
    pixels, entropy, square, probability_C, neighbourhood = 0, 0.0, 0.0, None, SoftNeighbourhood()
    for image_HWC in images:
        logits_BCHW = predict(image_HWC)
        if not torch.isfinite(logits_BCHW).all():
            raise UserError("the model's logits are not finite on a target image; lower its learning_rate, train again")
        # float64, for the difference of two nearly equal entropies is wanted, summed over millions of pixels.
        log_BCHW = logits_BCHW.to(torch.float64).log_softmax(dim=1)
        softmax_BCHW = log_BCHW.exp()
        entropy -= float((softmax_BCHW * log_BCHW).sum())
        square += float(softmax_BCHW.square().sum())
        sum_C = softmax_BCHW.sum(dim=(0, 2, 3))
        probability_C = sum_C if probability_C is None else probability_C + sum_C
        for softmax_CHW in softmax_BCHW:
            neighbourhood.add(softmax_CHW)
        pixels += logits_BCHW[:, 0].numel()
        if progress is not None:
            progress(1)
    if probability_C is None:
        raise UserError("there is no target image to score a model on; check the target cache's split")
    mean_C, mean_entropy = probability_C / pixels, entropy / pixels
    information = float(torch.special.entr(mean_C).sum()) - mean_entropy
    return LabelFreeScore(information, mean_entropy, square / pixels, neighbourhood.density())


def known_scores(score: LabelFreeScore) -> dict[str, float | None]:
    """The scores by name, None for one that is undefined: JSON knows no NaN."""
    return {name: None if math.isnan(value) else value for name, value in score._asdict().items()}

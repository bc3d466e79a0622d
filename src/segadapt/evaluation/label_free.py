"""How good a model may be on images without labels: information maximisation.

With p(x) the softmax of a pixel's logits at network resolution, and the mean over all pixels x of all images,

    score = H(mean p(x)) - mean H(p(x)),    H(q) = -sum_c q_c ln q_c   (nats)

is the mutual information between pixel and predicted class, in [0, ln C]; higher is better. The first term asks that
many classes are used, the second that every pixel is sure.

Mean entropy alone would not do: it is what MinEnt minimises on these very images (and MaxSquare nearly so), so it
always falls with further training, and is least of all, zero, for a model that calls everything road. Such a
collapsed model scores zero here too, and zero is the worst.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from segadapt.core.errors import UserError


class LabelFreeScore(NamedTuple):
    """Both in nats: the score, higher is better, and the mean entropy of the predictions in it."""

    mutual_information: float
    mean_entropy: float


def label_free_score(
    predict: Callable[[numpy.ndarray], Tensor],
    images: Iterable[numpy.ndarray],
    progress: Callable[[int], object] | None = None,
) -> LabelFreeScore:
    """Scores a model on images (H, W, 3) uint8, one held at a time; every pixel of the logits counts alike.

    Args:
        predict: From an image to its logits (1, C, h, w), float.
        images: Target images; no label is asked for.
        progress: Called with 1 after every image.

    Raises:
        UserError: for no image, and for logits that are not finite.
    """
    pixels, entropy, probability_C = 0, 0.0, None
    for image_HWC in images:
        logits_1CHW = predict(image_HWC)
        if not torch.isfinite(logits_1CHW).all():
            raise UserError("the model's logits are not finite on a target image; lower its learning_rate, train again")
        # float64, for the difference of two nearly equal entropies is wanted, summed over millions of pixels.
        log_1CHW = logits_1CHW.to(torch.float64).log_softmax(dim=1)
        softmax_1CHW = log_1CHW.exp()
        entropy -= float((softmax_1CHW * log_1CHW).sum())
        sum_C = softmax_1CHW.sum(dim=(0, 2, 3))
        probability_C = sum_C if probability_C is None else probability_C + sum_C
        pixels += logits_1CHW.shape[2] * logits_1CHW.shape[3]
        if progress is not None:
            progress(1)
    if probability_C is None:
        raise UserError("there is no target image to score a model on; check the target cache's split")
    mean_C, mean_entropy = probability_C / pixels, entropy / pixels
    return LabelFreeScore(float(torch.special.entr(mean_C).sum()) - mean_entropy, mean_entropy)


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """``wanted`` indices spread over [0, count), the first one 0; all of them if there are no more."""
    wanted = min(count, wanted)
    return [position * count // wanted for position in range(wanted)]

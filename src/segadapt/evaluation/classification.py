"""Scores a classifier on every image of a domain: each image is one pixel of the statistics."""

from collections.abc import Callable

import numpy
import torch
from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.core.scoring_mode import ScoringMode
from segadapt.data.packed.cache import PackedCache
from segadapt.evaluation.evaluation import Evaluation
from segadapt.evaluation.measures.label_free import LabelFreeScore, label_free_score
from segadapt.evaluation.measures.per_image import Measures
from segadapt.models import Network, to_input
from segadapt.models.compute import Compute


def centre_crop(image_HWC: numpy.ndarray, crop: tuple[int, int] | None) -> numpy.ndarray:
    """The window of ``crop`` = (width, height) in the middle; the whole image if None."""
    if crop is None:
        return image_HWC
    top, left = ((have - want) // 2 for have, want in zip(image_HWC.shape, crop[::-1], strict=False))
    return image_HWC[top : top + crop[1], left : left + crop[0]]


@torch.inference_mode()
def image_logits(
    model: Network,
    cache: PackedCache,
    crop: tuple[int, int] | None,
    compute: Compute,
    batch_size: int,
    progress: Callable[[int], object] | None = None,
) -> Tensor:
    """A model's logits, in evaluation mode, of every image of a cache: (N, C, 1, 1) float64 on the CPU."""
    model = compute.place(model).eval()
    found = []
    for start in range(0, len(cache), batch_size):
        indices = range(start, min(start + batch_size, len(cache)))
        images = numpy.stack([centre_crop(cache.image(index), crop) for index in indices])
        image_BCHW = to_input(torch.from_numpy(images), model.architecture.input, compute.device)
        with compute.autocast():
            logits_BC11 = model(compute.layout(image_BCHW))[0]
        found.append(logits_BC11.cpu().double())
        if progress is not None:
            progress(len(indices))
    return torch.cat(found)


def evaluate_images(
    logits_NC11: Tensor, cache: PackedCache, measures: bool = True
) -> tuple[Evaluation, LabelFreeScore]:
    """What a labelled cache says of the logits of its images, and what is said of them without labels.

    Probabilities are of a softmax in the logits' precision. UserError if a logit is not finite.
    """
    if not torch.isfinite(logits_NC11).all():
        raise UserError("the classifier's logits are not finite; lower its learning_rate and train again")
    confidence_N, prediction_N = (each.flatten().numpy() for each in logits_NC11.softmax(dim=1).max(dim=1))
    label_N = numpy.array([int(cache.label(index)[0, 0]) for index in range(len(cache))])
    measured = None
    if measures:
        each = zip(confidence_N.astype(numpy.float32), prediction_N, label_N, strict=True)
        measured = Measures.stacked([Measures.of_whole_image(*answer) for answer in each])
    classes = logits_NC11.shape[1]
    evaluation = Evaluation(
        tuple(map(cache.name, range(len(cache)))), {ScoringMode(): label_N * classes + prediction_N}, measured, classes
    )
    return evaluation, label_free_score(lambda logits: logits, [logits_NC11])

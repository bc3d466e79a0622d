"""Asks a classifier about every image of a domain."""

from collections.abc import Callable

import numpy
import torch

from segadapt.core.errors import UserError
from segadapt.data.packed.cache import PackedCache
from segadapt.evaluation.answers import LAST, Answers
from segadapt.models import Network, to_input
from segadapt.models.compute import Compute


def centre_crop(image_HWC: numpy.ndarray, crop: tuple[int, int] | None) -> numpy.ndarray:
    """The window of ``crop`` = (width, height) in the middle; the whole image if None."""
    if crop is None:
        return image_HWC
    top, left = ((have - want) // 2 for have, want in zip(image_HWC.shape, crop[::-1], strict=False))
    return image_HWC[top : top + crop[1], left : left + crop[0]]


@torch.inference_mode()
def answers(
    model: Network,
    cache: PackedCache,
    crop: tuple[int, int] | None,
    compute: Compute,
    batch_size: int,
    progress: Callable[[int], object] = lambda images: None,
) -> Answers:
    """Asks a model, in evaluation mode, about every image of a labelled cache.

    UserError if a logit is not finite. Probabilities are of float64 softmax.
    """
    model = compute.place(model).eval()
    found = []
    for start in range(0, len(cache), batch_size):
        indices = range(start, min(start + batch_size, len(cache)))
        images = numpy.stack([centre_crop(cache.image(index), crop) for index in indices])
        image_BCHW = to_input(torch.from_numpy(images), model.architecture.input, compute.device)
        with compute.autocast():
            logits_BC = model(compute.layout(image_BCHW))[0].flatten(1)
        found.append(logits_BC.cpu().double())
        progress(len(indices))
    logits_NC = torch.cat(found)
    if not torch.isfinite(logits_NC).all():
        raise UserError("the classifier's logits are not finite; lower its learning_rate and train again")
    confidence_N, prediction_N = logits_NC.softmax(dim=1).max(dim=1)
    return Answers(
        tuple(map(cache.name, range(len(cache)))),
        numpy.array([int(cache.label(index)[0, 0]) for index in range(len(cache))]),
        {LAST: prediction_N.numpy()},
        {LAST: confidence_N.float().numpy()},
        {LAST: _label_free(logits_NC)},
    )


def _label_free(logits_NC: torch.Tensor) -> dict[str, float]:
    softmax_NC = logits_NC.softmax(dim=1)
    mean_entropy = float(torch.special.entr(softmax_NC).sum(dim=1).mean())
    information = float(torch.special.entr(softmax_NC.mean(dim=0)).sum()) - mean_entropy
    square = float(softmax_NC.square().sum(dim=1).mean())
    return {"mutual_information": information, "mean_entropy": mean_entropy, "max_square": square}

"""Several models that are scored as one: the mean of their logits, or of their class probabilities.

ADVENT's best row, AdvEnt+MinEnt, is the former: two models that were trained apart; each one's logits are upsampled to
the label's size, then they are averaged with equal weights, and the largest mean wins (valeoai/ADVENT
``advent/domain_adaptation/eval_UDA.py:eval_single``). Upsampling is linear, so the mean may as well be taken before.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy
import torch
import torch.nn.functional as F
from torch import Tensor

from segadapt.evaluation.views import View, probabilities
from segadapt.models.loading import HeadsPredictor


def averaged_logits(members: Sequence[HeadsPredictor]) -> HeadsPredictor:
    """The predictor whose logits are the mean of the members', head by head; a low head only if all have one.

    Members whose logits have other resolutions meet at the image's size (bilinear, ``align_corners=True``). What is
    then averaged over mirror images or heads are softmax maps of these means, as for a single model.
    """

    @torch.no_grad()
    def predict(image_HWC: numpy.ndarray) -> tuple[Tensor, Tensor | None]:
        final, low = zip(*(member(image_HWC) for member in members), strict=True)
        size = image_HWC.shape[:2]
        return _mean(final, size), None if any(each is None for each in low) else _mean(low, size)

    return predict


def _mean(logits: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    logits = [each.to(torch.promote_types(each.dtype, torch.float32)) for each in logits]
    if len({each.shape for each in logits}) > 1:
        logits = [F.interpolate(each, size=size, mode="bilinear", align_corners=True) for each in logits]
    return sum(logits) / len(logits)


def averaged_views(
    members: Sequence[Callable[[numpy.ndarray], Iterable[View]]],
) -> Callable[[numpy.ndarray], Iterator[View]]:
    """A function from image_HWC to the views that all members have, each the mean of the members' probabilities.

    Args:
        members: From ``all_views``, with the same arguments. Logits are upsampled to the image's size, then comes their
            softmax, then the mean, as in ``mirror_averaged``.
    """

    @torch.no_grad()
    def views(image_HWC: numpy.ndarray) -> Iterator[View]:
        size = image_HWC.shape[:2]
        # A member without a low head ends early and its views are the first ones of the others: the common ones.
        for same in zip(*(member(image_HWC) for member in members), strict=False):
            assert len({(view.head, view.flip) for view in same}) == 1
            mean_1CHW = sum(view.probabilities(size) for view in same) / len(same)
            yield View(mean_1CHW, same[0].head, same[0].flip, True, same[0].aligned)

    return views


def final_logits(members: Sequence[HeadsPredictor]) -> Callable[[numpy.ndarray], Tensor]:
    """A function from image_HWC to logits (1, C, h, w) of the final head, of the ensemble if there are more members.

    An ensemble's are logarithms of its mean probabilities at the resolution of the first member's logits, so that
    their softmax is that mean.
    """
    if len(members) == 1:
        return lambda image_HWC: members[0](image_HWC)[0]

    @torch.no_grad()
    def predict(image_HWC: numpy.ndarray) -> Tensor:
        logits = [member(image_HWC)[0] for member in members]
        mean_1CHW = sum(probabilities(each, logits[0].shape[2:]) for each in logits) / len(logits)
        return mean_1CHW.clamp_min(torch.finfo(mean_1CHW.dtype).tiny).log()

    return predict


def combined_record(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Who made an ensemble, from the provenance of its members' jobs: their commits and machines, their cost summed.

    A single record is returned as it is. What a member does not know is left out, a cost only if no member knows it.
    """
    if len(records) == 1:
        return records[0]
    known = {
        key: [each[key] for each in records if each.get(key) is not None]
        for key in ("commit", "machine", "gpu_seconds", "fingerprint")
    }
    joined = {key: " ".join(dict.fromkeys(known[key])) or None for key in ("commit", "fingerprint")}
    machine = "; ".join(dict.fromkeys(known["machine"])) or None
    return joined | {"machine": machine, "gpu_seconds": sum(known["gpu_seconds"]) if known["gpu_seconds"] else None}

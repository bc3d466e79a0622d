"""Scores a file of weights on a data set as its authors ship it: no parameters, no cache, no pipeline."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch

from segadapt.core.errors import UserError
from segadapt.core.progress import progress_bar
from segadapt.data.datasets import SampleFiles
from segadapt.data.shipped.as_shipped import labelled_files, network_size, read_labelled
from segadapt.data.shipped.image_files import image_size
from segadapt.evaluation.evaluation import Evaluation
from segadapt.evaluation.evaluator import Sample, evaluate
from segadapt.evaluation.opened import EXACT, OpenedWeights
from segadapt.evaluation.views import View, all_views, mirror_averaged
from segadapt.labels import CLASS_SETS, ClassSet
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import final_predictor, heads_predictor


def views(class_set: ClassSet, named: str | None = None) -> dict[str, tuple[int, ...]]:
    """The class sets whose mean can be taken from a head of ``class_set``, with their train ids in it.

    Without ``named`` these are all sets of the same names or fewer, the head's own first; else that one alone.
    UserError if it has a class that the head cannot predict.
    """
    if named is not None and not set(CLASS_SETS[named].classes) <= set(class_set.classes):
        absent = sorted(set(CLASS_SETS[named].classes) - set(class_set.classes))
        raise UserError(
            f"the weights predict {class_set.name}, which lacks {', '.join(absent[:4])} of {named}; "
            f"choose other --classes or other weights"
        )
    names = [named] if named else [class_set.name, *CLASS_SETS]
    found: dict[str, tuple[int, ...]] = {}
    for name in names:
        if set(CLASS_SETS[name].classes) <= set(class_set.classes):
            positions = CLASS_SETS[name].positions_in(class_set)
            if positions not in found.values():
                found[name] = positions
    return found


@dataclass(frozen=True)
class Request:
    """What to score: a split of a data set in ``root``, at network size (width, height) or the default size.

    ``mirror`` averages the primary number over mirror images; ``modes`` leaves it and adds every other scoring mode.
    """

    dataset: str
    root: Path
    split: str
    size: tuple[int, int] | None = None
    mirror: bool = False
    modes: bool = False
    threads: int = 1


def score(weights: OpenedWeights, request: Request) -> tuple[Evaluation, tuple[int, int]]:
    """Confusion matrices of every image at both label sizes, and the network size that was used.

    Labels are read in the head's classes; all else in them is ignored.
    """
    files = labelled_files(request.dataset, request.root, request.split)
    size = request.size or network_size(image_size(files[0]), weights.long_side, weights.model.multiple)
    compute, aligned = set_up_compute(EXACT, request.threads), weights.model.aligned
    if request.modes:
        predict = all_views(heads_predictor(weights.model, compute), aligned=aligned)
    else:
        predict = final_predictor(weights.model, compute)
        predict = _as_view(mirror_averaged(predict) if request.mirror else predict, request.mirror, aligned)
    samples = _samples(files, request, size, weights.class_set)
    with progress_bar(f"evaluate {request.dataset}/{request.split}", len(files), unit="image") as bar:
        return evaluate(predict, samples, len(weights.class_set), bar.update), size


def _as_view(
    predict: Callable[[numpy.ndarray], torch.Tensor], are_probabilities: bool, aligned: bool
) -> Callable[[numpy.ndarray], list[View]]:
    """Logits, or averaged probabilities, in the place of the primary number."""
    return lambda image_HWC: [View(predict(image_HWC), are_probabilities=are_probabilities, aligned=aligned)]


def _samples(
    files: list[SampleFiles], request: Request, size: tuple[int, int], class_set: ClassSet
) -> Iterator[Sample]:
    read = read_labelled(request.dataset, files, size, class_set, request.threads)
    for each, sample in zip(files, read, strict=True):
        yield Sample(each.name, sample.image_HWC, sample.label_HW, sample.native_label_HW)

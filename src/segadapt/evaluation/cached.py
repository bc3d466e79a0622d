"""Scores a file of weights on packed caches: a labelled one, and the target's training images without labels."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from segadapt.data.cache import PackedCache
from segadapt.evaluation.evaluation import Evaluation
from segadapt.evaluation.evaluator import Sample, evaluate
from segadapt.evaluation.label_free import LabelFreeScore, evenly_spaced, label_free_score
from segadapt.evaluation.views import all_views, heads_predictor
from segadapt.labels import CLASS_SETS
from segadapt.training.assembly import trained_network
from segadapt.training.compute import Compute


def samples(cache: PackedCache) -> Iterator[Sample]:
    """Every labelled image of a cache, one held at a time."""
    for index in range(len(cache)):
        yield Sample(cache.name(index), cache.image(index), cache.label(index), cache.native_label(index))


def score_weights(
    weights: Path,
    config: dict[str, Any],
    compute: Compute,
    caches: dict[str, PackedCache],
    habits: dict[str, bool],
    progress: Callable[[int], object] | None = None,
) -> tuple[Evaluation, LabelFreeScore | None]:
    """The matrices of one model, and its label-free score if there are target images. The model is freed on return.

    Args:
        weights: One of our files; UserError if ``config`` says otherwise than the file.
        config: Of the evaluation's job.
        compute: Where and in which precision.
        caches: ``labelled``, and perhaps ``target``.
        habits: The arguments ``flip`` and ``heads`` of ``all_views``.
        progress: Called with 1 after every labelled image.
    """
    predict = heads_predictor(trained_network(weights, config), compute)
    classes = len(CLASS_SETS[config["model"]["classes"]])
    evaluation = evaluate(all_views(predict, **habits), samples(caches["labelled"]), classes, progress)
    target = caches.get("target")
    if target is None:
        return evaluation, None
    indices = evenly_spaced(len(target), config["label_free_images"])
    return evaluation, label_free_score(lambda image_HWC: predict(image_HWC)[0], map(target.image, indices))

"""Scores a file of weights on packed caches: a labelled one, and the target's training images without labels."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy

from segadapt.core.parameters import width_height
from segadapt.data.packed.cache import PackedCache
from segadapt.evaluation.classification import evaluate_images, image_logits
from segadapt.evaluation.ensembles import averaged_logits, averaged_views, final_logits
from segadapt.evaluation.evaluation import Evaluation
from segadapt.evaluation.evaluator import Sample, evaluate
from segadapt.evaluation.measures.label_free import LabelFreeScore, label_free_score
from segadapt.evaluation.measures.neighbourhood import evenly_spaced
from segadapt.evaluation.views import View, all_views
from segadapt.labels import CLASS_SETS
from segadapt.models.compute import Compute
from segadapt.models.loading import HeadsPredictor, heads_predictor, trained_network


def samples(cache: PackedCache) -> Iterator[Sample]:
    """Every labelled image of a cache, one held at a time."""
    for index in range(len(cache)):
        yield Sample(cache.name(index), cache.image(index), cache.label(index), cache.native_label(index))


def opened(
    weights: Sequence[Path], config: dict[str, Any], compute: Compute, test_time: dict[str, bool]
) -> tuple[list[HeadsPredictor], Callable[[numpy.ndarray], Iterable[View]]]:
    """The model of a file, or those of an ensemble (one if their logits are averaged), and from an image to its views.

    The arguments are those of ``score_weights``; UserError if ``config`` says otherwise than a file.
    """
    heads = config.get("auxiliary_of_members") or [config["auxiliary"]] * len(weights)
    wanted = [config | {"auxiliary": each} for each in heads]
    networks = [trained_network(path, each) for path, each in zip(weights, wanted, strict=True)]
    members = [heads_predictor(network, compute) for network in networks]
    if config.get("ensemble_average") == "logits":
        members = [averaged_logits(members)]
    views = [all_views(member, **test_time, aligned=networks[0].aligned) for member in members]
    return members, views[0] if len(views) == 1 else averaged_views(views)


def score_weights(
    weights: Sequence[Path],
    config: dict[str, Any],
    compute: Compute,
    caches: dict[str, PackedCache],
    test_time: dict[str, bool],
    progress: Callable[[int], object] | None = None,
    measures: bool = True,
) -> tuple[Evaluation, LabelFreeScore | None]:
    """The statistics of one model, and its label-free scores if there are target images. The model is freed on return.

    A classifier is scored without labels on the labelled images.

    Args:
        weights: One of our files, or those of an ensemble; UserError if ``config`` says otherwise than a file.
        config: Of the evaluation's job; ``auxiliary_of_members`` says which members of an ensemble have a low head,
            ``ensemble_average`` whether their logits or their probabilities are averaged, ``labels`` which part of the
            model's classes the labels have.
        compute: Where and in which precision.
        caches: ``labelled``, read in the model's classes, and perhaps ``target``.
        test_time: The arguments ``flip`` and ``heads`` of ``all_views``.
        progress: Called with 1 after every labelled image.
        measures: Whether calibration and boundaries are measured too.
    """
    if CLASS_SETS[config["model"]["classes"]].task == "classification":
        (network,), crop = (trained_network(path, config) for path in weights), config["crop"]
        size = crop and width_height(crop)
        logits_NC11 = image_logits(network, caches["labelled"], size, compute, config["batch_size"], progress)
        return evaluate_images(logits_NC11, caches["labelled"], measures)
    members, predict = opened(weights, config, compute, test_time)
    classes = len(CLASS_SETS[config["model"]["classes"]])
    evaluation = evaluate(predict, samples(caches["labelled"]), classes, progress, measures)
    if "labels" in config:
        part, whole = CLASS_SETS[config["labels"]["classes"]], CLASS_SETS[config["model"]["classes"]]
        evaluation = replace(evaluation, labelled=part.positions_in(whole))
    target = caches.get("target")
    if target is None:
        return evaluation, None
    indices = evenly_spaced(len(target), config["label_free_images"])
    return evaluation, label_free_score(final_logits(members), map(target.image, indices))

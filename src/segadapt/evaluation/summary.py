"""An evaluation as plain numbers, for people and for ``dvc metrics``."""

import math
from collections.abc import Mapping
from typing import Any

from segadapt.core.scoring_mode import MERGED
from segadapt.evaluation.evaluation import Evaluation
from segadapt.evaluation.measures.iou import miou_from_matrix
from segadapt.evaluation.measures.label_free import LabelFreeScore, known_scores
from segadapt.evaluation.measures.merged import are_merged, merged
from segadapt.labels import ClassSet


def metrics(
    evaluation: Evaluation,
    class_set: ClassSet,
    made_by: dict[str, Any],
    label_free: Mapping[int | None, LabelFreeScore] | None = None,
    last_step: int | None = None,
    label_set: ClassSet | None = None,
) -> dict[str, Any]:
    """mIoU and IoU, or accuracies, in [0, 1] at each label size (None for an absent class), and how the model was made.

    ``variants`` holds the score of the last step's model in every mode, ``steps`` that of every step there
    is a model of, with its label-free scores; it is empty where no target image was looked at, and holds the last
    step alone where no snapshot was kept. ``measures`` are calibration and boundaries at network label size.
    Where predictions can be merged to the classes of the labels, ``variants`` has the final head's scores of that too.

    Args:
        evaluation: Its snapshots' matrices are those of the steps that ``label_free`` names.
        class_set: The classes of the model.
        made_by: The provenance of the model's job; an imported model has none.
        label_free: Scores by step, None being the last one.
        last_step: How many steps the model was trained for.
        label_set: The classes of the labels, if they are a part of the model's.
    """
    scored = label_set or class_set
    sizes = {}
    for size in evaluation.sizes:
        named = zip(scored.classes, evaluation.class_scores(size).tolist(), strict=True)
        sizes[size] = {
            evaluation.reduction.overall: evaluation.score(size),
            evaluation.reduction.by_class: {name: _known(value) for name, value in named},
        }
    variants = {
        each.name: _known(evaluation.score(each.size, head=each.head, flip=each.flip))
        for each in evaluation.statistics
        if each.step is None
    }
    if are_merged(class_set, scored):
        matrices = {MERGED[size]: merged(evaluation.matrix(size)) for size in evaluation.sizes}
        variants |= {name: _known(miou_from_matrix(each)) for name, each in matrices.items()}
    steps = [
        {"step": last_step if step is None else step}
        | {size: _known(evaluation.score(size, step=step)) for size in evaluation.sizes}
        | known_scores(score)
        for step, score in (label_free or {}).items()
    ]
    model = {key: made_by.get(key) for key in ("commit", "machine", "gpu_seconds", "fingerprint")}
    return {
        "images": len(evaluation.image_names),
        "selection": "last step",
        **sizes,
        "measures": evaluation.measures.summary(evaluation.labelled) if evaluation.measures else {},
        "variants": variants,
        "steps": steps,
        "model": model,
    }


def _known(value: float) -> float | None:
    """JSON knows no NaN, which is the IoU of an absent class."""
    return None if math.isnan(value) else value

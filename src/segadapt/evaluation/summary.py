"""An evaluation as plain numbers, for people and for ``dvc metrics``."""

import math
from typing import Any

from segadapt.evaluation.evaluator import LABEL_SIZES, Evaluation
from segadapt.labels import ClassSet


def metrics(evaluation: Evaluation, class_set: ClassSet, made_by: dict[str, Any]) -> dict[str, Any]:
    """mIoU and IoU in [0, 1] at both label sizes (None for an absent class), and how the model was made.

    ``made_by`` is the provenance of the model's job; an imported model has none.
    """
    sizes = {}
    for size in LABEL_SIZES:
        iou_C = evaluation.iou(size).tolist()
        named = zip(class_set.classes, iou_C, strict=True)
        sizes[size] = {
            "mIoU": evaluation.miou(size),
            "IoU": {name: None if math.isnan(value) else value for name, value in named},
        }
    model = {key: made_by.get(key) for key in ("commit", "machine", "gpu_seconds", "fingerprint")}
    return {"images": len(evaluation.image_names), "selection": "last step", **sizes, "model": model}

"""Two passes over the target images: how sure the model is, then which pixels it is sure enough of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.labels import write_label_pack
from segadapt.evaluation.views import mirror_averaged, probabilities
from segadapt.labels import CLASS_SETS, IGNORE_INDEX
from segadapt.selftraining.confidence_histogram import ConfidenceHistogram
from segadapt.selftraining.kept_logits import Predictor


def scores(predict: Predictor, flip: bool, prior_CHW: Tensor | None) -> Predictor:
    """A function from image_HWC to float32 scores (C, H, W) at the image's size: probabilities times the prior.

    predict: image_HWC to logits_1CHW. flip: average the probabilities with those of the mirror image. The product
    with the prior is not normalised again (CBST ``issegm/solve_ST.py:_val_impl``). UserError if it is not finite.
    """
    averaged = mirror_averaged(predict)

    @torch.no_grad()
    def score(image_HWC: np.ndarray) -> Tensor:
        size = image_HWC.shape[:2]
        probability_1CHW = averaged(image_HWC) if flip else probabilities(predict(image_HWC), size)
        score_CHW = probability_1CHW[0].float()
        if prior_CHW is not None:
            score_CHW = score_CHW * prior_CHW.to(score_CHW.device)
        if not torch.isfinite(score_CHW).all():
            raise UserError("the model's probabilities are not finite; lower its learning_rate and train it again")
        return score_CHW

    return score


def make_pseudo_labels(
    score: Predictor, target: PackedCache, class_set: str, settings: dict[str, Any], folder: Path,
    progress: Callable[[int], object] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Writes the pseudo-labels of all images of ``target`` into ``folder`` and returns what was selected, for JSON.

    The target's labels, if its cache has any, are never read.

    Args:
        score: From image_HWC to scores (C, H, W), see :func:`scores`. It is called twice for every image, for the
            scores of a whole data set are large; its ``predict`` may keep the logits (``kept_logits``).
        target: The images.
        class_set: Of the model and the labels.
        settings: ``portion`` in [0, 1], ``stride``, and ``selection``: ``class_balanced`` or ``global``.
        folder: Gets ``pack.bin`` and ``manifest.json``.
        progress: Called with 1 after every image of each pass.
    """
    progress = progress or (lambda done: None)
    names = CLASS_SETS[class_set].classes
    histogram = ConfidenceHistogram(len(names), settings["stride"])
    for index in range(len(target)):
        confidence_HW, label_HW = score(target.image(index)).max(dim=0)
        histogram.update(confidence_HW.cpu().numpy(), label_HW.cpu().numpy())
        progress(1)
    balanced = settings["selection"] == "class_balanced"
    threshold = histogram.class_thresholds if balanced else histogram.global_threshold
    threshold_C = threshold(settings["portion"])

    def labels():
        for index in range(len(target)):
            score_CHW = score(target.image(index))
            limit_C = torch.from_numpy(threshold_C).to(score_CHW.device)
            yield confident_labels(score_CHW, limit_C).cpu().numpy()
            progress(1)

    sample_names = [target.name(index) for index in range(len(target))]
    kept_C = write_label_pack(folder, sample_names, labels(), (target.width, target.height), class_set)[: len(names)]
    return _summary(settings, names, threshold_C, histogram.predicted_C, kept_C)


def _summary(
    settings: dict[str, Any], names: tuple[str, ...], threshold_C: np.ndarray, predicted_C: np.ndarray,
    kept_C: np.ndarray,
) -> dict[str, Any]:  # fmt: skip
    """Shares are of all pixels, ``kept_of_predicted`` is of the class's own and may exceed the portion: a pixel may
    be given to another class than the one it was predicted as."""
    total = int(predicted_C.sum())
    classes = {
        name: {
            "threshold": float(threshold_C[index]),
            "predicted_pixels": int(predicted_C[index]),
            "predicted_share": int(predicted_C[index]) / total,
            "kept_pixels": int(kept_C[index]),
            "kept_share": int(kept_C[index]) / total,
            "kept_of_predicted": int(kept_C[index]) / int(predicted_C[index]) if predicted_C[index] else None,
        }
        for index, name in enumerate(names)
    }
    return settings | {"pixels": total, "kept_share": int(kept_C.sum()) / total, "classes": classes}


def confident_labels(probability_CHW: Tensor, threshold_C: Tensor) -> Tensor:
    """The class whose probability is largest in units of its threshold, where it reaches it; else ``IGNORE_INDEX``.

    Args:
        probability_CHW: Float, at least 0, perhaps multiplied by a spatial prior; at most 255 classes.
        threshold_C: k_c in (0, 1], of the same dtype and device. With one number for all classes this is plain
            self-training.

    Returns:
        uint8 (H, W). Of equals the lowest class id is taken. p / k >= 1 holds exactly where p >= k does.
    """
    weighted_HW, label_HW = (probability_CHW / threshold_C[:, None, None]).max(dim=0)
    return torch.where(weighted_HW >= 1, label_HW, IGNORE_INDEX).to(torch.uint8)

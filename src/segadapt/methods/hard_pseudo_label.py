"""Hard pseudo-labels: cross-entropy against the model's own confident prediction. Option: ``threshold``."""

from typing import Any

from torch import Tensor

from segadapt.losses import hard_pseudo_label
from segadapt.methods import Objective, Prediction
from segadapt.methods.composition import own_options


def build(method: dict[str, Any], protocol: dict[str, Any]) -> Objective:
    """On the final head, as the released target mode "hard"."""
    threshold = own_options(method, threshold=0.95)["threshold"]

    def objective(prediction: Prediction, size: tuple[int, int]) -> Tensor:
        return hard_pseudo_label(prediction.logits_final_BCHW, size, threshold)

    return objective

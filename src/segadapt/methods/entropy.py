"""MinEnt: minimise the entropy of the prediction (paper, Eq. 3), with or without image weights."""

from typing import Any

from torch import Tensor

from segadapt.losses import entropy
from segadapt.methods import Objective, Prediction
from segadapt.methods.composition import image_weight


def build(method: dict[str, Any], protocol: dict[str, Any]) -> Objective:
    """On the final head, as the released ``MinEnt`` runs."""
    weight = image_weight(method, protocol)

    def objective(prediction: Prediction, size: tuple[int, int]) -> Tensor:
        return entropy(prediction.logits_final_BCHW, size, protocol["normalisation"], weight)

    return objective

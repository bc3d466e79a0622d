"""MaxSquare: maximise the sum of squared probabilities (paper, Eq. 6 and, with image weights, Eq. 13)."""

from typing import Any

from torch import Tensor

from segadapt.losses import max_squares
from segadapt.methods import Objective, Prediction
from segadapt.methods.composition import image_weight


def build(method: dict[str, Any], protocol: dict[str, Any]) -> Objective:
    """On the final head; the protocol says how it is normalised and whether the 1/2 is there."""
    weight = image_weight(method, protocol)

    def objective(prediction: Prediction, size: tuple[int, int]) -> Tensor:
        half = protocol["max_squares_half"]
        return max_squares(prediction.logits_final_BCHW, size, protocol["normalisation"], half, weight)

    return objective

"""Scaled entropy: MinEnt on probabilities that stay away from 0 and 1 (paper, Fig. 1). Option: ``gamma``."""

from typing import Any

from torch import Tensor

from segadapt.losses import scaled_entropy
from segadapt.methods import Objective, Prediction
from segadapt.methods.composition import image_weight, own_options


def build(method: dict[str, Any], protocol: dict[str, Any]) -> Objective:
    """On the final head; ``gamma`` 0 is MinEnt."""
    weight = image_weight(method, protocol)
    gamma = own_options(method, gamma=0.05)["gamma"]

    def objective(prediction: Prediction, size: tuple[int, int]) -> Tensor:
        return scaled_entropy(prediction.logits_final_BCHW, size, protocol["normalisation"], weight, gamma)

    return objective

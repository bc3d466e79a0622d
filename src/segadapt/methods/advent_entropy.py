"""MinEnt as ADVENT defines it: entropy over log C, on both heads where there are two. Option: ``low_weight``.

Source: ADVENT ``advent/utils/loss.py:entropy_loss``, which takes logarithms to the base 2 and divides by log2 C.
Its lambdas, 0.001 and 0.0002, are ``lambda_target`` and ``low_weight`` times that.
"""

import math
from typing import Any

from torch import Tensor

from segadapt.losses import entropy
from segadapt.methods import Objective, Prediction
from segadapt.methods.composition import own_options


def build(method: dict[str, Any], protocol: dict[str, Any]) -> Objective:
    """Mean over pixels of the entropy in [0, 1]; no protocol switch changes it."""
    low_weight = own_options(method, low_weight=0.2)["low_weight"]

    def objective(prediction: Prediction, size: tuple[int, int]) -> Tensor:
        final, low = prediction.logits_final_BCHW, prediction.logits_low_BCHW
        loss = entropy(final, size, "paper")
        if low is not None:
            loss = loss + low_weight * entropy(low, size, "paper")
        return loss / math.log(final.shape[1])

    return objective

"""Multi-level self-produced guidance: the low head learns the ensemble's confident labels (paper, Eq. 14-16)."""

from typing import Any

from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.losses import guidance
from segadapt.methods import Objective, Prediction


def with_guidance(objective: Objective, method: dict[str, Any], protocol: dict[str, Any]) -> Objective:
    """Adds ``guidance.weight`` times the guidance of the low head to a target objective.

    The released code scales both terms by lambda_target (MaxSquareLoss ``tools/solve_gta5.py``), and so
    does the trainer. UserError if the model has no auxiliary head.
    """
    settings = method["guidance"]

    def guided(prediction: Prediction, size: tuple[int, int]) -> Tensor:
        low, final = prediction.logits_low_BCHW, prediction.logits_final_BCHW
        if low is None:
            raise UserError("guidance needs a model with the auxiliary head; pretrain it with auxiliary: true")
        low_loss = guidance(low, final, size, settings["threshold"], protocol["guidance_mask"])
        return objective(prediction, size) + settings["weight"] * low_loss

    return guided

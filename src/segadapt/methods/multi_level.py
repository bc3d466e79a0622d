"""Multi-level self-produced guidance: the low head learns the ensemble's confident labels (paper, Eq. 14-16)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.losses import guidance
from segadapt.methods.passes import Prediction
from segadapt.methods.settings import Guidance


def guidance_of(settings: Mapping[str, Any], protocol: Mapping[str, Any]) -> Guidance:
    """``weight`` times the guidance of the low head, as the ``guidance`` section of an entry describes it.

    The released code scales it by lambda_target as it does the loss beside it (MaxSquareLoss ``tools/solve_gta5.py``),
    and so does :meth:`segadapt.methods.Method.on_target`. UserError if the model has no auxiliary head.
    """

    def guided(prediction: Prediction, size: tuple[int, int]) -> Tensor:
        low, final = prediction.logits_low_BCHW, prediction.logits_final_BCHW
        if low is None:
            raise UserError("guidance needs a model with the auxiliary head; pretrain it with auxiliary: true")
        return settings["weight"] * guidance(low, final, size, settings["threshold"], protocol["guidance_mask"])

    return guided

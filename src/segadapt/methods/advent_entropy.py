"""MinEnt as ADVENT defines it: entropy over log C, on both heads where there are two.

Source: ADVENT ``advent/utils/loss.py:entropy_loss``, which takes logarithms to the base 2 and divides by log2 C.
Its lambdas, 0.001 and 0.0002, are ``lambda_target`` and ``low_weight`` times that.
"""

import math
from typing import Annotated

from pydantic import Field
from torch import Tensor

from segadapt.data.batches.batch import Batch
from segadapt.losses import entropy
from segadapt.methods import Method, Prediction, Section

TAKES = ("guidance", "adversarial")


class Options(Section):
    """``low_weight`` is the low head's in the loss, where the final head's is 1."""

    low_weight: Annotated[float, Field(ge=0)] = 0.2


class AdventEntropy(Method):
    """Mean over pixels of the entropy in [0, 1]; no protocol switch changes it."""

    def target_loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        final, low = prediction.logits_final_BCHW, prediction.logits_low_BCHW
        loss = entropy(final, batch.size, "paper")
        if low is not None:
            loss = loss + self.settings.options.low_weight * entropy(low, batch.size, "paper")
        return loss / math.log(final.shape[1])

"""Scaled entropy: MinEnt on probabilities that stay away from 0 and 1 (paper, Fig. 1)."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from segadapt.data.batches.batch import Batch
from segadapt.losses import scaled_entropy
from segadapt.methods import Method, Prediction, Section

TAKES = ("image_weight", "guidance", "adversarial")


class Options(Section):
    """``gamma`` 0 is MinEnt."""

    gamma: Annotated[float, Field(ge=0, lt=1)] = 0.05


class ScaledEntropy(Method):
    """On the final head."""

    def target_loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        normalisation, gamma = self.settings.protocol["normalisation"], self.settings.options.gamma
        logits_BCHW = prediction.logits_final_BCHW
        return scaled_entropy(logits_BCHW, batch.size, normalisation, self.settings.image_weight, gamma)

"""Hard pseudo-labels: cross-entropy against the model's own confident prediction."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from segadapt.data.batches.batch import Batch
from segadapt.losses import hard_pseudo_label
from segadapt.methods import Method, Prediction, Section

TAKES = ("guidance", "adversarial")


class Options(Section):
    """Predictions of a probability above ``threshold`` are labels."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.95


class HardPseudoLabel(Method):
    """On the final head, as the released target mode "hard"."""

    def target_loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        return hard_pseudo_label(prediction.logits_final_BCHW, batch.size, self.settings.options.threshold)

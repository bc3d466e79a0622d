"""MinEnt: minimise the entropy of the prediction (paper, Eq. 3), with or without image weights."""

from torch import Tensor

from segadapt.data.batches.batch import Batch
from segadapt.losses import entropy
from segadapt.methods import Method, Prediction

TAKES = ("image_weight", "guidance", "adversarial")
BY_LOSS_TIME = True


class Entropy(Method):
    """On the final head, as the released ``MinEnt`` runs."""

    def target_loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        normalisation = self.settings.protocol["normalisation"]
        return entropy(prediction.logits_final_BCHW, batch.size, normalisation, self.settings.image_weight)

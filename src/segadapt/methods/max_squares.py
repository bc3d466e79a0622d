"""MaxSquare: maximise the sum of squared probabilities (paper, Eq. 6 and, with image weights, Eq. 13)."""

from torch import Tensor

from segadapt.data.batches.batch import Batch
from segadapt.losses import max_squares
from segadapt.methods import Method, Prediction

TAKES = ("image_weight", "guidance", "adversarial")
BY_LOSS_TIME = True


class MaxSquares(Method):
    """On the final head; the protocol says how it is normalised and whether the 1/2 is there."""

    def target_loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        protocol, weight = self.settings.protocol, self.settings.image_weight
        half = protocol["max_squares_half"]
        return max_squares(prediction.logits_final_BCHW, batch.size, protocol["normalisation"], half, weight)

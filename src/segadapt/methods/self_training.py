"""Self-training: cross-entropy with the pseudo-labels of a round, on the final head (CBST, CBST-SP and ST).

What differs between the three is how the pseudo-labels were chosen; see ``segadapt.selftraining``.
"""

from torch import Tensor

from segadapt.data.batches.batch import Batch
from segadapt.losses import cross_entropy
from segadapt.methods import Method, Prediction


class SelfTraining(Method):
    """Mean over the pixels that have a pseudo-label, 0 where none has; no protocol switch changes it."""

    def target_loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        return cross_entropy(prediction.logits_final_BCHW, batch.label_BHW, batch.size)

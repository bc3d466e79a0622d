"""Self-training: cross-entropy with the pseudo-labels of a round, on the final head (CBST, CBST-SP and ST).

What differs between the three is how the pseudo-labels were chosen; see ``segadapt.selftraining``.
"""

from typing import Any

from torch import Tensor

from segadapt.losses import cross_entropy
from segadapt.methods import Objective, Prediction
from segadapt.methods.composition import own_options


def build(method: dict[str, Any], protocol: dict[str, Any]) -> Objective:
    """Mean over the pixels that have a pseudo-label, 0 where none has; no protocol switch changes it."""
    own_options(method)

    def objective(prediction: Prediction, size: tuple[int, int], label_BHW: Tensor) -> Tensor:
        return cross_entropy(prediction.logits_final_BCHW, label_BHW, size)

    return objective

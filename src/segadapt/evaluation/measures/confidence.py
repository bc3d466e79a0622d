"""How sure a model is of each class: the horizontal axis of the paper's Figure 2.

Neither the paper nor its code says what "probability of a class" is averaged over. Two readings are computed, over
pixels that have a label, the ones that IoU counts:

    predicted: the mean of the largest probability over the pixels *predicted* as c
    labelled:  the mean of p_c over the pixels *labelled* c
"""

from dataclasses import dataclass

import numpy
import torch

from segadapt.core.errors import UserError
from segadapt.evaluation.views import probabilities
from segadapt.labels import IGNORE_INDEX


@dataclass(frozen=True)
class ConfidenceByClass:
    """Mean probabilities in [0, 1], float64 (C,); NaN for a class that no pixel is predicted as, or labelled."""

    predicted_C: numpy.ndarray
    labelled_C: numpy.ndarray


class ClassConfidence:
    """Collects the probabilities of many images, in float64.

    Args:
        num_classes: C, the classes of the logits; labels are train ids in [0, C) or ``IGNORE_INDEX``.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._sums_2C = numpy.zeros((2, num_classes))
        self._counts_2C = numpy.zeros((2, num_classes), numpy.int64)

    @torch.no_grad()
    def update(self, logits_1CHW: torch.Tensor, label_HW: numpy.ndarray) -> None:
        """Adds an image: its logits at any resolution, upsampled to the size of its train-id labels.

        UserError for logits of another number of classes or not finite, and for a label out of range.
        """
        if logits_1CHW.shape[:2] != (1, self.num_classes):
            raise UserError(
                f"the model gave logits of shape {tuple(logits_1CHW.shape)} for one image of {self.num_classes} "
                "classes; use weights and labels of the same class set"
            )
        if not torch.isfinite(logits_1CHW).all():
            raise UserError("the model's logits hold a value that is not finite; its weights diverged, train it again")
        known_N = (label_HW != IGNORE_INDEX).ravel()
        label_N = label_HW.ravel()[known_N].astype(numpy.int64)
        if label_N.size and label_N.max() >= self.num_classes:
            raise UserError(
                f"label value {label_N.max()} is outside the classes 0..{self.num_classes - 1}; map it first"
            )
        probability_CHW = probabilities(logits_1CHW, label_HW.shape)[0].cpu()
        probability_CN = probability_CHW.reshape(self.num_classes, -1).numpy()[:, known_N]
        top_N = probability_CN.argmax(axis=0)
        pixels_N = numpy.arange(label_N.size)
        for reading, class_N in enumerate((top_N, label_N)):
            self._sums_2C[reading] += numpy.bincount(class_N, probability_CN[class_N, pixels_N], self.num_classes)
            self._counts_2C[reading] += numpy.bincount(class_N, minlength=self.num_classes)

    def means(self) -> ConfidenceByClass:
        """The means over all pixels so far."""
        absent = numpy.full(self._sums_2C.shape, numpy.nan)
        means_2C = numpy.divide(self._sums_2C, self._counts_2C, out=absent, where=self._counts_2C > 0)
        return ConfidenceByClass(*means_2C)

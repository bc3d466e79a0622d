"""Confusion matrices of label maps, on any device."""

from collections.abc import Sequence

import numpy
import torch

from segadapt.core.errors import UserError
from segadapt.evaluation.measures.iou import iou_from_matrix, miou_from_matrix
from segadapt.evaluation.pairs import count_pairs
from segadapt.labels import IGNORE_INDEX

_IGNORED_BYTE = 255

Pixels = numpy.ndarray | torch.Tensor


class ConfusionMatrix:
    """Counts of (label, prediction) pixel pairs: rows are labels, columns are predictions.

    Pixels labelled ``ignore_index`` are left out entirely, of rows and of columns, as in the
    evaluation of MaxSquareLoss (``utils/eval.py``), AdaptSegNet and ADVENT (``compute_iou.py``).

    Args:
        num_classes: C, at most 255; labels and predictions are train ids in [0, C).
        ignore_index: The label value that is not counted; it must lie outside [0, C).
    """

    def __init__(self, num_classes: int, ignore_index: int = IGNORE_INDEX) -> None:
        if not 1 <= num_classes <= 255 or 0 <= ignore_index < num_classes:
            raise UserError(
                f"a confusion matrix needs 1 to 255 classes and an ignore_index outside the class ids, "
                f"got num_classes={num_classes}, ignore_index={ignore_index}"
            )
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self._matrix_CC = numpy.zeros((num_classes, num_classes), numpy.int64)

    @property
    def matrix(self) -> numpy.ndarray:
        """A copy of the counts, int64 of shape (C, C)."""
        return self._matrix_CC.copy()

    def update(self, label: Pixels, prediction: Pixels) -> None:
        """Adds the pixels of one map or batch.

        Args:
            label: Integers of any shape, numpy or torch, in [0, C) or ``ignore_index``.
            prediction: Integers of the same shape in [0, C), at ignored pixels too.

        Raises:
            UserError: (a ValueError) for unequal shapes, a type that is not an integer, or a value
                out of range, which is named; nothing of the call is then counted.
        """
        if tuple(label.shape) != tuple(prediction.shape):
            raise UserError(
                f"label and prediction must have the same shape, got {tuple(label.shape)} and "
                f"{tuple(prediction.shape)}; upsample the logits to the label's size"
            )
        prediction_bytes = self._bytes(prediction, "prediction")
        label_bytes = self._bytes(label, "label")
        if prediction_bytes.numel() and int(prediction_bytes.max()) >= self.num_classes:
            self._refuse("prediction", int(prediction_bytes[prediction_bytes >= self.num_classes][0]))
        # One count with all bytes as labels serves the sum, the check and the ignored pixels, where a mask and a look
        # at the extremes would each read the map again.
        counts = count_pairs(label_bytes, prediction_bytes, self.num_classes).cpu().numpy()
        foreign = numpy.flatnonzero(counts[self.num_classes : _IGNORED_BYTE].any(axis=1))
        if foreign.size:
            self._refuse("label", self.num_classes + foreign[0])
        self._matrix_CC += counts[: self.num_classes]

    def iou(self) -> numpy.ndarray:
        """Intersection over union of every class; see ``iou_from_matrix``."""
        return iou_from_matrix(self._matrix_CC)

    def miou(self, classes: Sequence[int] | None = None) -> float:
        """Mean IoU over all classes or over the given train ids; see ``miou_from_matrix``."""
        return miou_from_matrix(self._matrix_CC, classes)

    def __add__(self, other: "ConfusionMatrix") -> "ConfusionMatrix":
        if not isinstance(other, ConfusionMatrix):
            return NotImplemented
        if (self.num_classes, self.ignore_index) != (other.num_classes, other.ignore_index):
            raise UserError(
                f"cannot add confusion matrices of {self.num_classes} and {other.num_classes} classes "
                f"(ignore_index {self.ignore_index} and {other.ignore_index})"
            )
        total = ConfusionMatrix(self.num_classes, self.ignore_index)
        total._matrix_CC = self._matrix_CC + other._matrix_CC
        return total

    def _bytes(self, pixels: Pixels, what: str) -> torch.Tensor:
        """The values as flat bytes, ignored labels as 255; what no byte can hold is refused here."""
        ids = _integers(pixels, what)
        if ids.dtype == torch.uint8 and (what == "prediction" or self.ignore_index == _IGNORED_BYTE):
            return ids
        ignored = (ids == self.ignore_index) & (what == "label")
        foreign = ids[~ignored & ((ids < 0) | (ids >= self.num_classes))]
        if foreign.numel():
            self._refuse(what, foreign[0].item())
        return ids.to(torch.uint8).masked_fill_(ignored, _IGNORED_BYTE)

    def _refuse(self, what: str, value: int) -> None:
        raise UserError(
            f"{what} value {value} is outside the classes 0..{self.num_classes - 1}"
            + (f" and is not ignore_index {self.ignore_index}; map the labels to train ids" if what == "label" else "")
        )


def _integers(pixels: Pixels, what: str) -> torch.Tensor:
    """The values as a flat tensor: bytes as they are, any other integer type as int64."""
    if isinstance(pixels, torch.Tensor):
        whole = not (pixels.is_floating_point() or pixels.is_complex() or pixels.dtype == torch.bool)
    else:
        whole = numpy.issubdtype(pixels.dtype, numpy.integer)
    if not whole:
        raise UserError(f"{what} must hold integer class ids, got {pixels.dtype}; take the argmax of logits first")
    if isinstance(pixels, numpy.ndarray):
        # The copy of a byte map costs little and makes memory that torch may share.
        pixels = torch.from_numpy(pixels.astype(numpy.uint8 if pixels.dtype == numpy.uint8 else numpy.int64, order="C"))
    flat = pixels.detach().reshape(-1)
    return flat if flat.dtype == torch.uint8 else flat.to(torch.int64)

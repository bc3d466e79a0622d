"""What confusion matrices come to: numbers of each class and of all, as segmentation and as classification count."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy

from segadapt.evaluation.measures.iou import iou_from_matrix, miou_from_matrix


@dataclass(frozen=True)
class Reduction:
    """From counts (..., C, C), rows are labels, to fractions in [0, 1]; NaN where nothing is there.

    ``overall`` and ``by_class`` are the names of the two numbers in ``metrics.json`` and in tables.
    """

    overall: str
    by_class: str
    of_all: Callable[[numpy.ndarray], float]
    """Of one matrix (C, C)."""
    of_each: Callable[[numpy.ndarray], numpy.ndarray]
    """The same of several, (R, C, C) to float64 (R,)."""
    of_classes: Callable[[numpy.ndarray], numpy.ndarray]
    """(..., C, C) to float64 (..., C)."""


def miou_of_each(matrix_RCC: numpy.ndarray, classes: Sequence[int] | None = None) -> numpy.ndarray:
    """``miou_from_matrix`` of every matrix, float64 (R,): absent classes are left out; NaN where all are absent."""
    iou_RC = _of_classes(iou_from_matrix(matrix_RCC), classes)
    known_RC = ~numpy.isnan(iou_RC)
    return _share(numpy.where(known_RC, iou_RC, 0.0).sum(axis=1), known_RC.sum(axis=1))


def _of_classes(iou_C: numpy.ndarray, classes: Sequence[int] | None) -> numpy.ndarray:
    return iou_C if classes is None else iou_C[..., list(classes)]


def iou_over(classes: Sequence[int] | None = None) -> Reduction:
    """IoU of all classes, or of the given train ids alone, in that order; pixels of the others still count as false
    positives."""
    return Reduction(
        "mIoU", "IoU", partial(miou_from_matrix, classes=classes), partial(miou_of_each, classes=classes),
        lambda matrix_CC: _of_classes(iou_from_matrix(matrix_CC), classes),
    )  # fmt: skip


def accuracy_of_each(matrix_RCC: numpy.ndarray) -> numpy.ndarray:
    """The share of right answers, float64 (R,); NaN where there is none."""
    matrix_RCC = numpy.asarray(matrix_RCC)
    return _share(numpy.trace(matrix_RCC, axis1=-2, axis2=-1), matrix_RCC.sum(axis=(-2, -1)))


def accuracy_of_classes(matrix_CC: numpy.ndarray) -> numpy.ndarray:
    """The share of right answers among the images of each class, float64 (..., C); NaN for a class without one."""
    matrix_CC = numpy.asarray(matrix_CC)
    return _share(numpy.diagonal(matrix_CC, axis1=-2, axis2=-1), matrix_CC.sum(axis=-1))


def _share(part: numpy.ndarray, whole: numpy.ndarray) -> numpy.ndarray:
    return numpy.divide(part, whole, out=numpy.full(numpy.shape(whole), numpy.nan), where=whole > 0)


ACCURACY = Reduction(
    "accuracy", "class_accuracy", lambda matrix_CC: float(accuracy_of_each(matrix_CC)), accuracy_of_each,
    accuracy_of_classes,
)  # fmt: skip

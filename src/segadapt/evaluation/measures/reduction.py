"""What confusion matrices come to: numbers of each class and of all, as segmentation and as classification count."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


def miou_of_each(matrix_RCC: numpy.ndarray) -> numpy.ndarray:
    """``miou_from_matrix`` of every matrix, float64 (R,): absent classes are left out; NaN where all are absent."""
    return _known_mean(iou_from_matrix(matrix_RCC))


def _known_mean(iou_RC: numpy.ndarray) -> numpy.ndarray:
    known_RC = ~numpy.isnan(iou_RC)
    return _share(numpy.where(known_RC, iou_RC, 0.0).sum(axis=1), known_RC.sum(axis=1))


def over_classes(classes: Sequence[int]) -> Reduction:
    """``IOU`` of these train ids alone, in that order; pixels of the other classes still count as false positives."""
    chosen = list(classes)

    def of_each(matrix_RCC: numpy.ndarray) -> numpy.ndarray:
        return _known_mean(iou_from_matrix(matrix_RCC)[:, chosen])

    return Reduction(
        IOU.overall, IOU.by_class, lambda matrix_CC: miou_from_matrix(matrix_CC, chosen), of_each,
        lambda matrix_CC: iou_from_matrix(matrix_CC)[..., chosen],
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


IOU = Reduction("mIoU", "IoU", miou_from_matrix, miou_of_each, iou_from_matrix)
ACCURACY = Reduction(
    "accuracy", "class_accuracy", lambda matrix_CC: float(accuracy_of_each(matrix_CC)), accuracy_of_each,
    accuracy_of_classes,
)  # fmt: skip

"""Intersection over union of confusion matrices, as the field computes it; no torch is needed for it."""

from collections.abc import Sequence

import numpy

from segadapt.core.errors import UserError


def iou_from_matrix(matrix_CC: numpy.ndarray) -> numpy.ndarray:
    """Intersection over union, diagonal / (row sum + column sum - diagonal), of every class.

    Args:
        matrix_CC: Counts of shape (..., C, C), rows are labels.

    Returns:
        float64 of shape (..., C) in [0, 1]; NaN for a class that is neither labelled nor predicted.
        A class that is predicted but never labelled has IoU 0.
    """
    matrix_CC = numpy.asarray(matrix_CC)
    if matrix_CC.ndim < 2 or matrix_CC.shape[-1] != matrix_CC.shape[-2]:
        raise UserError(f"a confusion matrix must be square, got shape {matrix_CC.shape}")
    intersection = numpy.diagonal(matrix_CC, axis1=-2, axis2=-1)
    union = matrix_CC.sum(axis=-1) + matrix_CC.sum(axis=-2) - intersection
    absent = numpy.full(intersection.shape, numpy.nan)
    return numpy.divide(intersection, union, out=absent, where=union > 0)


def miou_from_matrix(matrix_CC: numpy.ndarray, classes: Sequence[int] | None = None) -> float:
    """Mean of the IoUs of all classes, or of the given train ids, that are not NaN.

    An absent class is left out, never counted as zero; if all are absent the mean is NaN. A subset
    selects among the IoUs of the whole matrix, so that pixels of the other classes still count as
    false positives: the 13-class mean of a 16-class model is defined so.
    """
    iou_C = iou_from_matrix(matrix_CC)
    if classes is not None:
        iou_C = iou_C[_checked_classes(classes, len(iou_C))]
    present = iou_C[~numpy.isnan(iou_C)]
    return float(present.mean()) if present.size else float("nan")


def _checked_classes(classes: Sequence[int], num_classes: int) -> list[int]:
    chosen = [int(each) for each in classes]
    if not chosen or len(set(chosen)) != len(chosen) or not all(0 <= each < num_classes for each in chosen):
        raise UserError(f"a class subset must be distinct train ids in 0..{num_classes - 1}, got {chosen}")
    return chosen

"""Boundary IoU: how well the outlines are met, which large areas hide in the IoU of whole masks.

Cheng et al. 2021, "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", Eq. 1, for every class c,

    IoU = |G_d & P_d| / |G_d | P_d|,

G_d being the pixels labelled c that have a pixel not labelled c within distance d, P_d the same of the prediction.
As in the authors' code the distance is the larger one of rows and columns (a square window: d erosions by 3 x 3
pixels), d is 2 % of the image's diagonal, at least one pixel, and what lies outside of the image belongs to no class.
What the paper does not say, for it has no such pixels: ignored pixels belong to no class in the label and none in the
prediction, as if they lay outside of the image. So a right prediction scores 1 however much is ignored.

Intersections and unions are summed over images before they are divided, and the mean is over the classes that are
there, as in mIoU.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy

from segadapt.labels import IGNORE_INDEX

WIDTH = 0.02
"""Of the boundary region, as a fraction of the image's diagonal."""


class BoundaryOverlap(NamedTuple):
    """Pixels by class, int64, (C,) of one image or (N, C) of several."""

    intersection: numpy.ndarray
    union: numpy.ndarray


def boundary_distance(size: tuple[int, int]) -> int:
    """d in pixels for an image of (H, W)."""
    return max(1, round(WIDTH * math.hypot(*size)))


def boundary_overlap(prediction_HW: numpy.ndarray, label_HW: numpy.ndarray, num_classes: int) -> BoundaryOverlap:
    """The counts of one image, from uint8 train ids; labels may be ``IGNORE_INDEX``, predictions are in [0, C)."""
    distance = boundary_distance(label_HW.shape)
    prediction_HW = numpy.where(label_HW == IGNORE_INDEX, numpy.uint8(IGNORE_INDEX), prediction_HW)
    labelled_HW = _boundary(label_HW, distance)
    predicted_HW = _boundary(prediction_HW, distance)
    both_HW = labelled_HW & predicted_HW & (label_HW == prediction_HW)
    labelled_C, predicted_C, both_C = (
        numpy.bincount(classes_HW[chosen_HW], minlength=num_classes)
        for classes_HW, chosen_HW in ((label_HW, labelled_HW), (prediction_HW, predicted_HW), (label_HW, both_HW))
    )
    return BoundaryOverlap(both_C, labelled_C + predicted_C - both_C)


def boundary_iou(overlap: BoundaryOverlap) -> numpy.ndarray:
    """Boundary IoU by class over all images, float64 (C,); NaN where neither has a boundary."""
    intersection_C, union_C = (each.reshape(-1, each.shape[-1]).sum(axis=0) for each in overlap)
    return numpy.divide(intersection_C, union_C, out=numpy.full(union_C.shape, numpy.nan), where=union_C > 0)


def boundary_miou(overlap: BoundaryOverlap, classes: Sequence[int] | None = None) -> float:
    """The mean over the classes, or the given train ids, that have a boundary; NaN if none has."""
    iou_C = boundary_iou(overlap)
    iou_C = iou_C if classes is None else iou_C[list(classes)]
    present = iou_C[~numpy.isnan(iou_C)]
    return float(present.mean()) if present.size else math.nan


def _boundary(classes_HW: numpy.ndarray, distance: int) -> numpy.ndarray:
    """Which pixels of a class, of any class, have a pixel of another one, or the outside, within ``distance``.

    One window serves all classes: a pixel's surroundings are of its own class if their least and greatest id are it.
    """
    from scipy.ndimage import maximum_filter, minimum_filter  # whoever reads counts need not wait for it

    window = {"size": 2 * distance + 1, "mode": "constant", "cval": IGNORE_INDEX}
    least_HW, greatest_HW = minimum_filter(classes_HW, **window), maximum_filter(classes_HW, **window)
    return (least_HW != greatest_HW) & (classes_HW != IGNORE_INDEX)

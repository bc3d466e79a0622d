"""Calibration: is a pixel that the model is 80 % sure of right in 80 % of the cases?

Expected calibration error (Naeini et al. 2015; Guo et al. 2017, "On Calibration of Modern Neural Networks", Eq. 3 to
5) with 15 bins of equal width of the largest probability, each open to the left and closed to the right,

    ECE = sum_b n_b / N * | right_b / n_b - confidence_b / n_b | = sum_b | right_b - confidence_b | / N,

n_b being the pixels of a bin, right_b those that are predicted as labelled and confidence_b the sum of their largest
probabilities; N counts all pixels that have a label. Sums over images give the error of the whole set.
"""

import math
from typing import NamedTuple

import numpy

from segadapt.labels import IGNORE_INDEX

BINS = 15
_INNER_EDGES = numpy.arange(1, BINS) / BINS


class CalibrationBins(NamedTuple):
    """Sums by bin, (B,) of one image or (N, B) of several: counts in int64, the sum of probabilities in float64."""

    pixels: numpy.ndarray
    right: numpy.ndarray
    confidence: numpy.ndarray


def calibration_bins(
    confidence_HW: numpy.ndarray, prediction_HW: numpy.ndarray, label_HW: numpy.ndarray
) -> CalibrationBins:
    """The bins of one image, whose largest probabilities, predicted and labelled train ids are given at one size.

    Pixels labelled ``IGNORE_INDEX`` are left out.
    """
    known_HW = label_HW != IGNORE_INDEX
    confidence_N = confidence_HW[known_HW].astype(numpy.float64)
    right_N = prediction_HW[known_HW] == label_HW[known_HW]
    bin_N = numpy.searchsorted(_INNER_EDGES, confidence_N, side="left")
    return CalibrationBins(
        numpy.bincount(bin_N, minlength=BINS),
        numpy.bincount(bin_N[right_N], minlength=BINS),
        # Of no pixel at all numpy would give integers.
        numpy.bincount(bin_N, confidence_N, BINS).astype(numpy.float64),
    )


def expected_calibration_error(bins: CalibrationBins) -> float:
    """The error in [0, 1] over all images of ``bins``; NaN where no pixel has a label."""
    pixels_B, right_B, confidence_B = (each.reshape(-1, BINS).sum(axis=0) for each in bins)
    total = int(pixels_B.sum())
    return float(numpy.abs(right_B - confidence_B).sum() / total) if total else math.nan

"""How sure a model is of what it predicts, class by class, in a memory that the number of images does not change.

The original keeps every fourth confidence in lists and sorts them: 1.6 GB for Cityscapes. Here they are counted in
bins that are narrow where thresholds are decided, near 0 and near 1: with m the smaller of p and 1 - p, bins are
2^-12 m wide. A threshold is the smallest float32 in its bin, so that it is exact about which pixels it lets through,
and at most 2^-12 of the smaller of k and 1 - k below the value that sorting finds. 1.5 MB a class.
"""

import math

import numpy as np

_MANTISSA_BITS = 12
_SHIFT = 23 - _MANTISSA_BITS
SMALLEST = 2.0**-24
"""Confidences below this are not counted: a spatial prior of nearly zero makes them, and no threshold may be zero."""


def _leading_bits(magnitude: np.ndarray) -> np.ndarray:
    """Exponent and the first bits of the mantissa of positive float32 numbers, in the order of the numbers."""
    return magnitude.astype(np.float32).view(np.int32) >> _SHIFT


_FIRST, _HALF = (int(_leading_bits(np.array(each))) for each in (SMALLEST, 0.5))
_HALF_LEVEL = _HALF - _FIRST + 1
BINS = 2 * _HALF_LEVEL + 1
"""Bin 0 stays empty, the last one holds p = 1 alone."""


def bin_index(confidence: np.ndarray) -> np.ndarray:
    """Bin of every float32 confidence in [SMALLEST, 1]; a larger confidence is never in a lower bin."""
    low = confidence < 0.5
    # 1 - p is exact in float32 for p of at least one half.
    magnitude = np.where(low, confidence, np.float32(1) - confidence).astype(np.float32)
    # Down to the first of the leading bits' numbers for p, up to it for 1 - p: either way to the smaller p.
    bits = magnitude.view(np.int32) + np.where(low, 0, (1 << _SHIFT) - 1).astype(np.int32)
    level = np.where(magnitude > 0, (bits >> _SHIFT) - _FIRST + 1, 0)
    return np.where(low, level, BINS - 1 - level)


def smallest_in_bin(index: int) -> float:
    """The smallest float32 that ``bin_index`` puts into a bin of at least 1."""
    assert 1 <= index < BINS
    if index < _HALF_LEVEL:
        return _first_of(index)
    # Above one half, float32 numbers are multiples of SMALLEST.
    level = BINS - 1 - index
    return 1.0 if level == 0 else 1 - math.floor(_first_of(level) / SMALLEST) * SMALLEST


def _first_of(level: int) -> float:
    return float(np.array([(level - 1 + _FIRST) << _SHIFT], np.int32).view(np.float32)[0])


class ConfidenceHistogram:
    """Counts, for each class, the confidences of every ``stride``-th pixel that is predicted as it.

    ``predicted_C`` (int64) counts all pixels predicted as each class, whatever the stride.
    """

    def __init__(self, num_classes: int, stride: int) -> None:
        self.stride = stride
        self.predicted_C = np.zeros(num_classes, np.int64)
        self._counts_CB = np.zeros((num_classes, BINS), np.int64)

    def update(self, confidence_HW: np.ndarray, label_HW: np.ndarray) -> None:
        """Adds an image: the largest probability (float32, in [0, 1]) of every pixel, and the class that has it."""
        for train_id in np.unique(label_HW):
            confidence_N = confidence_HW[label_HW == train_id]
            self.predicted_C[train_id] += confidence_N.size
            kept_N = confidence_N[:: self.stride]
            kept_N = kept_N[kept_N >= SMALLEST]
            # Not a bincount, which would cost as much as the bins are many for each class of a small image.
            np.add.at(self._counts_CB[train_id], bin_index(kept_N), 1)

    def class_thresholds(self, portion: float) -> np.ndarray:
        """k_c, float32 (C,): the floor(portion * count)-th largest confidence of the class; 1 if that is none."""
        return np.array([_threshold(counts_B, portion) for counts_B in self._counts_CB], np.float32)

    def global_threshold(self, portion: float) -> np.ndarray:
        """The same number for every class, float32 (C,): the threshold of all confidences together."""
        return np.full(len(self._counts_CB), _threshold(self._counts_CB.sum(axis=0), portion), np.float32)


def _threshold(counts_B: np.ndarray, portion: float) -> float:
    rank = math.floor(portion * int(counts_B.sum()))
    if rank == 0:
        return 1.0
    at_least_B = np.cumsum(counts_B[::-1])
    return smallest_in_bin(BINS - 1 - int(np.searchsorted(at_least_B, rank)))

"""Pieces of kernels that look at one pixel: the soft-max relative to its top class, and functions near 0 and 1.

In kernels C are the classes, filled up to a power of two, N cells side by side and X columns of a cell. All classes
of a pixel lie in one thread, where the filling is known to the compiler and costs nothing if it is masked everywhere.
"""

import triton
import triton.language as tl


@triton.jit
def top_softmax(logits_CNX, real_C11):
    """(offset_CNX, raised_CNX, others_NX) as in :mod:`segadapt.losses.stable_softmax`; ``raised`` 0 in the filling.

    p = raised / (1 + others); a logit that is not a number, or infinite at the top, makes ``others`` not a number.
    """
    top_NX = tl.max(tl.where(real_C11, logits_CNX, float("-inf")), axis=0)
    offset_CNX = tl.where(real_C11, logits_CNX - top_NX[None], -1.0)
    raised_CNX = tl.where(real_C11, tl.exp(offset_CNX), 0.0)
    # Every tie at the top adds 1 exactly, the first one nothing: no index of the top class is needed.
    below_NX = tl.sum(tl.where(offset_CNX == 0, 0.0, raised_CNX), axis=0)
    ties_NX = tl.sum(tl.where(offset_CNX == 0, 1.0, 0.0), axis=0)
    return offset_CNX, raised_CNX, below_NX + (ties_NX - 1)


@triton.jit
def first_class(chosen_CNX, class_C11, CLASSES: tl.constexpr):
    """The first class that is chosen, int32 (N, X); the last class if none is, which happens to NaN alone."""
    return tl.min(tl.where(chosen_CNX, class_C11, CLASSES - 1), axis=0)


@triton.jit
def at_class(values_CNX, class_C11, wanted_NX):
    """The value of one class of each pixel: (N, X)."""
    return tl.sum(tl.where(class_C11 == wanted_NX[None], values_CNX, 0.0), axis=0)


@triton.jit
def expm1_of_offset(offset_CNX, raised_CNX):
    """exp(offset) - 1 for offsets of at most 0, to full precision near 0 too."""
    series_CNX = 1 + offset_CNX * (1 / 5) * (1 + offset_CNX * (1 / 6))
    series_CNX = 1 + offset_CNX * (1 / 3) * (1 + offset_CNX * (1 / 4) * series_CNX)
    series_CNX = 1 + offset_CNX * (1 / 2) * series_CNX
    return tl.where(offset_CNX > -0.25, offset_CNX * series_CNX, raised_CNX - 1)


@triton.jit
def log1p_of_others(others_NX):
    """log(1 + others) for others of at least 0, to full precision near 0 too."""
    # log(1 + q) = 2 atanh(q / (2 + q)), whose series is short while q is small.
    ratio_NX = others_NX / (2 + others_NX)
    square_NX = ratio_NX * ratio_NX
    series_NX = 1 + square_NX * (1 / 3 + square_NX * (1 / 5 + square_NX * (1 / 7 + square_NX * (1 / 9))))
    return tl.where(others_NX < 0.5, 2 * ratio_NX * series_NX, tl.log(1 + others_NX))

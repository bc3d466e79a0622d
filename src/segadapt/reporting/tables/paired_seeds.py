"""Two rows compared over seeds: the same seed starts both, so differences are taken seed by seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from scipy.special import stdtrit

MINIMUM = 6
"""Fewer pairs get no interval: with three of them, an interval of a real difference would mostly hold zero, and one of
no difference would hang on how normal three numbers are."""
TOO_SMALL = "n too small"


@dataclass(frozen=True)
class PairedSeeds:
    """Mean and sample standard deviation of n differences, and the 95 % t interval of the mean.

    All are fractions of mIoU. ``sd`` is NaN for one pair; ``low`` and ``high`` are NaN for fewer than ``MINIMUM``.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float

    @property
    def note(self) -> str:
        """``TOO_SMALL``, or "" where there is an interval."""
        return TOO_SMALL if self.n < MINIMUM else ""


def paired_seeds(ours_S: Sequence[float], baseline_S: Sequence[float], level: float = 0.95) -> PairedSeeds:
    """Compares two rows whose values stand in the same order of seeds; a pair with a NaN in it is left out.

    The interval is mean ± t(1 - (1 - level) / 2, n - 1) sd / sqrt(n), Student's for paired samples.
    """
    difference_N = numpy.asarray(ours_S, float) - numpy.asarray(baseline_S, float)
    difference_N = difference_N[~numpy.isnan(difference_N)]
    n = len(difference_N)
    mean = float(difference_N.mean()) if n else math.nan
    sd = float(difference_N.std(ddof=1)) if n > 1 else math.nan
    if n < MINIMUM:
        return PairedSeeds(n, mean, sd, math.nan, math.nan)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * sd / math.sqrt(n)
    return PairedSeeds(n, mean, sd, mean - half, mean + half)

"""Two rows compared: over seeds, and over images.

Over seeds: the same seed starts both, so differences are taken seed by seed.

Over images: would the difference hold on other images of the same kind? Images are drawn with replacement, the same
ones for both rows and all seeds; the confusion matrices of the drawn images are added up, and mIoU or accuracy is
taken of the sum, as it is of the whole set. The models stay what they are: what another training run would change is
not in this interval, that is what seeds are for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from scipy.special import stdtrit

from segadapt.core.errors import UserError
from segadapt.evaluation import Evaluation

MINIMUM = 6
"""Fewer pairs get no interval: with three of them, an interval of a real difference would mostly hold zero, and one of
no difference would hang on how normal three numbers are."""
TOO_SMALL = "n too small"


@dataclass(frozen=True)
class PairedSeeds:
    """Mean and sample standard deviation of n differences, and the 95 % t interval of the mean.

    All are fractions. ``sd`` is NaN for one pair; ``low`` and ``high`` are NaN for fewer than ``MINIMUM``.
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


@dataclass(frozen=True)
class ImageInterval:
    """The percentile interval of the difference, fractions; ``images`` is how many there are to draw from."""

    low: float
    high: float
    images: int


def draw_counts(images: int, samples: int, seed: int) -> numpy.ndarray:
    """How often each of N images is in each of R samples of N drawn with replacement: int64 (R, N), rows sum to N."""
    return numpy.random.default_rng(seed).multinomial(images, numpy.full(images, 1 / images), samples)


def resampled_scores(row: Sequence[Evaluation], counts_RN: numpy.ndarray, size: str) -> numpy.ndarray:
    """The score of a row in every sample, float64 (R,), mean over its evaluations, one a seed, at the last step.

    ``counts_RN`` is from ``draw_counts``.
    """
    return numpy.mean([each.reduction.of_each(each.resampled(counts_RN, size)) for each in row], axis=0)


def image_interval(
    ours: Sequence[Evaluation], baseline: Sequence[Evaluation], size: str, samples: int, seed: int, level: float = 0.95
) -> ImageInterval:
    """Compares two rows by their evaluations, one a seed, the images of all in the same order.

    A sample in which no class is present at all (every drawn image unlabelled) has no score and is left out.
    """
    images = len(ours[0].image_names)
    counts_RN = draw_counts(images, samples, seed)
    difference_R = resampled_scores(ours, counts_RN, size) - resampled_scores(baseline, counts_RN, size)
    known_R = difference_R[~numpy.isnan(difference_R)]
    if not known_R.size:
        return ImageInterval(numpy.nan, numpy.nan, images)
    low, high = numpy.quantile(known_R, [(1 - level) / 2, (1 + level) / 2])
    return ImageInterval(float(low), float(high), images)


def in_order(evaluations: Sequence[Evaluation], names: Sequence[str], who: str) -> list[Evaluation]:
    """The evaluations with their images in the order of ``names``.

    Rows may have been scored on different caches of the same images. UserError if the images of one, which ``who``
    names, are others.
    """
    found = []
    for evaluation in evaluations:
        if set(evaluation.image_names) != set(names):
            strange = sorted(set(evaluation.image_names) ^ set(names))
            raise UserError(
                f"{who} was scored on other images than the row it is compared with ({strange[0]} is in one only, "
                f"{len(strange)} such); let evaluate_on and evaluate_refined_on in the preset name the same split"
            )
        places = {name: place for place, name in enumerate(evaluation.image_names)}
        found.append(evaluation.part([places[name] for name in names]))
    return found

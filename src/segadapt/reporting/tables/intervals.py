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

from segadapt.core.errors import UserError
from segadapt.evaluation import Evaluation

LEVEL = 0.95
"""Of every interval here; a t-test of 5 %, two-sided, is whether it leaves zero out."""
POWER = 0.8
"""How often a difference of the size that ``PairedSeeds.detectable`` names would have been shown."""
BETTER, WORSE, CANNOT_TELL = "better", "worse", "cannot tell"


@dataclass(frozen=True)
class PairedSeeds:
    """Mean and sample standard deviation of n differences, the interval of the mean, and what could have been shown.

    All are fractions; all but ``mean`` are NaN for one pair. ``detectable`` is the true difference that as many seeds
    show (their interval lies above zero) with probability ``POWER``, if it varies from seed to seed by ``sd``.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    detectable: float

    @property
    def verdict(self) -> str:
        """On which side of zero the interval lies: ``BETTER``, ``WORSE``, or ``CANNOT_TELL`` if it holds zero or there
        is none."""
        return BETTER if self.low > 0 else WORSE if self.high < 0 else CANNOT_TELL


def paired_seeds(ours_S: Sequence[float | None], baseline_S: Sequence[float | None]) -> PairedSeeds:
    """Compares two rows whose values stand in the same order of seeds; a pair with a NaN or None in it is left out.

    The interval is mean ± t sd / sqrt(n), Student's for paired samples, t being the 97.5 % quantile for n - 1 degrees
    of freedom. T, the mean over its standard error, has a noncentral t distribution; ``detectable`` is c sd / sqrt(n)
    with the noncentrality c at which T exceeds t with probability ``POWER``.
    """
    difference_N = numpy.asarray(ours_S, float) - numpy.asarray(baseline_S, float)
    difference_N = difference_N[~numpy.isnan(difference_N)]
    n = len(difference_N)
    mean = float(difference_N.mean()) if n else math.nan
    if n < 2:
        return PairedSeeds(n, mean, math.nan, math.nan, math.nan, math.nan)
    from scipy.special import nctdtrinc, stdtrit  # late: `segadapt show` and figures need none of it

    sd, t = float(difference_N.std(ddof=1)), float(stdtrit(n - 1, (1 + LEVEL) / 2))
    error, c = sd / math.sqrt(n), float(nctdtrinc(n - 1, 1 - POWER, t))
    return PairedSeeds(n, mean, sd, mean - t * error, mean + t * error, c * error)


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
    ours: Sequence[Evaluation], baseline: Sequence[Evaluation], size: str, samples: int, seed: int
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
    low, high = numpy.quantile(known_R, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
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

"""Two rows of a classification table compared, task by task: over seeds, and over the target's images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from segadapt.core.errors import UserError
from segadapt.evaluation.answers import Answers
from segadapt.reporting.tables.intervals import ImageInterval, PairedSeeds, draw_counts, paired_seeds


@dataclass(frozen=True)
class AccuracyComparison:
    """A row against the baseline on one task: accuracy of each seed as fractions, and both statistics."""

    ours_S: list[float]
    baseline_S: list[float]
    seeds: PairedSeeds
    images: ImageInterval

    def values(self) -> dict[str, list[float | None]]:
        """Accuracy and its difference from the baseline, one a seed, as the lineage keeps them."""
        differences = [ours - theirs for ours, theirs in zip(self.ours_S, self.baseline_S, strict=True)]
        return {"accuracy": list(self.ours_S), "difference": differences}


def compare_answers(
    ours: Sequence[Answers], baseline: Sequence[Answers], config: Mapping[str, Any]
) -> AccuracyComparison:
    """Compares two rows by their answers, one a seed, both in the same order of seeds.

    The interval over images draws them with replacement, the same ones for both rows and all seeds
    (``segadapt.reporting.tables.intervals``). ``config`` is the job's: ``bootstrap_samples``, ``bootstrap_seed``.
    UserError if the rows were scored on different images.
    """
    names = baseline[0].image_names
    if any(each.image_names != names for each in (*ours, *baseline)):
        raise UserError("the rows were scored on different images of one domain; run classify again for both")
    ours_SN, baseline_SN = (numpy.stack([each.correct() for each in row]).astype(float) for row in (ours, baseline))
    counts_RN = draw_counts(len(names), config["bootstrap_samples"], config["bootstrap_seed"])
    difference_R = counts_RN @ (ours_SN.mean(axis=0) - baseline_SN.mean(axis=0)) / len(names)
    low, high = numpy.quantile(difference_R, [0.025, 0.975])
    ours_S, baseline_S = ours_SN.mean(axis=1).tolist(), baseline_SN.mean(axis=1).tolist()
    interval = ImageInterval(float(low), float(high), len(names))
    return AccuracyComparison(ours_S, baseline_S, paired_seeds(ours_S, baseline_S), interval)

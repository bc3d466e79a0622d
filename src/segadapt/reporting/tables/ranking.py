"""How well a score without labels ranks models: its rank correlation with target mIoU, and what choosing by it costs.

The models are all that a table has scores of: every row, seed and step that a model was kept of. Correlations are
Spearman's rho and Kendall's tau-b, of the score turned so that higher should be better: 1 is the order of mIoU, 0 none,
-1 the reverse. There is no p value, for models of one run or one source model are not independent. Regret is the mIoU
of the best model minus that of the one that the score likes most; beside it stands that of a model drawn at random.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from scipy.stats import kendalltau, spearmanr

from segadapt.reporting.tables.cells import shown

HIGHER_IS_BETTER = {
    "mutual_information": True,
    "mean_entropy": False,
    "max_square": True,
    "soft_neighbourhood_density": True,
}
"""The label-free scores of ``metrics.json`` and their directions."""
MINIMUM = 6
"""Fewer models get no correlation: chance alone often orders them well."""
TOO_SMALL = "n too small"
CONSTANT = "all models score the same"
COLUMNS = (
    "score", "better", "models", "spearman", "kendall", "chosen", "chosen_mIoU", "best", "best_mIoU", "regret",
    "random_regret", "note", "primary", "protocol", "preset",
)  # fmt: skip


@dataclass(frozen=True)
class ScoredModel:
    """A model's name for people, its target mIoU in [0, 1], and its label-free scores by name, None if undefined."""

    name: str
    miou: float
    scores: Mapping[str, float | None]


@dataclass(frozen=True)
class Ranking:
    """NaN for what is undefined. ``chosen`` and ``best`` are the places of the models that share the first rank."""

    models: int
    spearman: float = math.nan
    kendall: float = math.nan
    chosen: tuple[int, ...] = ()
    best: tuple[int, ...] = ()
    chosen_miou: float = math.nan
    best_miou: float = math.nan
    random_miou: float = math.nan
    note: str = ""


def scored_models(
    title: str, metrics: Sequence[Mapping[str, Any]], seeds: Sequence[int], size: str
) -> list[ScoredModel]:
    """The models of a row that have label-free scores and a target mIoU.

    Args:
        title: The row's name.
        metrics: The contents of ``metrics.json``, one a seed.
        seeds: In the same order.
        size: The label size of the mIoU.
    """
    return [
        ScoredModel(f"{title}, seed {seed}, step {step['step']}", step[size], {k: step[k] for k in HIGHER_IS_BETTER})
        for seed, each in zip(seeds, metrics, strict=True)
        for step in each["steps"]
        if step[size] is not None
    ]


def rank(miou_M: Sequence[float], score_M: Sequence[float], higher_is_better: bool = True) -> Ranking:
    """Compares a score of M models with their mIoU in [0, 1].

    Models that share the best score are chosen with equal chance: ``chosen_miou`` is their mean. Fewer than
    ``MINIMUM`` models, and a score that is the same for all, say nothing; the note tells which.
    """
    miou_M, score_M = numpy.asarray(miou_M, float), numpy.asarray(score_M, float) * (1 if higher_is_better else -1)
    if len(miou_M) < MINIMUM:
        return Ranking(len(miou_M), note=TOO_SMALL)
    if (score_M == score_M[0]).all():
        return Ranking(len(miou_M), note=CONSTANT)
    chosen, best = numpy.flatnonzero(score_M == score_M.max()), numpy.flatnonzero(miou_M == miou_M.max())
    alike = (miou_M == miou_M[0]).all()
    return Ranking(
        models=len(miou_M),
        spearman=math.nan if alike else float(spearmanr(score_M, miou_M).statistic),
        kendall=math.nan if alike else float(kendalltau(score_M, miou_M).statistic),
        chosen=tuple(chosen.tolist()),
        best=tuple(best.tolist()),
        chosen_miou=float(miou_M[chosen].mean()),
        best_miou=float(miou_M.max()),
        random_miou=float(miou_M.mean()),
    )


def ranking_records(models: Sequence[ScoredModel], config: Mapping[str, Any]) -> list[dict[str, str]]:
    """One record a score, its cells as they stand in the CSV: mIoU in percent, "" for what is not known."""
    records = []
    for score, higher in HIGHER_IS_BETTER.items():
        known = [model for model in models if model.scores[score] is not None]
        found = rank([model.miou for model in known], [model.scores[score] for model in known], higher)
        cells = {
            "score": score,
            "better": "higher" if higher else "lower",
            "models": str(found.models),
            "spearman": shown(found.spearman),
            "kendall": shown(found.kendall),
            "chosen": _names(known, found.chosen),
            "chosen_mIoU": shown(100 * found.chosen_miou),
            "best": _names(known, found.best),
            "best_mIoU": shown(100 * found.best_miou),
            "regret": shown(100 * (found.best_miou - found.chosen_miou)),
            "random_regret": shown(100 * (found.best_miou - found.random_miou)),
            "note": found.note,
        }
        records.append(cells | {key: config[key] for key in ("primary", "protocol", "preset")})
    return records


def _names(models: Sequence[ScoredModel], places: Sequence[int]) -> str:
    return models[places[0]].name if len(places) == 1 else f"{len(places)} alike" if places else ""

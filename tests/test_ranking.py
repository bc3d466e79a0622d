"""How well label-free scores rank models, and the table of measures: numbers by hand, no number without a meaning."""

import io
import itertools
import math

import numpy
import pandas
import pytest
from scipy.stats import kendalltau, spearmanr

from segadapt.evaluation import LabelFreeScore
from segadapt.reporting.tables.cells import companion_csv
from segadapt.reporting.tables.measures import COLUMNS as MEASURES
from segadapt.reporting.tables.measures import measure_record, measure_values, measures_markdown
from segadapt.reporting.tables.ranking import (
    COLUMNS,
    CONSTANT,
    HIGHER_IS_BETTER,
    MINIMUM,
    TOO_SMALL,
    rank,
    ranking_records,
    scored_models,
)

CONFIG = {
    "seeds": [1, 2],
    "evaluation_size": "network",
    "primary": "mIoU network",
    "protocol": "released",
    "preset": "toy",
}
ROW = {"key": "a", "title": "A|B", "origin": "ours", "network_size": "64x32"}


def naive_kendall(first, second):
    """tau-b, pair by pair."""
    agree, ties_first, ties_second, pairs = 0, 0, 0, 0
    for one, other in itertools.combinations(range(len(first)), 2):
        x, y = numpy.sign(first[one] - first[other]), numpy.sign(second[one] - second[other])
        agree, pairs = agree + x * y, pairs + 1
        ties_first, ties_second = ties_first + (x == 0), ties_second + (y == 0)
    return agree / math.sqrt((pairs - ties_first) * (pairs - ties_second))


def naive_spearman(first, second):
    """The correlation of ranks, equal values sharing the mean of theirs."""
    ranks = [[sum(y < x for y in v) + (sum(y == x for y in v) + 1) / 2 for x in v] for v in (first, second)]
    return numpy.corrcoef(*ranks)[0, 1]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("values", [3, 8, 1000])
@pytest.mark.parametrize("higher", [True, False])
def test_rank_correlations_are_scipys_and_those_of_a_loop(seed, values, higher):
    random = numpy.random.default_rng([seed, values])
    miou, score = random.integers(0, values, (2, 9 + seed)) / values
    found, turned = rank(miou, score, higher), score if higher else -score
    expected = (spearmanr(turned, miou).statistic, kendalltau(turned, miou).statistic)
    assert (found.spearman, found.kendall) == pytest.approx(expected, abs=1e-12)
    assert expected == pytest.approx((naive_spearman(turned, miou), naive_kendall(turned, miou)), abs=1e-12)
    liked = [m for m, s in zip(miou, turned, strict=True) if s == max(turned)]
    assert found.best_miou == max(miou) and found.chosen_miou == pytest.approx(sum(liked) / len(liked))
    assert found.random_miou == pytest.approx(miou.mean()) and found.models == 9 + seed and not found.note


def test_by_hand():
    miou = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    same, reverse = rank(miou, [1, 2, 3, 4, 5, 6]), rank(miou, [1, 2, 3, 4, 5, 6], higher_is_better=False)
    assert (same.spearman, same.kendall) == pytest.approx((1, 1)) and same.chosen == same.best == (5,)
    assert (reverse.spearman, reverse.kendall) == pytest.approx((-1, -1)) and reverse.chosen == (0,)
    assert (reverse.chosen_miou, reverse.best_miou) == (0.1, 0.6)
    tied = rank(miou, [9, 1, 1, 1, 1, 9])
    assert tied.chosen == (0, 5) and tied.chosen_miou == pytest.approx(0.35), "each of the tied as likely"


@pytest.mark.parametrize("n", range(MINIMUM))
def test_few_models_say_nothing(n):
    found = rank(numpy.arange(n) / 10, numpy.arange(n))
    assert found.note == TOO_SMALL and found.models == n and not found.chosen
    assert numpy.isnan([found.spearman, found.kendall, found.chosen_miou, found.best_miou]).all()


def test_what_is_constant_is_undefined_and_no_number(recwarn):
    score = rank([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [2.0] * 6)
    assert score.note == CONSTANT and numpy.isnan([score.spearman, score.kendall, score.chosen_miou]).all()
    miou = rank([0.5] * 6, range(6))
    assert numpy.isnan([miou.spearman, miou.kendall]).all() and miou.best_miou - miou.chosen_miou == 0
    assert not recwarn


# --- from metrics to tables -----------------------------------------------------------------------


def step(number, network, scores, native=0.1):
    return {"step": number, "network": network, "native": native} | dict(zip(HIGHER_IS_BETTER, scores, strict=True))


def metrics(*steps, measures=None):
    last = max(steps, key=lambda each: each["step"], default={"network": 0.5})
    found = {"ECE": 0.12, "boundary_mIoU": 0.25} if measures is None else measures
    return {"variants": {"network": last["network"], "native": 0.1}, "steps": list(steps), "measures": found}


THREE = [step(10, 0.2, (0.9, 0.5, 0.6, 3.0)), step(20, 0.3, (1.0, 0.4, 0.7, 2.0)), step(30, 0.25, (1.1, 0.3, 0.8, 1.0))]
OTHER = [step(10, 0.35, (0.8, 0.7, 0.5, 4.0)), step(20, None, (3, 0, 1, 9)), step(30, 0.4, (0.7, 0.8, 0.4, 5.0))]
LATER = [step(30, 0.5, (0.6, 0.9, 0.3, 6.0))]


def test_the_scores_are_those_of_the_evaluation():
    assert tuple(HIGHER_IS_BETTER) == LabelFreeScore._fields


def test_all_rows_seeds_and_steps_are_ranked():
    models = scored_models("A", [metrics(*THREE), metrics(*OTHER)], [1, 2], "network")
    models += scored_models("B", [metrics(*LATER), metrics()], [1, 2], "network")
    assert [model.name for model in models][3:] == ["A, seed 2, step 10", "A, seed 2, step 30", "B, seed 1, step 30"]
    records = {each["score"]: each for each in ranking_records(models, CONFIG)}
    assert list(records) == list(HIGHER_IS_BETTER) and list(records["max_square"]) == list(COLUMNS)
    # mIoU 20 30 25 35 40 50; mutual information ranks them 4 5 6 3 2 1, mean entropy and max-square alike.
    by_hand = numpy.array([4, 5, 6, 3, 2, 1]), numpy.array([1, 3, 2, 4, 5, 6])
    rho = 1 - 6 * ((by_hand[0] - by_hand[1]) ** 2).sum() / (6 * 35)
    for score in ("mutual_information", "mean_entropy", "max_square"):
        cells = records[score]
        assert cells["spearman"] == f"{rho:.2f}" and cells["models"] == "6" and cells["note"] == ""
        assert (cells["chosen"], cells["chosen_mIoU"]) == ("A, seed 1, step 30", "25.00")
        assert (cells["best"], cells["best_mIoU"], cells["regret"]) == ("B, seed 1, step 30", "50.00", "25.00")
        assert cells["random_regret"] == "16.67"  # 50 less the mean of all
    assert records["soft_neighbourhood_density"]["spearman"] == f"{1 - 6 * 6 / (6 * 35):.2f}"
    assert records["soft_neighbourhood_density"]["regret"] == "0.00"
    assert records["mean_entropy"]["better"] == "lower" and records["max_square"]["better"] == "higher"


def test_too_few_models_and_unknown_scores_are_empty_cells():
    models = scored_models("A", [metrics(*THREE), metrics(*OTHER)], [1, 2], "network")
    for cells in ranking_records(models, CONFIG):
        assert cells["models"] == "5" and cells["note"] == TOO_SMALL
        assert {cells[name] for name in ("spearman", "kendall", "chosen", "best", "regret", "random_regret")} == {""}
    unknown = [*THREE, step(40, 0.3, (1, 1, 1, None)), step(50, 0.3, (1, 2, 1, None)), step(60, 0.3, (1, 3, 1, None))]
    records = ranking_records(scored_models("A", [metrics(*unknown)], [1], "network"), CONFIG)
    assert [each["models"] for each in records] == ["6", "6", "6", "3"]
    assert ranking_records([], CONFIG)[0]["models"] == "0"


def record(*found):
    return measure_record(ROW, measure_values(found), CONFIG | {"seeds": list(range(len(found)))})


def test_measures_by_hand():
    cells = record(metrics(*THREE), metrics(*OTHER, measures={"ECE": 0.22, "boundary_mIoU": 0.25}))
    # Two seeds that differ by x have the standard deviation x / sqrt 2.
    assert (cells["mIoU"], cells["mIoU_sd"]) == ("32.5", "10.6")  # 25 and 40, the last steps
    assert (cells["ECE"], cells["ECE_sd"], cells["boundary_mIoU"]) == ("17.0", "7.1", "25.0")
    assert (cells["mutual_information"], cells["soft_neighbourhood_density"]) == ("0.900", "3.000")
    assert cells["max_square_sd"] == f"{0.4 / math.sqrt(2):.3f}" and list(cells) == list(MEASURES)
    assert record(metrics(*THREE))["mIoU_sd"] == ""


def test_what_was_not_measured_is_empty():
    cells = record(metrics(*THREE), metrics(measures={}))
    assert cells["mIoU"] == "37.5" and {cells[name] for name in ("ECE", "boundary_mIoU", "max_square")} == {""}
    assert record(metrics(*THREE, measures={"ECE": None, "boundary_mIoU": 0.5}))["ECE"] == ""


def test_csvs_and_markdown_hold_every_number(recwarn):
    found = [metrics(*THREE), metrics(*OTHER)]
    models = scored_models(ROW["title"], found, [1, 2], "network")
    models += scored_models("B", [metrics(*LATER)], [1], "network")
    for records in ([], [record(*found)], [record(metrics()), record(*found)]):
        text = companion_csv(records, MEASURES)
        frame = pandas.read_csv(io.BytesIO(text), dtype=object, keep_default_na=False)
        assert tuple(frame.columns) == MEASURES and frame.to_dict("records") == records
        assert text == companion_csv(records, MEASURES)
    ranking = ranking_records(models, CONFIG)
    frame = pandas.read_csv(io.BytesIO(companion_csv(ranking, COLUMNS)), dtype=object, keep_default_na=False)
    assert tuple(frame.columns) == COLUMNS and frame.to_dict("records") == ranking
    cells = record(*found)
    text = measures_markdown([cells], ranking, "toy", {"preset": "toy"}, "not *Cityscapes*")
    for name in ("mIoU", "boundary_mIoU", "ECE", *HIGHER_IS_BETTER):
        assert f"| {cells[name]} ± {cells[f'{name}_sd']} |" in text
    for each in ranking:
        assert f"| {each['spearman']} | {each['kendall']} | {each['regret']} | {each['random_regret']} |" in text
    assert r"A\|B, seed 1, step 30: 25.00" in text and r"not \*Cityscapes\*" in text and "by mIoU network" in text
    rows = [line.replace(r"\|", "").count("|") for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 3 + 2 + len(HIGHER_IS_BETTER) and len(set(rows[:3])) == 1 and len(set(rows[3:])) == 1
    few = measures_markdown([], ranking_records([], CONFIG), "toy", {"preset": "toy"}, "")
    assert few.count(f"| {TOO_SMALL} |") == len(HIGHER_IS_BETTER) and "nan" not in (few + text).lower()

"""Statistics: intervals as scipy and a naive bootstrap have them, and nothing said where too little is known."""

import io

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import chi2, ttest_rel
from scipy.stats import norm as normal
from scipy.stats import t as student
from scored import MADE, make
from tiny import tiny_parameters

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.core.scoring_mode import ScoringMode
from segadapt.evaluation import Evaluation, miou_from_matrix
from segadapt.evaluation.measures.reduction import accuracy_of_each, miou_of_each
from segadapt.plan import make_plan
from segadapt.reporting.lineage.trace import trace_table
from segadapt.reporting.tables.cells import companion_csv
from segadapt.reporting.tables.intervals import (
    BETTER,
    CANNOT_TELL,
    LEVEL,
    POWER,
    WORSE,
    draw_counts,
    image_interval,
    in_order,
    paired_seeds,
    resampled_scores,
)
from segadapt.reporting.tables.statistics import (
    COLUMNS,
    build,
    compare,
    comparison_columns,
    comparison_markdown,
    comparison_record,
)

CONFIG = {
    "evaluation_size": "network",
    "primary": "mIoU network",
    "bootstrap_samples": 300,
    "bootstrap_seed": 5,
    "protocol": "released",
    "preset": "toy",
}
ROW = {"key": "a", "title": "A|B", "origin": "ours"}


def matrices(images: int, classes: int = 4, seed: int = 0) -> numpy.ndarray:
    """Counts (N, C, C) in which the last class stands in the first image only, and the one before in none."""
    found = numpy.random.default_rng(seed).integers(0, 50, (images, classes, classes))
    found[:, -2:, :] = found[:, :, -2:] = 0
    found[0, -1, -1] = 40
    return found


def evaluation(matrix_NCC: numpy.ndarray, names=None) -> Evaluation:
    names = names or tuple(f"image{index}" for index in range(len(matrix_NCC)))
    # The native size is another number, so that a mix-up would show.
    return Evaluation(
        tuple(names), {ScoringMode("network"): matrix_NCC, ScoringMode("native"): matrix_NCC[::-1] * 3 + 1}
    )


# --- over seeds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 8, 30])
def test_the_interval_over_seeds_is_that_of_the_paired_t_test(n):
    ours, theirs = numpy.random.default_rng(n).normal(0.3, 0.02, (2, n))
    found, expected = paired_seeds(ours, theirs), ttest_rel(ours, theirs).confidence_interval(LEVEL)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert (found.n, found.mean, found.sd) == pytest.approx((n, (ours - theirs).mean(), (ours - theirs).std(ddof=1)))


def test_three_seeds_by_hand():
    """Differences 1, 2, 3 points: sd 1, standard error 1/sqrt 3; t is 4.3027 with two degrees of freedom."""
    found = paired_seeds([0.31, 0.42, 0.53], [0.30, 0.40, 0.50])
    half = 4.302652729749464 / 3**0.5 / 100
    assert (found.low, found.high) == pytest.approx((0.02 - half, 0.02 + half), abs=1e-12)
    assert found.verdict == CANNOT_TELL and paired_seeds([0.32, 0.33, 0.34], [0.30] * 3).verdict == BETTER


@pytest.mark.parametrize("n", [2, 3, 5, 8, 40])
def test_what_is_detectable_has_the_power_that_is_said(n):
    """The power of a paired t-test, integrated over the sample's deviation, whose square is chi-squared distributed."""
    found = paired_seeds(numpy.linspace(0, 0.1, n), numpy.zeros(n))
    effect, t = found.detectable / found.sd * n**0.5, student.ppf((1 + LEVEL) / 2, n - 1)
    density = lambda s: 2 * s * (n - 1) * chi2.pdf((n - 1) * s * s, n - 1)  # noqa: E731, of sample sd / sd
    power, _ = quad(lambda s: normal.sf(t * s - effect) * density(s), 0, numpy.inf, epsabs=1e-10)
    assert power == pytest.approx(POWER, abs=1e-6)


def test_what_is_detectable_is_found_in_four_of_five_runs():
    """Of eight seeds whose differences have the deviation 1 and just that mean; four standard errors of 4000 runs."""
    zeros = numpy.zeros(8)
    unit = numpy.array([-1.0, 1] * 4) * (7 / 8) ** 0.5
    effect = paired_seeds(unit, zeros).detectable
    runs = numpy.random.default_rng(0).normal(effect, 1, (4000, 8))
    found = [paired_seeds(run, zeros).verdict for run in runs]
    assert found.count(BETTER) / 4000 == pytest.approx(POWER, abs=4 * (0.16 / 4000) ** 0.5)
    none = [paired_seeds(run - effect, zeros).verdict for run in runs]
    assert none.count(CANNOT_TELL) / 4000 == pytest.approx(LEVEL, abs=4 * (0.0475 / 4000) ** 0.5)


def test_with_many_seeds_what_is_detectable_is_that_of_known_deviation():
    differences = numpy.random.default_rng(1).normal(0, 0.01, 5000)
    found = paired_seeds(differences, numpy.zeros(5000))
    assert found.detectable == pytest.approx((1.959964 + 0.841621) * found.sd / 5000**0.5, rel=2e-3)


@given(
    pairs=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=9),
    order=st.randoms(use_true_random=False),
)
def test_the_verdict_is_the_t_tests_and_that_of_the_reverse_is_the_reverse(pairs, order):
    ours, theirs = numpy.array(pairs).T
    found, back = paired_seeds(ours, theirs), paired_seeds(theirs, ours)
    reverse = {BETTER: WORSE, WORSE: BETTER, CANNOT_TELL: CANNOT_TELL}
    assert back.verdict == reverse[found.verdict] and back.detectable == found.detectable
    assert (back.mean, back.low, back.high) == (-found.mean, -found.high, -found.low)
    assert found.low <= found.mean <= found.high and found.detectable >= (found.high - found.low) / 2
    order.shuffle(pairs)
    again = paired_seeds(*numpy.array(pairs).T)
    assert (again.low, again.high) == pytest.approx((found.low, found.high), abs=1e-12)
    if found.sd > 1e-9:
        test = ttest_rel(ours, theirs)
        if abs(test.pvalue - (1 - LEVEL)) > 1e-9:
            told = CANNOT_TELL if test.pvalue > 1 - LEVEL else BETTER if test.statistic > 0 else WORSE
            assert found.verdict == told


@pytest.mark.parametrize(("ours", "verdict"), [([0.4] * 3, CANNOT_TELL), ([0.5] * 3, BETTER), ([0.25] * 3, WORSE)])
def test_rows_that_always_differ_by_the_same_leave_no_doubt(ours, verdict):
    found = paired_seeds(ours, [0.4] * 3)
    assert (found.verdict, found.sd) == (verdict, pytest.approx(0, abs=1e-15))
    assert found.low == pytest.approx(found.high) == pytest.approx(ours[0] - 0.4)


def test_one_seed_gets_no_interval_and_tells_nothing():
    found = paired_seeds([0.5], [0.4])
    assert found.n == 1 and found.mean == pytest.approx(0.1) and found.verdict == CANNOT_TELL
    assert numpy.isnan([found.sd, found.low, found.high, found.detectable]).all()


def test_a_pair_with_an_unknown_value_is_no_pair():
    for unknown in (float("nan"), None):
        found = paired_seeds([0.5, unknown, 0.7], [0.4, 0.4, 0.4])
        assert (found.n, found.mean) == (2, pytest.approx(0.2))
    assert numpy.isnan(paired_seeds([float("nan")], [0.4]).mean)


# --- over images ----------------------------------------------------------------------------------


def test_counts_are_draws_with_replacement():
    counts = draw_counts(7, 4000, 3)
    assert counts.shape == (4000, 7) and (counts.sum(axis=1) == 7).all() and (counts == draw_counts(7, 4000, 3)).all()
    assert (counts != draw_counts(7, 4000, 4)).any()
    # An image is left out of a sample with probability (1 - 1/7)^7; four standard errors of 28000 draws.
    assert (counts == 0).mean() == pytest.approx((6 / 7) ** 7, abs=4 * 0.5 / 28000**0.5)


def test_resampled_miou_is_that_of_a_loop():
    seeds, counts = [matrices(6, seed=seed) for seed in (1, 2)], draw_counts(6, 40, 0)
    expected = []
    for count in counts:
        drawn = [image for image, times in enumerate(count) for _ in range(times)]
        expected.append(numpy.mean([miou_from_matrix(sum(each[image] for image in drawn)) for each in seeds]))
    found = resampled_scores([evaluation(each) for each in seeds], counts, "network")
    numpy.testing.assert_allclose(found, expected, rtol=1e-12)
    assert (counts[:, 0] == 0).any() and (counts[:, 0] > 0).any(), "a class is absent in some samples only"


def test_scores_of_each_are_nan_where_nothing_is_there():
    found = miou_of_each(numpy.stack([numpy.zeros((3, 3)), numpy.diag([4.0, 0, 0])]))
    assert numpy.isnan(found[0]) and found[1] == 1
    found = accuracy_of_each(numpy.stack([numpy.zeros((3, 3)), numpy.array([[4, 2, 0], [1, 1, 0], [0, 0, 0]])]))
    assert numpy.isnan(found[0]) and found[1] == 5 / 8


def test_the_interval_over_images_is_the_naive_bootstraps():
    ours, theirs = [matrices(8, seed=seed) for seed in (1, 2)], [matrices(8, seed=seed) for seed in (3, 4)]
    found = image_interval(*([evaluation(each) for each in row] for row in (ours, theirs)), "network", 500, 11)
    differences = []
    for count in draw_counts(8, 500, 11):
        pooled = [[sum(n * m for n, m in zip(count, each, strict=True)) for each in row] for row in (ours, theirs)]
        a, b = (numpy.mean([miou_from_matrix(each) for each in row]) for row in pooled)
        differences.append(a - b)
    assert (found.low, found.high) == pytest.approx(tuple(numpy.percentile(differences, [2.5, 97.5])), abs=1e-12)
    assert found.images == 8 and found.low < found.high


def test_equal_rows_differ_by_nothing_in_every_sample():
    same = [evaluation(matrices(5))]
    found = image_interval(same, same, "network", 50, 0)
    assert (found.low, found.high) == (0, 0)


def test_unlabelled_images_do_not_spoil_the_interval():
    some = [evaluation(numpy.concatenate([numpy.zeros((3, 4, 4), int), matrices(1)]))]
    found = image_interval(some, some, "network", 200, 0)
    assert (found.low, found.high) == (0, 0)
    nothing = [evaluation(numpy.zeros((3, 4, 4), int))]
    assert numpy.isnan(image_interval(nothing, nothing, "network", 20, 0).low)


def test_images_are_paired_by_name():
    one = matrices(5)
    order = [3, 1, 4, 0, 2]
    shuffled = evaluation(one[order], [f"image{index}" for index in order])
    (found,) = in_order([shuffled], evaluation(one).image_names, "row A")
    numpy.testing.assert_array_equal(found.of_images("network"), one)
    compared = compare([shuffled], [evaluation(one)], "A", CONFIG)
    assert (compared.images.low, compared.images.high) == (0, 0)


@pytest.mark.parametrize("names", [("image0", "image1", "other"), ("image0", "image1")])
def test_other_images_are_refused(names):
    with pytest.raises(UserError, match=r"row A was scored on other images .* in the preset"):
        compare([evaluation(matrices(len(names)), names)], [evaluation(matrices(3))], "A", CONFIG)


# --- the table ------------------------------------------------------------------------------------


def record(n: int):
    ours = [evaluation(matrices(6, seed=10 + seed)) for seed in range(n)]
    theirs = [evaluation(matrices(6, seed=50 + seed)) for seed in range(n)]
    found = compare(ours, theirs, "A", CONFIG)
    return found, comparison_record(ROW, "control", found, CONFIG)


def test_the_numbers_are_those_of_the_primary_label_size():
    found, cells = record(2)
    expected = [miou_from_matrix(matrices(6, seed=10 + seed).sum(axis=0)) for seed in range(2)]
    assert found.values()["mIoU"] == expected
    assert cells["mIoU"] == f"{100 * numpy.mean(expected):.2f}" and cells["primary"] == "mIoU network"
    difference = float(cells["mIoU"]) - float(cells["baseline_mIoU"])
    assert float(cells["difference"]) == pytest.approx(difference, abs=0.011)
    assert float(cells["images_low"]) <= float(cells["images_high"])


@pytest.mark.parametrize("n", [1, 3, 6])
def test_the_table_says_what_can_be_told(n):
    found, cells = record(n)
    assert list(cells) == list(COLUMNS) and cells["verdict"] == found.seeds.verdict
    for name in ("difference_sd", "seeds_low", "seeds_high", "detectable"):
        assert bool(cells[name]) == (n > 1), name
    text = comparison_markdown([cells], "toy", {"preset": "toy"}, "not *Cityscapes*")
    (line,) = [line for line in text.splitlines() if line.startswith(r"| A\|B")]
    over_seeds = f"{cells['seeds_low']} to {cells['seeds_high']}" if n > 1 else ""
    assert f"| {over_seeds} | {cells['detectable']} | {cells['verdict']} |" in line and cells["difference"] in line
    assert "**control**" in text and r"not \*Cityscapes\*" in text
    heads = [row for row in text.splitlines() if row.startswith("|")]
    assert len({row.replace(r"\|", "").count("|") for row in heads}) == 1 and len(heads) == 3


def test_the_csv_has_the_same_columns_whatever_was_run():
    for records in ([], [record(1)[1]], [record(2)[1], record(7)[1]]):
        frame = pandas.read_csv(
            io.BytesIO(companion_csv(records, comparison_columns("mIoU"))), dtype=object, keep_default_na=False
        )
        assert tuple(frame.columns) == COLUMNS and frame.to_dict("records") == records
    assert "nothing to compare" in comparison_markdown([], "toy", {"preset": "toy"}, "")


def test_no_number_is_minus_zero():
    same = [evaluation(matrices(4))]
    cells = comparison_record(ROW, "control", compare(same, same, "A", CONFIG), CONFIG)
    assert (cells["difference"], cells["images_low"], cells["images_high"]) == ("0.00", "0.00", "0.00")


def test_an_undefined_miou_is_an_empty_cell():
    nothing = [evaluation(numpy.zeros((2, 4, 4), int))]
    found = compare(nothing, [evaluation(matrices(2))], "A", CONFIG)
    cells = comparison_record(ROW, "control", found, CONFIG)
    assert found.values()["mIoU"] == [None] == found.values()["difference"]
    assert cells["mIoU"] == cells["difference"] == cells["images_low"] == "" and cells["pairs"] == "0"


def test_rows_are_compared_with_a_second_row_as_well(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ("source_only", "target_forwarded", "minent", "maxsquare")
    content = tiny_parameters(rows) | {"seeds": [1, 2]}
    content["experiments"]["table2"]["also_against"] = ["minent"]
    plan = make_plan(parameters_from(content, "tiny"))
    for job in plan.jobs:
        if job.stage in MADE:
            make(job)
    (job,) = [job for job in plan.jobs if job.stage == "statistics"]
    files, lineage = build(trace_table(job))
    table = pandas.read_csv(io.BytesIO(files["csv"]))
    second = "MinEnt"
    assert list(zip(table.method, table.baseline, strict=True)) == [
        *((each, "target forwarded, λ=0") for each in ("Source only", second, "MaxSquare")),
        *((each, second) for each in ("Source only", "target forwarded, λ=0", "MaxSquare")),
    ]
    of = table.set_index(["method", "baseline"]).difference
    apart = of["MaxSquare", "target forwarded, λ=0"] - of[second, "target forwarded, λ=0"]
    assert of["MaxSquare", second] == pytest.approx(apart, abs=0.011)
    assert files["md"].decode().count("| Source only |") == 2 and f"from the row **{second}**" in files["md"].decode()
    assert [row["title"] for row in lineage][-1] == f"MaxSquare against {second}"
    assert len({row["key"] for row in lineage}) == len(lineage) == 6


def test_what_is_compared_with_must_be_a_row():
    content = tiny_parameters()
    content["experiments"]["table2"]["also_against"] = ["dacs"]
    with pytest.raises(UserError, match=r"experiments\.table2\.also_against\[0\]: 'dacs' is not defined"):
        parameters_from(content, "tiny")

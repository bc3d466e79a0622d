import json
from pathlib import Path

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segadapt.core.errors import UserError
from segadapt.labels import CAMVID11, SYNTHIA13, SYNTHIA16
from segadapt.reporting import (
    BUILT_IN_NOTE,
    TableHeader,
    TableRow,
    build_table,
    published_rows,
    read_table,
    write_table,
)
from segadapt.reporting.tables.cells import COMPARED, LAMBDAS, table_csv
from segadapt.reporting.tables.markdown import readme_table
from segadapt.reporting.tables.published import PublishedRow

FOLDER = Path(__file__).parents[1] / "results" / "published"
TWO = ("road", "sky")
HEADER = TableHeader("streets", BUILT_IN_NOTE, "2 cores & no GPU", "abc_123", (0, 1), "released")
NASTY = r"50 % of A&B_c <i>\x</i> {#1} | $5 ~ ^ *λ*=0 [36], a"
COLUMNS = (
    "method,backbone,origin,road,sky,mIoU,mIoU_sd,seeds,vs_control,vs_control_low,vs_control_high,detectable,verdict,"
    "paper_mIoU,delta,lambda,paper_lambda,selection,protocol,eval_size,preset,gpu_hours,commit"
)
PAPER = PublishedRow("Theirs", "ResNet-101", "paper", {"road": 70.0, "sky": 51.4}, {2: 60.7})


def row(method="Ours", origin="ours", seeds=((0.5, 0.25), (0.7, 0.35)), **more):
    columns = {name: [each[place] for each in seeds] for place, name in enumerate(TWO)} if seeds else {}
    means = {"mIoU": [float(numpy.nanmean(each)) for each in seeds]} if seeds else {}
    facts = {
        "selection": "last step",
        "protocol": "released",
        "eval_size": "512x256",
        "preset": "streets",
        "commit": "abc",
    }
    return TableRow(method, "ResNet-50", origin, columns | means, **{**facts, **more})


def example(**more):
    rows = [
        row(paper_method="Theirs", gpu_hours=1.25, control=[0.3, 0.4], weight=0.7370345, paper_weight=0.1),
        row(NASTY, seeds=[(0.615, numpy.nan)], control=[0.6]),
        row("Only forwarded, λ=0", "control", seeds=[(0.3, 0.9)], weight=0.0),
        row("Never run", "control", seeds=[]),
    ]
    return build_table(rows, TWO, [PAPER], **more)


def test_numbers_by_hand():
    # road: mean of 50 and 70; sky: of 25 and 35; mIoU: of 37.5 and 52.5, which differ by 15 = sd * sqrt 2. Against the
    # control 7.5 and 12.5, of standard error 2.5; with one degree of freedom t is 12.706, the noncentrality 16.334.
    lines = table_csv(example(paper_data=True)).decode().splitlines()
    assert lines[0] == COLUMNS
    facts = "last step,released,512x256,streets"
    compared = "10.00,-21.77,41.77,40.84,cannot tell"
    assert lines[1] == f"Ours,ResNet-50,ours,60.0,30.0,45.0,10.6,2,{compared},60.7,-15.7,0.737,0.1,{facts},1.250,abc"
    assert lines[2].endswith(f",ResNet-50,ours,61.5,,61.5,,1,1.50,,,,cannot tell,,,,,{facts},,abc")
    assert lines[3].endswith(f",60.0,,1,,,,,,,,0,,{facts},,abc")
    assert lines[4] == f"Never run,ResNet-50,control,,,,,0,,,,,,,,,,{facts},,abc"
    assert lines[5] == "Theirs,ResNet-101,published,70.0,51.4,60.7,,,,,,,,,,,,,,,,,"
    assert len(lines) == 6


def test_nothing_is_compared_with_the_paper_on_other_data():
    frame = example()
    assert frame["paper_mIoU"].isna().all()
    assert frame["delta"].isna().all()


@pytest.mark.parametrize(
    ("control", "compared"),
    [
        ([0.37, 0.5198], "0.51,0.38,0.64,0.16,better"),
        ([0.38, 0.5302], "-0.51,-0.64,-0.38,0.16,worse"),
        ([0.37500001, 0.52500001], "0.00,0.00,0.00,0.00,worse"),
        ([0.375, 0.525], "0.00,0.00,0.00,0.00,cannot tell"),
        ((), ",,,,"),
        ([0.3], ",,,,"),
    ],
)
def test_a_row_is_compared_with_its_control_seed_by_seed(control, compared):
    assert f",2,{compared},,," in table_csv(build_table([row(control=control)], TWO)).decode()


def test_a_table_of_an_earlier_segadapt_is_read(written, tmp_path):
    earlier, added = tmp_path / "earlier.csv", [*COMPARED, *LAMBDAS]
    pandas.read_csv(written, dtype=str, keep_default_na=False).drop(columns=added).to_csv(earlier, index=False)
    frame = read_table(earlier)
    assert (frame["verdict"] == "").all() and frame[["vs_control", *LAMBDAS]].isna().all(axis=None)
    expected = read_table(written).drop(columns=added)
    pandas.testing.assert_frame_equal(frame.drop(columns=added), expected)
    assert "verdict" in readme_table(written) and "verdict" not in readme_table(earlier)
    assert "| 45.0 ± 10.6 | 10.00 (-21.77 to 41.77) | cannot tell | 2 |" in readme_table(written)
    assert "| 61.5 | 1.50 | cannot tell | 1 |" in readme_table(written)


def test_a_class_absent_in_one_seed_is_averaged_over_the_others():
    frame = build_table([row(seeds=[(0.5, numpy.nan), (0.7, 0.2)])], TWO)
    assert frame["sky"].tolist() == [20.0]


def test_a_small_negative_difference_is_plain_zero():
    frame = build_table([row(seeds=[(0.6069, 0.6069)], paper_method="Theirs")], TWO, [PAPER], paper_data=True)
    assert b",60.7,0.0," in table_csv(frame)


def test_a_row_that_the_paper_has_not_stands_alone():
    frame = build_table([row(paper_method="Theirs, λ_T = 0.3")], TWO, [PAPER], paper_data=True)
    assert pandas.isna(frame["paper_mIoU"][0]) and pandas.isna(frame["delta"][0])


def test_published_means_follow_the_class_set():
    published = published_rows(3, folder=FOLDER)
    for classes, means in (
        (SYNTHIA16.classes, [29.2, 42.5, None, 38.1]),
        (SYNTHIA13.classes, [33.6, 48.4, 46.7, 44.2]),
    ):
        frame = build_table([], classes, published)
        assert list(frame.columns[3 : 3 + len(classes)]) == list(classes)
        assert [None if pandas.isna(value) else value for value in frame["mIoU"][:4]] == means
    assert pandas.isna(build_table([], SYNTHIA16.classes, published)["wall"][2])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"origin": "published"}, "origin 'published'"),
        ({"seeds": [(0.5, 0.2), (60.0, 30.0)]}, "seed number 1.*percent"),
        ({"seeds": [(-0.1, 0.2)]}, "outside"),
    ],
)
def test_wrong_rows_are_refused(bad, message):
    with pytest.raises(UserError, match=message):
        build_table([row(**bad)], TWO, [PAPER])


def test_unequal_numbers_of_seeds_are_refused():
    with pytest.raises(UserError, match="road has 1 seeds, another column 2"):
        build_table([TableRow("Ours", "", "ours", {"road": [0.1], "mIoU": [0.1, 0.2]})], TWO)


def test_published_rows_over_other_classes_are_refused():
    with pytest.raises(UserError, match=r"pedestrian.*leave them out"):
        build_table([], CAMVID11.classes, published_rows(2, folder=FOLDER))


@settings(max_examples=40)
@given(
    methods=st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1), max_size=5),
    data=st.data(),
)
def test_csv_is_read_back_as_it_was(methods, data):
    fraction = st.floats(0, 1) | st.just(numpy.nan)
    rows = [
        row(
            method,
            seeds=[(data.draw(st.floats(0, 1)), data.draw(fraction))],
            control=data.draw(st.just([]) | st.lists(fraction, min_size=1, max_size=1)),
            gpu_hours=data.draw(st.none() | st.integers(0, 10**6).map(lambda thousandths: thousandths / 1000)),
        )
        for method in methods
    ]
    frame = build_table(rows, TWO, [PAPER])
    csv = table_csv(frame)
    pandas.testing.assert_frame_equal(read_table(csv), frame, rtol=0, atol=0.0501)
    assert table_csv(read_table(csv)) == csv


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "results" / "table9.csv"
    write_table(path, example(paper_data=True), HEADER)
    return path


def test_metrics_are_numbers_of_our_own_rows(written):
    metrics = json.loads(written.with_suffix(".json").read_text())
    means = {"ours": 45.0, "50-of-a-b-c-i-x-i-1-5-lambda-0-36-a": 61.5, "only-forwarded-lambda-0": 60.0}
    assert metrics["mIoU"] == pytest.approx(means, rel=1e-14)
    assert metrics["mIoU_sd"] == pytest.approx({"ours": 15 / 2**0.5}, rel=1e-14)


def test_metrics_tell_what_a_tenth_hides(tmp_path):
    rows = [row("A", seeds=[(0.50001, 0.5)]), row("B", seeds=[(0.5, 0.50003)])]
    write_table(tmp_path / "t.csv", build_table(rows, TWO), HEADER)
    metrics = json.loads((tmp_path / "t.json").read_text())["mIoU"]
    assert metrics == pytest.approx({"a": 50.0005, "b": 50.0015}, rel=1e-14)
    assert (read_table(tmp_path / "t.csv")["mIoU"] == 50.0).all()


def test_metrics_of_equal_methods_have_different_names(tmp_path):
    rows = [row(), row(selection="best on val"), row(seeds=[(0.1, 0.1)])]
    write_table(tmp_path / "t.csv", build_table(rows, TWO), HEADER)
    metrics = json.loads((tmp_path / "t.json").read_text())["mIoU"]
    means = {"ours-last-step": 45.0, "ours-best-on-val": 45.0, "ours-last-step-2": 10.0}
    assert metrics == pytest.approx(means, rel=1e-14)


def test_the_csv_comes_last(tmp_path):
    (tmp_path / "t.html").mkdir()
    with pytest.raises(UserError, match=r"t\.html"):
        write_table(tmp_path / "t.csv", example(), HEADER)
    assert not (tmp_path / "t.csv").exists()

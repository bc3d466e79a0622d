from pathlib import Path

import pandas
import pytest

from segadapt.core.errors import UserError
from segadapt.core.parameters import load_parameters
from segadapt.labels import CITYSCAPES19, SYNTHIA13, SYNTHIA16
from segadapt.plan import make_plan
from segadapt.reporting import published_frame, published_rows
from segadapt.reporting.tables.main import TableRow, build_table

FOLDER = Path(__file__).parents[1] / "results" / "published"
CITIES = ("Rome", "Rio", "Tokyo", "Taipei")
SETS = {19: CITYSCAPES19, 16: SYNTHIA16, 13: SYNTHIA13}

# Means that cannot be the rounded or truncated mean of their row; the print has them so.
INFEASIBLE = {("2", "MinEnt [31]", 19): 40.695, ("Tokyo", "MaxSquare+IW", 13): 50.338}


def all_rows():
    yield from (("2", row) for row in published_rows(2, folder=FOLDER))
    yield from (("3", row) for row in published_rows(3, folder=FOLDER))
    for city in CITIES:
        yield from ((city, row) for row in published_rows(6, city, folder=FOLDER))


@pytest.mark.parametrize(
    ("place", "row"), [pytest.param(*each, id=f"{each[0]}-{each[1].method}") for each in all_rows()]
)
def test_every_printed_mean_agrees_with_its_classes(place, row):
    assert row.miou
    for count, printed in row.miou.items():
        recomputed = sum(row.iou[name] for name in SETS[count].classes) / count
        known = INFEASIBLE.get((place, row.method, count))
        if known is None:
            assert abs(recomputed - printed) <= 0.1
        else:
            assert recomputed == pytest.approx(known, abs=1e-3)
            assert abs(recomputed - printed) > 0.1


def test_the_infeasible_rows_exist():
    found = {(place, row.method, count) for place, row in all_rows() for count in row.miou}
    assert set(INFEASIBLE) <= found


def test_rows_and_classes_are_all_there():
    assert len(published_rows(2, folder=FOLDER)) == 11
    assert len(published_rows(3, folder=FOLDER)) == 10
    assert all(tuple(row.iou) == CITYSCAPES19.classes for row in published_rows(2, folder=FOLDER))
    for city in CITIES:
        rows = published_rows(6, city, folder=FOLDER)
        assert len(rows) == 6
        assert all(tuple(row.iou) == SYNTHIA13.classes and row.backbone == "" for row in rows)


def test_what_was_not_reported_is_left_out():
    row = next(row for row in published_rows(3, folder=FOLDER) if row.method == "AdaptSegNet [28]")
    assert set(SYNTHIA16.classes) - set(row.iou) == {"wall", "fence", "pole"}
    assert row.miou == {13: 46.7}


def test_table2_anchor():
    row = published_rows(2, folder=FOLDER)[-1]
    assert (row.method, row.backbone, row.origin) == ("MaxSquare+IW+Multi", "ResNet-101", "paper")
    assert (row.iou["road"], row.iou["bike"], row.miou) == (89.4, 33.5, {19: 46.4})


def test_table1_averages():
    frame = published_frame(1, FOLDER)
    rows = published_rows(1, folder=FOLDER)
    for columns in (rows[0].iou.keys(), ("mnist_to_usps", "usps_to_mnist")):
        assert [row.mean(columns) for row in rows] == frame["avg"].tolist()
    means = frame[[name for name in frame if name.endswith("_mean")]].mean(axis=1)
    assert ((means - frame["avg"]).abs() <= 0.1).all()


def test_over_fewer_domains_the_mean_of_the_paper_is_over_their_tasks():
    """A row with the very accuracies of the paper differs from it by nothing."""
    columns = ["amazon_to_webcam", "webcam_to_amazon"]
    values = dict(zip(columns, ([0.924], [0.642]), strict=True)) | {"accuracy": [0.783]}
    row = TableRow("Max", "ResNet-50", "ours", values, paper_method="MaxSquare")
    frame = build_table([row], columns, published_rows(1, folder=FOLDER), paper_data=True, mean="accuracy")
    frame = frame.set_index("method")
    assert frame.loc["Max", "paper_accuracy"] == pytest.approx((92.4 + 64.2) / 2)
    assert frame.loc["Max", "delta"] == pytest.approx(0)
    assert frame.loc["DANN", "accuracy"] == pytest.approx((82.0 + 67.4) / 2)


def test_rows_without_classes_are_named_as_ours_are():
    table4 = {row.method: row.miou[19] for row in published_rows(4, folder=FOLDER)}
    assert table4 == {
        "MinEnt-dagger": 42.2,
        "MaxSquare": 44.3,
        "MinEnt+IW": 43.5,
        "MaxSquare+IW": 45.2,
        "MaxSquare+Multi": 45.2,
        "MaxSquare+IW+Multi": 46.4,
    }
    table5 = {row.method: row.miou[19] for row in published_rows(5, folder=FOLDER)}
    assert len(table5) == 15 and table5["MaxSquare, λ_T = 0.5"] == 43.2
    assert table5["MaxSquare+IW, α = 0"] == 44.3 and table5["MaxSquare+IW+Multi, δ = 0.98"] == 46.4
    cities = published_rows(6, folder=FOLDER)
    assert len(cities) == 24 and cities[0].method == "Rome: Cross city [5]"


def test_tables_4_and_5_agree_with_table_2():
    means = {row.method: row.miou[19] for row in published_rows(2, folder=FOLDER)}
    ablation = published_frame(4, FOLDER).set_index(["entropy", "maxsquare", "iw", "multi"])["mIoU"]
    assert ablation[1, 0, 0, 0] == means["MinEnt-dagger"]
    assert ablation[0, 1, 0, 0] == means["MaxSquare"]
    assert ablation[0, 1, 1, 0] == means["MaxSquare+IW"]
    assert ablation[0, 1, 1, 1] == means["MaxSquare+IW+Multi"]
    sweep = published_frame(5, FOLDER).set_index(["parameter", "value"])["mIoU"]
    assert sweep["lambda_T", 0.1] == means["MaxSquare"]
    assert sweep["alpha", 0.2] == means["MaxSquare+IW"]
    assert sweep["delta", 0.95] == means["MaxSquare+IW+Multi"]


def test_all_six_are_tables():
    for table in range(1, 7):
        assert isinstance(published_frame(table, FOLDER), pandas.DataFrame)


@pytest.mark.parametrize(
    ("table", "city", "message"),
    [
        (8, None, r"choose one of \[1, 2, 3, 4, 5, 6, 7\]"),
        (2, "Rome", "no rows for city 'Rome'"),
        (6, "Bonn", "Bonn"),
    ],
)
def test_wrong_questions_are_refused(table, city, message):
    with pytest.raises(UserError, match=message):
        published_rows(table, city, folder=FOLDER)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"paper_table2\.csv"):
        published_rows(2, folder=tmp_path)


def test_later_work_says_where_each_number_stands_and_which_row_is_whose():
    frame = published_frame(7, folder=FOLDER)
    assert frame.mIoU.between(50, 80).all() and frame.source.str.contains(r"README at [0-9a-f]{7}").all()
    plan = make_plan(load_parameters(FOLDER.parents[1] / "params.yaml", {"preset": "paper"}))
    tables = [job for job in plan.jobs if job.stage == "table" and job.config["published"] == 7]
    rows = [row for table in tables for row in table.config["rows"]]
    stated = {row["paper_row"]: row["title"].rsplit(": ")[-1] for row in rows if row["paper_row"] in set(frame.method)}
    assert stated == {name: name for name in frame.method}

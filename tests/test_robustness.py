"""The figure of robustness: differences seed by seed with their intervals, methods of one parameter side by side."""

import io
import json

import numpy
import pandas
import pytest
import scored
from PIL import Image
from tiny import tiny_parameters

from segadapt.core.parameters import parameters_from
from segadapt.evaluation import miou_from_matrix
from segadapt.labels import CITYSCAPES19, SYNTHIA16
from segadapt.plan import make_plan
from segadapt.reporting.figures import robustness
from segadapt.reporting.figures.robustness import Curve, Panel, Point, robustness_csv, robustness_figure
from segadapt.reporting.figures.style import png, svg
from segadapt.reporting.tables.intervals import paired_seeds

CONTROL = (0.40, 0.42, 0.41)
FALLING = tuple(Point(value, tuple(c - 0.01 * value for c in CONTROL), CONTROL) for value in (5, 0.02, 0.5))
FLAT = tuple(Point(value, (0.41, 0.42, 0.43), CONTROL, trained=3 * value) for value in (0.02, 0.5, 5))


def panel(*curves: tuple[Point, ...], symbol: str = "λ_T") -> Panel:
    return Panel(symbol, tuple(Curve(f"method {n}", "the control", n, points) for n, points in enumerate(curves)))


def test_every_seed_is_a_line_of_the_data_with_its_points_interval():
    frame = pandas.read_csv(io.BytesIO(robustness_csv([panel(FALLING, FLAT)], (1, 2, 3))))
    assert len(frame) == 2 * 3 * 3
    one = frame[(frame.method == "method 1") & (frame.value == 0.5)]
    assert one["difference"].tolist() == [1.0, 0.0, 2.0] and one["mIoU"].tolist() == [41.0, 42.0, 43.0]
    found = paired_seeds((0.41, 0.42, 0.43), CONTROL)
    for name in ("mean", "low", "high"):
        assert one[name].tolist() == [round(100 * getattr(found, name), 2)] * 3
    assert one["trained"].tolist() == [1.5] * 3 and frame[frame.method == "method 0"]["trained"].tolist()[0] == 5
    assert frame["paper_mIoU"].isna().all()
    single = pandas.read_csv(io.BytesIO(robustness_csv([panel((Point(1, (0.5,), (0.4,), paper=43.2),))], (7,))))
    assert single["low"].isna().all() and single["mean"][0] == 10.0 and single["paper_mIoU"][0] == 43.2


def test_the_picture_has_every_dot_both_names_and_the_zero_line():
    figure = robustness_figure([panel(FALLING, FLAT)], "toy data")
    (axis,) = figure.axes
    assert axis.get_xscale() == "log" and [tick.get_text() for tick in axis.get_xticklabels()] == ["0.02", "0.5", "5"]
    lines = [line.get_xydata() for line in axis.lines if line.get_linestyle() not in ("None", "")]
    means = {tuple(map(tuple, numpy.round(xy, 9))) for xy in lines}
    assert ((0.02, -0.02), (0.5, -0.5), (5.0, -5.0)) in means and ((0.02, 1.0), (0.5, 1.0), (5.0, 1.0)) in means
    dots = numpy.concatenate([line.get_ydata() for line in axis.lines if line.get_linestyle() == "None"])
    expected = [value for each in (-0.02, -0.5, -5) for value in [each] * 3] + [0, 1, 2] * 3
    assert sorted(dots) == pytest.approx(sorted(expected)), "every seed of every point"
    low, high = axis.get_ylim()
    assert low < -5 and high > 2 and low < 0 < high
    texts = {text.get_text(): text for text in axis.texts}
    assert texts.keys() == {"the control", "method 0", "method 1"}
    assert (
        texts["method 0"].xy == (5, pytest.approx(-5))
        and texts["method 1"].get_color() != texts["method 0"].get_color()
    )
    assert "trained 3 times as large" in axis.get_xlabel()


def test_names_of_curves_that_end_together_stand_apart():
    figure = robustness_figure([panel(FLAT, FLAT, FLAT)], "")
    (axis,) = figure.axes
    heights = sorted(text.xy[1] for text in axis.texts if text.get_text().startswith("method"))
    assert min(numpy.diff(heights)) >= 0.059 * numpy.diff(axis.get_ylim())[0]


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_results_give_equal_pictures(seeds):
    points = tuple(Point(v, CONTROL[:seeds], tuple(c - v / 100 for c in CONTROL[:seeds]), paper=41) for v in (0, 0.1))
    draw = lambda note: robustness_figure([panel(FALLING, FLAT), panel(points, symbol="α")], note)  # noqa: E731
    picture = png(draw("toy data"))
    assert picture == png(draw("toy data")) and picture != png(draw("other data"))
    assert svg(draw("toy data")) == svg(draw("toy data"))
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    assert image.width > 1000 and len(image.getcolors(1 << 20)) > 2


def test_methods_of_one_parameter_share_a_panel_and_the_tables_control(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = tiny_parameters() | {"seeds": [1, 2]}
    sweeps = [{"method": name, "parameter": "lambda_target", "values": [0.1, 2]} for name in ("minent", "maxsquare")]
    sweeps.append({"method": "maxsquare_iw", "parameter": "image_weight.alpha", "values": [0.2, 0.3]})
    found["experiments"] = {"table5": {"rows": ["source_only", "target_forwarded"], "sweeps": sweeps}}
    plan = make_plan(parameters_from(found, "tiny"))
    job = plan.by_name["figure/table5_robustness"]
    for each in plan.jobs:
        if each.stage in scored.MADE:
            scored.make(each)
    panels = {each["symbol"]: [curve["title"] for curve in each["curves"]] for each in job.config["panels"]}
    assert panels == {"λ_T": ["MinEnt", "MaxSquare"], "α": ["MaxSquare+IW"]}
    assert "trained" not in json.dumps(job.config), "only where a preset scales λ"
    frame = pandas.read_csv(io.BytesIO(robustness.draw(job)["data"]))
    miou = {
        name: [100 * miou_from_matrix(scored.matrices(name, seed).sum(axis=0)) for seed in (1, 2)]
        for name in ("minent-lambda_target-2", "target_forwarded")
    }
    one = frame[(frame.method == "MinEnt") & (frame.value == 2)]
    assert one["difference"].tolist() == pytest.approx(numpy.subtract(*miou.values()), abs=0.0051)
    found["presets"]["tiny"]["lambda_rule"] = {"name": "loss_time", "of": "paper"}
    points = make_plan(parameters_from(found, "tiny")).by_name["figure/table5_robustness"].config["panels"]
    trained = {point["trained"] / point["value"] for curve in points[0]["curves"] for point in curve["points"]}
    assert max(trained) == pytest.approx(min(trained)) and "trained" not in points[1]["curves"][0]["points"][0]


def test_the_difference_is_over_the_classes_of_the_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = tiny_parameters()
    sweeps = [{"method": "maxsquare", "parameter": "lambda_target", "values": [2, 3]}]
    found["experiments"] = {"of_16": {"rows": ["target_forwarded"], "sweeps": sweeps, "classes": "synthia16"}}
    plan = make_plan(parameters_from(found, "tiny"))
    for each in plan.jobs:
        if each.stage in scored.MADE:
            scored.make(each)
    frame = pandas.read_csv(io.BytesIO(robustness.draw(plan.by_name["figure/of_16_robustness"])["data"]))
    wanted = []
    for name in ("maxsquare-lambda_target-2", "target_forwarded"):
        counts = scored.matrices(name, 1).sum(axis=0)
        union_C = counts.sum(axis=0) + counts.sum(axis=1) - counts.diagonal()
        places = [CITYSCAPES19.classes.index(each) for each in SYNTHIA16.classes]
        wanted.append(100 * numpy.mean([counts[each, each] / union_C[each] for each in places if union_C[each]]))
    assert frame[frame.value == 2]["mIoU"].tolist() == pytest.approx(wanted[:1], abs=0.0051)
    assert frame[frame.value == 2]["difference"].tolist() == pytest.approx([wanted[0] - wanted[1]], abs=0.0051)

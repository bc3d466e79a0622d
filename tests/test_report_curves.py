"""The lines on the page that shows a run: what training did, reliability, and what parameters move."""

import io
import re
from dataclasses import replace

import numpy
import pandas
import pytest
from tiny import tiny_parameters

from segadapt.core.job import Input
from segadapt.core.parameters import parameters_from
from segadapt.core.scoring_mode import ScoringMode
from segadapt.evaluation import Evaluation
from segadapt.evaluation.measures.boundary import BoundaryOverlap
from segadapt.evaluation.measures.calibration import CalibrationBins
from segadapt.evaluation.measures.per_image import Measures
from segadapt.plan import make_plan
from segadapt.reporting.report import curves, panels


def polylines(html: str) -> dict[str, list[tuple[str, list[tuple[float, float]]]]]:
    """Of each panel, by its title, the titles of its lines with their places."""
    found = {}
    for figure in re.findall(r"<figure>.*?</figure>", html, re.S):
        title = re.search(r"<figcaption>(.*?) <small>", figure)[1]
        lines = re.findall(r'<polyline class="c[^>]*points="([^"]*)"><title>(.*?)</title>', figure)
        found[title] = [
            (name, [tuple(map(float, each.split(","))) for each in places.split()]) for places, name in lines
        ]
    return found


def test_every_run_has_a_line_for_whatever_its_history_and_its_models_tell(page):
    drawn = polylines(page.read_text())
    trained, every = ("target forwarded, λ=0", "Max", "MinEnt"), ("Source only", "target", "Max", "MinEnt", "Oracle")
    for quantity in ("Source loss", "Learning rate", "Share of pixels that the teacher is sure of (%)"):
        names = [name for name, _ in drawn[quantity]]
        assert len(names) == 9 and all(name.startswith(trained) and "seed" in name for name in names), quantity
    # A straight line of equal steps: 1, 2, 4 of the steps are 1/8, 2/8, 4/8 of all pixels.
    for _, places in drawn["Share of pixels that the teacher is sure of (%)"]:
        (x1, y1), (x2, y2), (x4, y4) = places
        assert x4 - x2 == pytest.approx(2 * (x2 - x1), abs=0.2) and y2 - y4 == pytest.approx(2 * (y1 - y2), abs=0.2)
    # From the source model's mIoU to the method's own.
    assert all(len(places) == 2 for _, places in drawn["mIoU on labelled target images (%)"])
    reliability = drawn["Reliability: share of right pixels (%), all seeds"]
    assert [name.startswith(which) for (name, _), which in zip(reliability, every, strict=True)] == [True] * 5
    assert len({str(places) for _, places in reliability}) == 1  # 70 % sure, 60 % right, all of them


def test_a_bin_of_confidence_is_where_it_is_right(tmp_path):
    pixels, right, confidence = (numpy.zeros((2, 15), kind) for kind in (int, int, float))
    pixels[:, 4], right[:, 4], confidence[:, 4] = (10, 30), (5, 5), (3.0, 10.0)
    pixels[0, 14], right[0, 14], confidence[0, 14] = 1000, 1000, 980.0
    measures = Measures(CalibrationBins(pixels, right, confidence), None)
    matrix_NCC = numpy.ones((2, 2, 2), numpy.int64)
    modes = {ScoringMode("network"): matrix_NCC, ScoringMode("native"): matrix_NCC}
    boundary = BoundaryOverlap(numpy.ones((2, 2), numpy.int64), numpy.ones((2, 2), numpy.int64))
    Evaluation(("a", "b"), modes, replace(measures, boundary=boundary)).save(tmp_path / "e.safetensors")
    job = replace(
        make_plan(parameters_from(tiny_parameters(), "tiny")).by_name["report"],
        inputs=(
            Input("confusion", str(tmp_path / "e.safetensors"), "m", 1),
            Input("confusion", str(tmp_path / "e.safetensors"), "m", 2),
        ),
    )
    assert curves._reliability(job, "m") == [pytest.approx((32.5, 25.0)), pytest.approx((98.0, 100.0))]
    assert curves._reliability(job, "other") == []


def test_places_in_a_panel_are_linear_or_logarithmic_and_lines_are_thinned():
    line = panels.Line(0, 9, "a", [(0.1, 0.0), (1.0, 5.0), (10.0, 10.0)], None)
    drawn = panels.Panel("p", [line], [(0, 9, [(0.1, -1, 1), (10, 9, 11)])], logarithmic=True, x_ticks=[0.1, 1]).drawn()
    (left, low), (middle, centre), (right, high) = (
        tuple(map(float, each.split(","))) for each in drawn["lines"][0]["points"].split()
    )
    assert middle == pytest.approx((left + right) / 2) and centre == pytest.approx((low + high) / 2) and high < low
    assert [tick["text"] for tick in drawn["x"]] == ["0.1", "1"] and drawn["lines"][0]["look"] == "c1 d1"
    assert len(drawn["bands"][0]["points"].split()) == 4
    assert panels._thinned([(each, 0) for each in range(1001)])[-1] == (1000, 0)
    assert len(panels._thinned([(each, 0) for each in range(1001)])) <= 251
    flat = panels.Panel("p", [panels.Line(0, 0, "a", [(1, 2.0)])]).drawn()
    middle = (panels.LEFT + 6 + panels.WIDTH - panels.RIGHT) / 2, (panels.ABOVE + panels.HEIGHT - panels.BELOW) / 2
    assert flat["lines"][0]["points"] == "{:.1f},{:.1f}".format(*middle)


def test_sweeps_stand_as_differences_over_the_parameter():
    lines = ["method,parameter,value,trained,seed,mIoU,difference,mean,low,high,paper_mIoU"]
    lines += [
        f"A,λ,{value},1,{seed},50,{value * seed},{value * 1.5},{low},{high},"
        for value, low, high in ((1, 0, 3), (20, "", ""))
        for seed in (1, 2)
    ]
    found = curves._robustness("t", pandas.read_csv(io.StringIO("\n".join(lines))), {"A": 3, "unused": 1})
    (panel,) = found["panels"]
    assert [each["title"] for each in found["legend"]] == ["A"] and len(panel["dots"]) == 4 and len(panel["lines"]) == 1
    assert panel["dots"][3]["title"] == "A, λ = 20, seed 2: +40.00" and len(panel["bands"][0]["points"].split()) == 2
    assert [tick["text"] for tick in panel["x"]] == ["1", "20"]

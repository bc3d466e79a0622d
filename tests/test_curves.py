"""Curves: every point is in the data, and the picture shows each method once in the legend."""

import io
import json
from pathlib import Path

import pandas
import pytest
from PIL import Image
from tiny import tiny_parameters

from segadapt.core.parameters import parameters_from
from segadapt.plan import make_plan
from segadapt.reporting.figures.curves import Curve, curves_csv, curves_figure, draw
from segadapt.reporting.figures.style import COLOURS, png, svg


def curves(count: int = 2) -> list[Curve]:
    return [
        Curve(
            f"method {index}",
            seed,
            [(9, 2.0, None), (19, 1.0, -0.25 * index)],
            [(0, 0.2), (20, 0.25 + 0.01 * seed)],
            index,
        )
        for index in range(count)
        for seed in (1, 2)
    ]


def test_every_point_is_a_line_of_the_data():
    frame = pandas.read_csv(io.BytesIO(curves_csv(curves())))
    assert list(frame.columns) == ["method", "seed", "quantity", "step", "value"]
    assert len(frame) == 4 * (2 + 1 + 2)
    one = frame[(frame.method == "method 1") & (frame.seed == 2)]
    assert one[one.quantity == "mIoU"][["step", "value"]].to_numpy().tolist() == [[0, 20.0], [20, 27.0]]
    assert one[one.quantity == "loss_target"][["step", "value"]].to_numpy().tolist() == [[19, -0.25]]
    assert one[one.quantity == "loss_source"]["value"].tolist() == [2.0, 1.0]


@pytest.mark.parametrize("count", [1, len(COLOURS) + 2])
def test_equal_curves_give_equal_pictures(count):
    draw = lambda note: curves_figure(curves(count), note)  # noqa: E731
    picture = png(draw("toy data"))
    assert picture == png(draw("toy data"))
    assert picture != png(draw("other data"))
    vector = svg(draw("toy data"))
    assert vector == svg(draw("toy data")) and b"dc:date" not in vector
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    assert image.width > 1000 and len(image.getcolors(1 << 20)) > 2


def test_a_self_trained_model_stands_at_the_end_of_its_round(tmp_path, monkeypatch):
    """Its evaluation counts the steps of all rounds, its history those of the last one; a score has one place."""
    monkeypatch.chdir(tmp_path)
    parameters = tiny_parameters(("source_only", "maxsquare", "cbst"))
    parameters["presets"]["tiny"]["methods"]["cbst"] = {"self_training": {"rounds": 2, "steps": 4}}
    job = make_plan(parameters_from(parameters, "tiny")).by_name["figure/curves"]
    steps = {"source_only": ((6, 0.1),), "maxsquare": ((3, 0.2), (6, 0.3)), "cbst": ((8, 0.4),)}
    for each in job.inputs:
        path = Path(each.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if each.role == "history":
            path.write_text("step,loss_source,loss_target\n0,2,-1\n3,1,-2\n")
        else:
            kept = [{"step": step, "network": score} for step, score in steps[each.row]]
            path.write_text(json.dumps({"steps": kept, "network": {"mIoU": kept[-1]["network"]}}))
    found = pandas.read_csv(io.BytesIO(draw(job)["data"]))
    scores = found[found.quantity == "mIoU"]
    points = {title: list(zip(each["step"], each["value"], strict=True)) for title, each in scores.groupby("method")}
    assert points == {"MaxSquare": [(0, 10.0), (3, 20.0), (6, 30.0)], "CBST": [(4, 40.0)]}

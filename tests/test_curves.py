"""Curves: every point is in the data, and the picture shows each method once in the legend."""

import io

import pandas
import pytest
from PIL import Image

from segadapt.reporting.figures.curves import Curve, curves_csv, curves_figure
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

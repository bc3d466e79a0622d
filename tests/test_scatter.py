"""Figures 2 and 4: correlations as scipy has them, frequencies as counted, and no point for what is unknown."""

import io
from dataclasses import replace

import numpy
import pandas
import pytest
from scipy.stats import pearsonr

from segadapt.reporting.figures.scatter import Cloud, log_frequency, pearson, scatter_csv, scatter_figure
from segadapt.reporting.figures.style import png, svg

NAN = float("nan")


@pytest.mark.parametrize("seed", range(4))
def test_r_is_pearsons(seed):
    x, y = numpy.random.default_rng(seed).normal(size=(2, 3 + 5 * seed))
    assert pearson(x, y + seed * x) == pytest.approx(pearsonr(x, y + seed * x).statistic, abs=1e-12)


@pytest.mark.parametrize(("x", "y"), [([], []), ([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0, 0, 0])])
def test_r_is_undefined_for_too_little(x, y):
    assert numpy.isnan(pearson(x, y))


def test_frequencies_are_shares_of_labelled_pixels():
    matrix = numpy.array([[5, 1, 0], [2, 2, 0], [0, 0, 0]])
    found = log_frequency(matrix)
    numpy.testing.assert_allclose(found[:2], numpy.log([6 / 10, 4 / 10]), rtol=1e-12)
    assert numpy.isnan(found[2]) and numpy.isnan(log_frequency(numpy.zeros((3, 3), int))).all()


def cloud(method="A", quantity="size", look=0):
    x, iou = numpy.array([1.0, 2.0, NAN, 4.0, 5.0]), numpy.array([0.1, 0.3, 0.9, 0.5, NAN])
    return Cloud(method, quantity, ("road", "sky", "car", "bus", "train"), x, iou, look)


def test_a_class_that_is_unknown_in_either_is_no_point():
    x, iou, names = cloud().points()
    assert (x.tolist(), iou.tolist(), names) == ([1, 2, 4], [0.1, 0.3, 0.5], ["road", "sky", "bus"])
    r = pearsonr([1, 2, 4], [0.1, 0.3, 0.5]).statistic
    assert cloud().summary() == f"A: r = {r:.2f} (3 classes)"
    empty = Cloud("A", "size", ("road",), numpy.array([NAN]), numpy.array([0.5]), 0)
    assert empty.summary() == "A: r undefined (0 classes)"
    assert scatter_figure([empty], "note")


def test_the_data_hold_every_class_and_the_picture_says_r():
    clouds = [cloud(method, quantity) for method in "AB" for quantity in ("size", "weight")]
    clouds[-1] = replace(clouds[-1], iou_C=2 * clouds[-1].iou_C)
    frame = pandas.read_csv(io.BytesIO(scatter_csv(clouds)))
    assert list(frame.columns) == ["method", "quantity", "class", "value", "IoU"] and len(frame) == 4 * 5
    one = frame[(frame.method == "B") & (frame.quantity == "weight")]
    assert one["IoU"].dropna().tolist() == [20, 60, 180, 100] and one["value"].dropna().tolist() == [1, 2, 4, 5]
    figure = scatter_figure(clouds, "toy data")
    assert len(figure.axes) == 4 and {axis.get_title() for axis in figure.axes} == {c.summary() for c in clouds}
    assert all(len(axis.collections[0].get_offsets()) == 3 for axis in figure.axes)
    for axis in figure.axes:
        (low, high), offsets = axis.get_ylim(), axis.collections[0].get_offsets()
        assert low < offsets[:, 1].min() and offsets[:, 1].max() < high
    assert svg(figure) == svg(scatter_figure(clouds, "toy data")) and png(figure).startswith(b"\x89PNG")

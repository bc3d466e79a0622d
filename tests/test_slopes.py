"""Figure 1: its numbers are the losses' own, and the closed forms of the paper in float64."""

import inspect
import io

import numpy
import pandas
import pytest
from scipy.optimize import brentq

from segadapt.losses import scaled_entropy
from segadapt.plan.jobs.paper_figures import GAMMA
from segadapt.reporting.figures import slopes as figure1
from segadapt.reporting.figures.slopes import ENTROPY, RATIO, SCALED, SQUARES, peak, slopes, slopes_csv, slopes_figure
from segadapt.reporting.figures.style import png, svg


@pytest.mark.parametrize("gamma", [0.0, 0.05, 0.2])
def test_slopes_are_the_closed_forms(gamma):
    frame = slopes(gamma)
    p = frame["p"].to_numpy()
    scaled = (1 - 2 * gamma) * p + gamma
    expected = {
        ENTROPY: abs(numpy.log(p) - numpy.log(1 - p)),
        SCALED: (1 - 2 * gamma) * abs(numpy.log(scaled) - numpy.log(1 - scaled)),
        SQUARES: abs(4 * p - 2),
    }
    assert len(p) == 999 and (p[0], p[-1]) == (0.001, 0.999)
    for name, slope in expected.items():
        numpy.testing.assert_allclose(frame[name], slope, rtol=1e-9, atol=1e-12)
        numpy.testing.assert_allclose(frame[f"{name}, logit"], slope * p * (1 - p), rtol=1e-9, atol=1e-12)


def test_a_loss_that_changes_changes_the_figure(monkeypatch):
    real = figure1.entropy
    monkeypatch.setattr(figure1, "entropy", lambda *logits, **rest: 1.01 * real(*logits, **rest))
    assert slopes(GAMMA)[ENTROPY].max() == pytest.approx(1.01 * numpy.log(999))


def test_the_peaks_are_where_the_derivative_vanishes():
    frame = slopes(GAMMA)
    # d/dp of p (1-p) (4p-2) is -2 (6 p^2 - 6 p + 1); of p (1-p) ln(p/(1-p)) it is (1-2p) ln(p/(1-p)) + 1.
    roots = {SQUARES: (3 + 3**0.5) / 6, ENTROPY: brentq(lambda p: (1 - 2 * p) * numpy.log(p / (1 - p)) + 1, 0.6, 0.99)}
    assert [round(root, 3) for root in roots.values()] == [0.789, 0.824]
    for name, root in roots.items():
        p, slope = peak(frame, name)
        assert abs(p - root) <= 0.0005
        assert slope == pytest.approx(frame[f"{name}, logit"].max(), rel=1e-12)


def test_the_ratio_is_what_was_computed_by_hand():
    frame = slopes(GAMMA).set_index("p")
    for p, ratio in {0.8: 1.16, 0.9: 1.37, 0.95: 1.64, 0.99: 2.34, 0.999: 3.46}.items():
        assert round(frame[RATIO][p], 2) == ratio
    assert numpy.isnan(frame[RATIO][0.5]) and frame[RATIO].isna().sum() == 1


def test_gamma_is_that_of_the_loss():
    assert inspect.signature(scaled_entropy).parameters["gamma"].default == GAMMA


def test_the_files_hold_the_numbers_and_are_equal_for_equal_numbers():
    frame = slopes(GAMMA)
    read = pandas.read_csv(io.BytesIO(slopes_csv(frame)))
    pandas.testing.assert_frame_equal(read, frame, rtol=1e-5, atol=1e-12)
    vector = svg(slopes_figure(frame, GAMMA))
    assert vector == svg(slopes_figure(frame, GAMMA)) and b"date" not in vector
    assert vector != svg(slopes_figure(slopes(0.1), 0.1))
    assert png(slopes_figure(frame, GAMMA)) == png(slopes_figure(frame, GAMMA))

"""Information maximisation: against a loop in plain Python, and where its value is known in closed form."""

import math

import numpy
import pytest
import torch

from segadapt.core.errors import UserError
from segadapt.evaluation import evenly_spaced, label_free_score


def score_of(logits, progress=None):
    """The score of images whose logits, each (C, h, w), are given."""
    waiting = iter(logits)
    images = [numpy.zeros((2, 2, 3), numpy.uint8)] * len(logits)
    return label_free_score(lambda image_HWC: next(waiting)[None], images, progress)


def naive(logits):
    """Pixel by pixel, float64, in plain Python."""
    pixels = [pixel for each in logits for pixel in each.double().flatten(1).T.tolist()]
    mean, entropy = [0.0] * len(pixels[0]), 0.0
    for pixel in pixels:
        total = math.fsum(math.exp(value) for value in pixel)
        softmax = [math.exp(value) / total for value in pixel]
        entropy += -math.fsum(each * math.log(each) for each in softmax if each > 0) / len(pixels)
        mean = [before + each / len(pixels) for before, each in zip(mean, softmax, strict=True)]
    return -math.fsum(each * math.log(each) for each in mean) - entropy, entropy


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0])
def test_equals_a_plain_loop(dtype, scale):
    drawn = torch.Generator().manual_seed(3)
    logits = [scale * torch.randn(5, 3, 4, generator=drawn).to(dtype) for _ in range(3)]
    done = []
    found = score_of(logits, done.append)
    assert found == pytest.approx(naive(logits), rel=1e-10, abs=1e-12)
    assert done == [1, 1, 1]


def constant(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None, None].expand(-1, 2, 3)


def test_undecided_everywhere_is_worth_nothing():
    found = score_of([torch.zeros(4, 2, 3)] * 2)
    assert found.mutual_information == pytest.approx(0, abs=1e-12)
    assert found.mean_entropy == pytest.approx(math.log(4))


def test_one_class_everywhere_is_worth_nothing_although_its_entropy_is_the_least():
    found = score_of([constant(1000, 0, 0, 0)] * 2)
    assert found == pytest.approx((0, 0), abs=1e-12)


def test_every_class_as_often_and_all_sure_is_worth_the_most():
    found = score_of([constant(*(1000 * (index == each) for index in range(4))) for each in range(4)])
    assert found == pytest.approx((math.log(4), 0))


def test_half_of_the_images_each():
    # Sure of class 0 in one image, undecided between 0 and 1 in the other: the mean is (3/4, 1/4).
    found = score_of([constant(1000, 0), constant(0, 0)])
    mixed = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert found == pytest.approx((mixed - math.log(2) / 2, math.log(2) / 2))


def test_adding_a_constant_to_the_logits_changes_nothing():
    logits = [torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)]
    assert score_of([logits[0] + 700]) == pytest.approx(score_of(logits), rel=1e-10)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_logits_that_are_not_finite_are_refused(value):
    with pytest.raises(UserError, match="not finite"):
        score_of([torch.full((3, 2, 2), value)])


def test_no_image_is_refused():
    with pytest.raises(UserError, match="no target image"):
        score_of([])


@pytest.mark.parametrize(("count", "wanted"), [(1, 1), (5, 50), (50, 50), (367, 50), (2975, 50), (10, 3)])
def test_the_subset_is_spread_evenly(count, wanted):
    indices = evenly_spaced(count, wanted)
    assert len(indices) == len(set(indices)) == min(count, wanted) and indices == sorted(indices)
    assert indices[0] == 0 and indices[-1] < count
    gaps = [second - first for first, second in zip(indices, [*indices[1:], count], strict=True)]
    assert max(gaps) - min(gaps) <= 1

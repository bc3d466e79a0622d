"""Scores without labels: against loops in plain Python, and where their values are known in closed form."""

import math

import numpy
import pytest
import torch

from segadapt.core.errors import UserError
from segadapt.evaluation import evenly_spaced, label_free_score
from segadapt.evaluation.measures import neighbourhood
from segadapt.evaluation.measures.label_free import known_scores
from segadapt.evaluation.measures.neighbourhood import soft_neighbourhood_density


def score_of(logits, progress=None):
    """The score of images whose logits, each (C, h, w), are given."""
    waiting = iter(logits)
    images = [numpy.zeros((2, 2, 3), numpy.uint8)] * len(logits)
    return label_free_score(lambda image_HWC: next(waiting)[None], images, progress)


def plain_softmax(logits_CHW):
    """A list of softmax vectors, pixel by pixel, float64."""
    found = []
    for pixel in logits_CHW.double().flatten(1).T.tolist():
        greatest = max(pixel)
        powers = [math.exp(value - greatest) for value in pixel]
        found.append([power / math.fsum(powers) for power in powers])
    return found


def plain_entropy(probabilities):
    return -math.fsum(each * math.log(each) for each in probabilities if each > 0)


def plain_density(pixels, temperature=0.05):
    """Soft neighbourhood density of softmax vectors, pair by pair."""
    units = [[each / math.hypot(*pixel) for each in pixel] for pixel in pixels]
    entropies = []
    for place, one in enumerate(units):
        others = [other for index, other in enumerate(units) if index != place]
        powers = [math.exp(math.fsum(map(math.prod, zip(one, other, strict=True))) / temperature) for other in others]
        entropies.append(plain_entropy([power / math.fsum(powers) for power in powers]))
    return math.fsum(entropies) / len(entropies) if len(units) > 1 else math.nan


def naive(logits):
    """Pixel by pixel, float64, in plain Python; of at most 40 pixels an image, so that all of them have neighbours."""
    pixels = [pixel for each in logits for pixel in plain_softmax(each)]
    mean = [math.fsum(column) / len(pixels) for column in zip(*pixels, strict=True)]
    entropy = math.fsum(map(plain_entropy, pixels)) / len(pixels)
    square = math.fsum(each**2 for pixel in pixels for each in pixel) / len(pixels)
    return plain_entropy(mean) - entropy, entropy, square, plain_density(pixels)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0])
@pytest.mark.parametrize("classes", [1, 2, 5, 19])
def test_equals_a_plain_loop(dtype, scale, classes):
    drawn = torch.Generator().manual_seed(3)
    logits = [scale * torch.randn(classes, 3, 4, generator=drawn).to(dtype) for _ in range(3)]
    done = []
    found = score_of(logits, done.append)
    assert found == pytest.approx(naive(logits), rel=1e-10, abs=1e-12)
    assert found._fields == ("mutual_information", "mean_entropy", "max_square", "soft_neighbourhood_density")
    assert done == [1, 1, 1]


def constant(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None, None].expand(-1, 2, 3)


def test_undecided_everywhere_is_worth_nothing():
    found = score_of([torch.zeros(4, 2, 3)] * 2)
    assert found.mutual_information == pytest.approx(0, abs=1e-12)
    assert found.mean_entropy == pytest.approx(math.log(4)) and found.max_square == pytest.approx(1 / 4)


def test_one_class_everywhere_has_no_information_although_all_other_scores_are_best():
    found = score_of([constant(1000, 0, 0, 0)] * 2)
    assert found == pytest.approx((0, 0, 1, math.log(11)), abs=1e-12)  # of 12 pixels, each has 11 others


def test_every_class_as_often_and_all_sure_is_worth_the_most():
    found = score_of([constant(*(1000 * (index == each) for index in range(4))) for each in range(4)])
    # The five others of a pixel's class are as near as can be, the 18 of other classes are e^-20 as near.
    far = math.exp(-1 / 0.05)
    near = 5 + 18 * far
    density = math.log(near) - 18 * far / near * math.log(far)
    assert found == pytest.approx((math.log(4), 0, 1, density))


def test_half_of_the_images_each():
    # Sure of class 0 in one image, undecided between 0 and 1 in the other: the mean is (3/4, 1/4).
    found = score_of([constant(1000, 0), constant(0, 0)])
    mixed = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert found[:3] == pytest.approx((mixed - math.log(2) / 2, math.log(2) / 2, 3 / 4))


def test_adding_a_constant_to_the_logits_changes_nothing():
    logits = [torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)]
    assert score_of([logits[0] + 700]) == pytest.approx(score_of(logits), rel=1e-10)


def test_one_pixel_has_no_neighbours():
    found = score_of([torch.zeros(3, 1, 1)])
    assert math.isnan(found.soft_neighbourhood_density)
    assert known_scores(found)["soft_neighbourhood_density"] is None and known_scores(found)["max_square"] == found[2]


@pytest.mark.parametrize("count", [2, 3, 249, 250, 251, 500, 613])
def test_the_density_is_the_same_however_the_pairs_are_cut(count):
    pixels_MC = torch.rand(count, 3, generator=torch.Generator().manual_seed(count), dtype=torch.float64).softmax(1)
    if count <= 3:
        assert soft_neighbourhood_density(pixels_MC) == pytest.approx(plain_density(pixels_MC.tolist()), abs=1e-12)
    unit_MC = pixels_MC / pixels_MC.square().sum(1, keepdim=True).sqrt()
    powers_MM = ((unit_MC @ unit_MC.T) / 0.05).exp()
    powers_MM.fill_diagonal_(0)
    weight_MM = powers_MM / powers_MM.sum(1, keepdim=True)
    expected = torch.special.entr(weight_MM).sum(1).mean()
    assert soft_neighbourhood_density(pixels_MC) == pytest.approx(float(expected), rel=1e-12)


def test_forty_pixels_of_an_image_are_drawn_and_the_same_ones_for_every_model(monkeypatch):
    seen = []
    monkeypatch.setattr(neighbourhood, "soft_neighbourhood_density", lambda pixels_MC: seen.append(pixels_MC) or 0.0)
    drawn = torch.Generator().manual_seed(5)
    logits = [torch.randn(4, 9, 17, generator=drawn, dtype=torch.float64) for _ in range(3)]
    score_of(logits)
    score_of([each[[1, 0, 2, 3]] for each in logits])  # another model: it swaps two classes
    first, second = seen
    assert first.shape == (3 * 40, 4) and torch.allclose(first[:, [1, 0, 2, 3]], second)
    places = []
    for image, each in enumerate(logits):
        softmax = plain_softmax(each)
        rows = first[40 * image : 40 * (image + 1)].tolist()
        places.append([next(at for at, pixel in enumerate(softmax) if pixel == pytest.approx(row)) for row in rows])
    assert all(len(set(each)) == 40 for each in places), "none is drawn twice"
    assert len(set(map(tuple, places))) == 3, "of each image others"


def test_the_pixels_kept_of_many_images_are_bounded(monkeypatch):
    seen = []
    monkeypatch.setattr(neighbourhood, "soft_neighbourhood_density", lambda pixels_MC: seen.append(len(pixels_MC)))
    for images in (1, 50, 75):
        collected = neighbourhood.SoftNeighbourhood()
        for _ in range(images):
            collected.add(torch.full((1, 2, 6, 9), 0.5, dtype=torch.float64))
        collected.density()
    assert seen == [40, 2000, 2000]


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

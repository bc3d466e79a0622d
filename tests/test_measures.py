"""Calibration and boundary IoU: against loops over pixels and sets of pixels, and where they are known by hand."""

import math

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from segadapt.core.errors import UserError
from segadapt.core.scoring_mode import ScoringMode
from segadapt.evaluation import Evaluation, Sample, View, evaluate, metrics
from segadapt.evaluation.measures.boundary import boundary_distance, boundary_iou, boundary_miou, boundary_overlap
from segadapt.evaluation.measures.calibration import calibration_bins, expected_calibration_error
from segadapt.evaluation.measures.per_image import Measures
from segadapt.evaluation.predict import predict_labels
from segadapt.evaluation.views import probabilities
from segadapt.labels import CAMVID11

IGNORE = 255


# --- calibration ----------------------------------------------------------------------------------


def naive_error(images):
    """Of (confidence, prediction, label) maps, pixel by pixel; bins are (b / 15, (b + 1) / 15]."""
    bins = [[] for _ in range(15)]
    for confidence_HW, prediction_HW, label_HW in images:
        pixels = zip(confidence_HW.ravel().tolist(), prediction_HW.ravel(), label_HW.ravel(), strict=True)
        for confidence, guess, truth in pixels:
            if truth != IGNORE:
                (place,) = [each for each in range(15) if each / 15 < confidence <= (each + 1) / 15]
                bins[place].append((confidence, guess == truth))
    total = sum(map(len, bins))
    error = 0.0
    for each in filter(None, bins):
        confidence, accuracy = (math.fsum(values) / len(each) for values in zip(*each, strict=True))
        error += len(each) / total * abs(accuracy - confidence)
    return error if total else math.nan


@st.composite
def scenes(draw, images=3):
    """Maps of a few images of one size: confidences among them the very edges of the bins."""
    height, width, classes = draw(st.integers(1, 7)), draw(st.integers(1, 7)), draw(st.integers(2, 19))
    random = numpy.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (images, height, width)
    confidence = random.uniform(1 / classes, 1, shape)
    edges = random.integers(1, 16, shape) / 15
    confidence = numpy.where(random.random(shape) < draw(st.sampled_from([0, 0.5, 1])), edges, confidence)
    dtype = draw(st.sampled_from([numpy.float32, numpy.float64]))
    label = random.integers(0, classes, shape, numpy.uint8)
    guess = numpy.where(random.random(shape) < 0.5, label, random.integers(0, classes, shape, numpy.uint8))
    label[random.random(shape) < draw(st.sampled_from([0, 0.3, 1]))] = IGNORE
    return classes, list(zip(confidence.astype(dtype), guess, label, strict=True))


@given(scenes())
def test_the_calibration_error_is_that_of_a_loop(scene):
    _, images = scene
    one = [calibration_bins(*each) for each in images]
    together = type(one[0])(*map(numpy.stack, zip(*one, strict=True)))
    assert expected_calibration_error(together) == pytest.approx(naive_error(images), abs=1e-12, nan_ok=True)
    assert expected_calibration_error(one[0]) == pytest.approx(naive_error(images[:1]), abs=1e-12, nan_ok=True)
    assert [each.dtype.kind for each in together] == ["i", "i", "f"]


def test_calibration_by_hand():
    # Ten pixels, 80 % sure: eight right is calibrated, none right is wrong by 0.8, all right by 0.2.
    label, sure = numpy.zeros((1, 10), numpy.uint8), numpy.full((1, 10), 0.8)
    for right, error in ((8, 0.0), (0, 0.8), (10, 0.2)):
        guess = (numpy.arange(10)[None] >= right).astype(numpy.uint8)
        assert expected_calibration_error(calibration_bins(sure, guess, label)) == pytest.approx(error)


# --- boundaries -----------------------------------------------------------------------------------


def naive_boundary(mask, distance):
    """Places of a mask (a set within an image's places) with a place outside of it within so many rows and columns."""
    steps = range(-distance, distance + 1)
    return {(y, x) for y, x in mask if any((y + dy, x + dx) not in mask for dy in steps for dx in steps)}


def naive_overlap(prediction_HW, label_HW, classes):
    distance = max(1, round(0.02 * math.sqrt(label_HW.shape[0] ** 2 + label_HW.shape[1] ** 2)))
    places = [tuple(place) for place in numpy.argwhere(label_HW != IGNORE)]
    counts = []
    for each in range(classes):
        label, guess = ({place for place in places if maps[place] == each} for maps in (label_HW, prediction_HW))
        label, guess = naive_boundary(label, distance), naive_boundary(guess, distance)
        counts.append((len(label & guess), len(label | guess)))
    return counts


def blobs(random, size, classes):
    """A map of rectangles, so that classes have an inside."""
    found = numpy.full(size, random.integers(classes), numpy.uint8)
    for _ in range(4):
        y, x = random.integers(0, size[0]), random.integers(0, size[1])
        found[y : y + size[0] // 2 + 1, x : x + size[1] // 2 + 1] = random.integers(classes)
    return found


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 1), (3, 4), (12, 20), (40, 70)])
@pytest.mark.parametrize("classes", [1, 2, 5, 19])
@pytest.mark.parametrize("ignored", [0.0, 0.1, 1.0])
def test_boundaries_are_those_of_sets(size, classes, ignored):
    random = numpy.random.default_rng([*size, classes])
    label_HW, guess_HW = blobs(random, size, classes), blobs(random, size, classes)
    label_HW[random.random(size) < ignored] = IGNORE
    found = boundary_overlap(guess_HW, label_HW, classes)
    expected = naive_overlap(guess_HW, label_HW, classes)
    assert list(zip(*map(numpy.ndarray.tolist, found), strict=True)) == expected
    ious = [both / either if either else math.nan for both, either in expected]
    numpy.testing.assert_array_equal(boundary_iou(found), ious)
    present = [iou for iou in ious if not math.isnan(iou)]
    assert boundary_miou(found) == pytest.approx(numpy.mean(present) if present else math.nan, nan_ok=True)


@pytest.mark.parametrize(("size", "distance"), [((1, 1), 1), ((40, 70), 2), ((96, 192), 4), ((512, 1024), 23)])
def test_the_distance_is_two_percent_of_the_diagonal(size, distance):
    assert boundary_distance(size) == distance


def test_a_right_prediction_has_one_and_a_small_shift_costs_boundaries_more():
    label_HW = numpy.zeros((96, 192), numpy.uint8)
    label_HW[20:80, 40:150] = 1
    label_HW[90:] = IGNORE
    overlap = boundary_overlap(numpy.where(label_HW == IGNORE, 1, label_HW).astype(numpy.uint8), label_HW, 3)
    numpy.testing.assert_array_equal(boundary_iou(overlap), [1, 1, math.nan])
    shifted = boundary_iou(boundary_overlap(numpy.roll(label_HW, 2, 1) % IGNORE, label_HW, 3))
    mask, moved = label_HW == 1, numpy.roll(label_HW, 2, 1) == 1
    assert shifted[1] < 0.8 < 0.9 < (mask & moved).sum() / (mask | moved).sum()


# --- in an evaluation -----------------------------------------------------------------------------


def samples(count=3, native=(9, 14), classes=11):
    random = numpy.random.default_rng(7)
    for index in range(count):
        image_HWC = random.integers(0, 256, (8, 12, 3), numpy.uint8)
        labels = [blobs(random, size, classes) for size in ((8, 12), native)]
        labels[0][0, :3] = IGNORE
        yield Sample(f"street {index}", image_HWC, *labels)


def logits_of(image_HWC):
    drawn = torch.Generator().manual_seed(int(image_HWC.sum()))
    return 3 * torch.randn(1, 11, 3, 4, generator=drawn)


def expected_measures():
    maps, overlaps = [], []
    for sample in samples():
        softmax_CHW = probabilities(logits_of(sample.image_HWC), (8, 12))[0].numpy()
        guess_HW = predict_labels(logits_of(sample.image_HWC), (8, 12))[0].numpy()
        maps.append((softmax_CHW.max(axis=0), guess_HW, sample.label_network_HW))
        overlaps.append(naive_overlap(guess_HW, sample.label_network_HW, 11))
    both_C, either_C = numpy.array(overlaps).sum(axis=0).T
    return naive_error(maps), numpy.mean([b / e for b, e in zip(both_C, either_C, strict=True) if e])


def test_an_evaluation_measures_the_final_head_at_network_size():
    found = evaluate(logits_of, samples(), 11).measures.summary()
    error, miou = expected_measures()
    assert found == {"ECE": pytest.approx(error, abs=1e-12), "boundary_mIoU": pytest.approx(miou)}
    other = View(torch.randn(1, 11, 3, 4), "low")
    views = evaluate(lambda image_HWC: [View(logits_of(image_HWC)), other], samples(), 11)
    assert views.measures.summary() == found and metrics(views, CAMVID11, {})["measures"] == found

    def softmax_of(image_HWC):
        return [View(probabilities(logits_of(image_HWC), (8, 12)), are_probabilities=True)]

    softmax = evaluate(softmax_of, samples(), 11)
    assert softmax.measures.summary() == found, "probabilities are not squashed again"
    assert evaluate(logits_of, samples(), 11, measures=False).measures is None


def test_nothing_labelled_is_undefined_not_zero():
    nothing = [Sample("a", numpy.zeros((8, 12, 3), numpy.uint8), *[numpy.full((8, 12), IGNORE, numpy.uint8)] * 2)]
    found = evaluate(logits_of, nothing, 11)
    assert metrics(found, CAMVID11, {})["measures"] == {"ECE": None, "boundary_mIoU": None}


def test_measures_are_saved_by_image_and_read_back(tmp_path):
    found, path = evaluate(logits_of, samples(), 11), tmp_path / "evaluation.safetensors"
    found = found.with_step(4, evaluate(logits_of, samples(), 11, measures=False))
    found.save(path)
    loaded = Evaluation.load(path)
    assert loaded.measures.summary() == found.measures.summary() and ScoringMode("native", step=4) in loaded.statistics
    for name, each in found.measures.tensors().items():
        numpy.testing.assert_array_equal(loaded.measures.tensors()[name], each)
    # The counts of one image are that image's: any resampling of images needs no model.
    second = evaluate(logits_of, list(samples())[1:2], 11).measures
    cut = Measures.stacked([Measures(*(type(part)(*(each[1] for each in part)) for part in _parts(loaded.measures)))])
    assert cut.summary() == second.summary()


def _parts(measures):
    return measures.calibration, measures.boundary


@pytest.mark.parametrize("change", ["a missing array", "other images", "other classes"])
def test_a_file_with_foreign_measures_is_refused(tmp_path, change):
    path = tmp_path / "evaluation.safetensors"
    evaluate(logits_of, samples(), 11).save(path)
    content = path.read_bytes()
    tensors, names = load(content), '{"image_names": ["street 0", "street 1", "street 2"]}'
    if change == "a missing array":
        del tensors["measure boundary union"]
    elif change == "other images":
        tensors["measure calibration pixels"] = tensors["measure calibration pixels"][:2]
    else:
        tensors["measure boundary union"] = tensors["measure boundary union"][:, :5].copy()
    path.write_bytes(save(tensors, {"segadapt.evaluation": names}))
    with pytest.raises(UserError, match=r"evaluation\.safetensors is not"):
        Evaluation.load(path)

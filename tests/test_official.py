"""Our mIoU is the official Cityscapes evaluation's, on random label maps."""

import math

import numpy
import pytest
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
from cityscapesscripts.helpers.labels import labels
from PIL import Image

from segadapt.core.errors import UserError
from segadapt.evaluation import ConfusionMatrix
from segadapt.labels import CITYSCAPES19

IDS = numpy.array([label.id for label in labels if label.id >= 0])
EVALUATED = numpy.array([label.id for label in labels if label.id >= 0 and not label.ignoreInEval])
OTHER = len(CITYSCAPES19)
"""The class that stands for every predicted id outside the 19."""


@pytest.fixture(autouse=True)
def without_instances(monkeypatch):
    monkeypatch.setattr(official.args, "evalInstLevelScore", False)


def train_ids(ids_HW, others):
    """From Cityscapes ids; ``others`` is what ids outside the 19 classes become."""
    table = numpy.full(256, others, numpy.uint8)
    for train_id, label_id in enumerate(CITYSCAPES19.label_ids):
        table[label_id] = train_id
    return table[ids_HW]


def official_scores(folder, pairs):
    """IoU by Cityscapes id and their mean, by the functions that the official script calls."""
    confusion = official.generateMatrix(official.args)
    for index, (label_HW, prediction_HW) in enumerate(pairs):
        files = [folder / f"{index}_prediction.png", folder / f"{index}_labelIds.png"]
        for file, ids_HW in zip(files, (prediction_HW, label_HW), strict=True):
            Image.fromarray(ids_HW).save(file)
        official.evaluatePair(*map(str, files), confusion, {}, {}, official.args)
    iou = {each: official.getIouScoreForLabel(each, confusion, official.args) for each in official.args.evalLabels}
    return iou, official.getScoreAverage(iou, official.args)


def draw(seed, ids):
    """Some maps of one set: labels of all ids or few, predictions that agree in part, of ``ids``."""
    random = numpy.random.default_rng(seed)
    shape = tuple(random.integers(1, 40, 2))
    known = random.choice(IDS, random.integers(1, len(IDS)), replace=False)
    guesses = random.choice(ids, random.integers(1, len(ids)), replace=False)
    pairs = []
    for _ in range(random.integers(1, 4)):
        label_HW = random.choice(known, shape).astype(numpy.uint8)
        prediction_HW = random.choice(guesses, shape).astype(numpy.uint8)
        agree = (random.random(shape) < random.random()) & numpy.isin(label_HW, ids)
        pairs.append((label_HW, numpy.where(agree, label_HW, prediction_HW)))
    return pairs


@pytest.mark.parametrize("foreign", [False, True], ids=["the 19 classes predicted", "other ids predicted too"])
@pytest.mark.parametrize("seed", range(24))
def test_iou_and_mean_equal_the_official_ones(tmp_path, seed, foreign):
    pairs = draw(seed, IDS if foreign else EVALUATED)
    # A predicted id outside the classes is a miss of the labelled one: a class of its own that no mean counts.
    ours = ConfusionMatrix(OTHER + foreign)
    for label_HW, prediction_HW in pairs:
        ours.update(train_ids(label_HW, 255), train_ids(prediction_HW, OTHER))
    iou, mean = official_scores(tmp_path, pairs)
    numpy.testing.assert_allclose(ours.iou()[:OTHER], [iou[each] for each in CITYSCAPES19.label_ids], rtol=1e-14)
    assert ours.miou(range(OTHER)) == pytest.approx(mean, rel=1e-14, nan_ok=True)
    assert all(math.isnan(value) for each, value in iou.items() if each not in CITYSCAPES19.label_ids)


def test_the_draws_hold_what_they_should():
    """Ignored and absent classes, classes that are only predicted, and predictions outside the 19."""
    drawn = [draw(seed, IDS) for seed in range(24)]
    labelled = [set(numpy.unique(label_HW)) for pairs in drawn for label_HW, _ in pairs]
    predicted = [set(numpy.unique(prediction_HW)) for pairs in drawn for _, prediction_HW in pairs]
    evaluated = set(EVALUATED)
    assert any(each - evaluated for each in labelled) and any(each - evaluated for each in predicted)
    assert any(evaluated - truth - guess for truth, guess in zip(labelled, predicted, strict=True))
    assert any((guess & evaluated) - truth for truth, guess in zip(labelled, predicted, strict=True))


def test_a_prediction_outside_the_classes_is_no_silent_miss():
    label_HW = numpy.zeros((1, 2), numpy.uint8)
    with pytest.raises(UserError, match="prediction value 19"):
        ConfusionMatrix(OTHER).update(label_HW, numpy.array([[0, OTHER]], numpy.uint8))

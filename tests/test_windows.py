"""Which images and windows come: rare classes by the published probabilities, windows by their labels, one for both."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tiny

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.data.batches.augment import Augmentation
from segadapt.data.batches.loader import BatchSource
from segadapt.data.batches.rare_classes import RareClasses, class_probabilities
from segadapt.data.batches.windows import Window, Windows
from segadapt.labels import CITYSCAPES19
from segadapt.plan import make_plan

CITYSCAPES = [
    0.368697, 0.060850, 0.228240, 0.006554, 0.008773, 0.012273, 0.002078, 0.005513, 0.159287, 0.011578, 0.040190,
    0.012190, 0.001351, 0.069945, 0.002675, 0.002352, 0.002329, 0.000987, 0.004139,
]  # fmt: skip
SYNTHIA = {
    "road": 0.186409, "sidewalk": 0.203013, "building": 0.303275, "wall": 0.002674, "fence": 0.002777, "pole": 0.010789,
    "light": 0.000429, "sign": 0.001103, "veg": 0.107420, "sky": 0.071620, "person": 0.044145,
    "rider": 0.004875, "car": 0.042594, "bus": 0.014594, "motor": 0.002109, "bike": 0.002175,
}  # fmt: skip


def test_classes_have_the_published_probabilities():
    expected = [
        0, 0.00028, 0, 0.06461, 0.05175, 0.03647, 0.10109, 0.07170, 0, 0.03909, 0.00224, 0.03678, 0.10871, 0.00011,
        0.09523, 0.09836, 0.09858, 0.11274, 0.08226,
    ]  # fmt: skip
    assert class_probabilities(np.array(CITYSCAPES), 0.01) == pytest.approx(expected, abs=1.5e-5)
    found = class_probabilities(np.array([SYNTHIA.get(name, 0) for name in CITYSCAPES19.classes]), 0.01)
    expected = {
        "wall": 0.12336, "fence": 0.12210, "pole": 0.05480, "light": 0.15440, "sign": 0.14435,
        "sky": 0.00012, "person": 0.00195, "rider": 0.09899, "car": 0.00228, "bus": 0.03745, "motor": 0.13052,
        "bike": 0.12968,
    }  # fmt: skip
    for name, each in zip(CITYSCAPES19.classes, found, strict=True):
        assert each == pytest.approx(expected.get(name, 0), abs=1.5e-5), name
        assert (each == 0) == (name in ("terrain", "truck", "train"))
    for temperature, values in ((0.01, (6.25e-40, 9.41e-5, 0.30999634, 0.68990956)),
                                (0.05, (7.69e-9, 0.08345193, 0.42169012, 0.49485794))):  # fmt: skip
        assert class_probabilities(np.array([0.9, 0.09, 0.009, 0.001]), temperature) == pytest.approx(values, rel=1e-3)


@dataclass
class Labels:
    """A cache of labels, and images that say where a pixel was."""

    labels: list[np.ndarray]
    class_set: str = "cityscapes19"
    folder: Path = Path("work/cache/game")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def label_size(self) -> tuple[int, int]:
        return self.labels[0].shape

    def label(self, index: int) -> np.ndarray:
        return self.labels[index]

    def image(self, index: int) -> np.ndarray:
        rows, columns = np.indices(self.label_size, np.uint8)
        return np.stack([np.full_like(rows, index), rows, columns], axis=2)


def scenes(count: int = 6) -> Labels:
    """Road and sky everywhere; a rider of 30 pixels in the last image alone, a pole of 8 in every second."""
    labels = []
    for index in range(count):
        label = np.zeros((20, 30), np.uint8)
        label[:10] = 10
        label[3:7, 2:4] = 5 if index % 2 else 10
        labels.append(label)
    labels[-1][12:18, 20:25] = 12
    return Labels(labels)


def test_a_rare_class_comes_with_its_images_and_its_window():
    cache = scenes()
    rare = RareClasses.of(cache, 0.05, 7, 15)
    source = BatchSource(cache, "source", 3, 200, Augmentation(0, 0, crop=(12, 8)), True, windows=Windows(rare=rare))
    drawn = [rare.draw(np.random.default_rng(seed)) for seed in range(400)]
    share = np.bincount([train_id for train_id, _ in drawn], minlength=19) / 400
    counts = np.sum([np.bincount(each.ravel(), minlength=19) for each in cache.labels], axis=0)
    assert share == pytest.approx(class_probabilities(counts, 0.05), abs=0.08)
    assert all((cache.labels[index] == train_id).sum() > 7 for train_id, index in drawn)
    batch = source.batch(0)
    held = 0
    for position in range(200):
        index, window = source.windows.draw(3, "source", position)
        top, left = batch.image_BHWC[position, 0, 0, 1:].tolist()
        label = cache.labels[index][top : top + 8, left : left + 12]
        assert batch.image_BHWC[position, 0, 0, 0] == index and np.array_equal(batch.label_BHW[position], label)
        # Else none of the ten windows did, and the last one is kept.
        tried = [(int(y * 13), int(x * 19)) for x, y in window.corners_T2]
        enough = [(cache.labels[index][y : y + 8, x : x + 12] == window.train_id).sum() > 15 for y, x in tried]
        assert (top, left) == tried[enough.index(True) if any(enough) else 9]
        held += any(enough)
    assert 0 < held < 200 and len(window.corners_T2) == 10
    again = replace(source, batch_size=100).batch(1)
    assert np.array_equal(again.image_BHWC, batch.image_BHWC[100:]), "a function of seed, domain and position"


def test_a_class_that_no_image_has_enough_of_is_refused():
    with pytest.raises(UserError, match=r"no image of work/cache/game has more than 8 pixels of pole, .* below 8, the"):
        RareClasses.of(scenes(), 0.05, 8, 0)


@pytest.mark.parametrize(
    ("classes", "share", "enough"),
    [
        ([0] * 6 + [1] * 4, 0.75, True),
        ([0] * 8 + [1] * 2, 0.75, False),
        ([0] * 3 + [1], 0.75, False),  # not below it
        ([0] * 3 + [255] * 9, 0.9, False),  # one class alone
        ([255] * 4, 0.9, False),
        ([0] * 2 + [1] * 2 + [255] * 9, 0.75, True),
        ([0] * 10, 1.0, True),  # no rule
    ],
)
def test_a_window_holds_enough_kinds_of_labels(classes, share, enough):
    assert bool(Window(np.zeros((1, 2)), share).holds_enough(np.array([classes], np.uint8))) is enough


def test_synchronised_windows_are_at_one_place_in_both_domains():
    cache, how = scenes(), Augmentation(0, 0, crop=(12, 8))
    both = [
        BatchSource(cache, domain, 3, 30, how, domain == "source", windows=Windows(synchronised=True))
        for domain in ("source", "target")
    ]
    places = [each.batch(4).image_BHWC[:, 0, 0, 1:].tolist() for each in both]
    assert places[0] == places[1] and len({tuple(each) for each in places[0]}) > 20
    alone = [replace(each, windows=Windows()).batch(4).image_BHWC[:, 0, 0, 1:].tolist() for each in both]
    assert alone[0] != alone[1]


def test_without_a_rule_nothing_is_drawn_that_was_not_before():
    cache, how = scenes(), Augmentation(0.5, 0.5, 0.3, 1.2, (12, 8))
    plain = BatchSource(cache, "source", 3, 8, how, True)
    assert Windows().draw(3, "source", 5) == (None, None)
    assert np.array_equal(plain.batch(2).image_BHWC, replace(plain, windows=Windows()).batch(2).image_BHWC)


REFUSED = {
    "no crop": ({"crop_largest_share": 0.75}, "crop_largest_share: has no effect without crop"),
    "no crop for both": ({"synchronised_crop": True}, "synchronised_crop: has no effect without crop"),
    "two rules": (
        {"crop": "48x32", "crop_largest_share": 0.7, "synchronised_crop": True},
        "crop_largest_share: chooses the source's window by its labels",
    ),
    "two rules, rare classes": (
        {"crop": "48x32", "rare_classes": {}, "synchronised_crop": True},
        "rare_classes: chooses the source's window by its labels",
    ),
    "more than a window": (
        {"crop": "48x32", "rare_classes": {"crop_pixels": 1536}},
        "rare_classes.crop_pixels: a window has 1536 pixels",
    ),
    "temperature": ({"rare_classes": {"temperature": 0}}, "rare_classes.temperature: "),
    "share": ({"crop": "48x32", "crop_largest_share": 0}, "crop_largest_share: "),
    "a window that is too large": ({"crop": "65x32"}, "crop: 65x32 does not fit into images of 64x32"),
}


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED)
def test_a_rule_that_makes_no_sense_is_refused_before_any_job(changes, words):
    parameters = tiny.tiny_parameters(("source_only", "maxsquare"))
    parameters["presets"]["tiny"]["adapt"] |= changes
    with pytest.raises(UserError) as caught:
        make_plan(parameters_from(parameters, "params.yaml"))
    assert f"presets.tiny.adapt.{words}" in str(caught.value) and "\n" not in str(caught.value)

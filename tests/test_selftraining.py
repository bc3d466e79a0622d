"""Thresholds, selection, spatial priors and packed pseudo-labels against plain computations in float64."""

import math
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segadapt.core.errors import UserError
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.labels import LabelledImages, write_label_pack
from segadapt.data.packed.prepare import Preparation, prepare
from segadapt.labels import CITYSCAPES19
from segadapt.selftraining.confidence_histogram import BINS, SMALLEST, ConfidenceHistogram, bin_index, smallest_in_bin
from segadapt.selftraining.pseudo_labels import confident_labels, make_pseudo_labels, scores
from segadapt.selftraining.rounds import Share
from segadapt.selftraining.spatial_prior import load_prior, save_prior, spatial_prior

PORTIONS = st.one_of(st.sampled_from([0.0, 0.15, 0.5, 1.0]), st.floats(0, 1))
FLOATS = st.floats(SMALLEST, 1, width=32)
DYADIC = st.integers(1, 64).map(lambda number: number / 64)  # with ties, and the first number of their bins
CLASSES = 4


@st.composite
def predictions(draw, values):
    """Some images: (confidence_HW, label_HW); classes may be absent."""
    shapes = draw(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=3))
    labels = st.integers(0, draw(st.integers(0, CLASSES - 1)))
    return [
        (
            draw(arrays.arrays(np.float32, shape, elements=values)),
            draw(arrays.arrays(np.uint8, shape, elements=labels)),
        )
        for shape in shapes
    ]


def naive_thresholds(images, stride: int, portion: float, balanced: bool) -> list[float]:
    """Lists, sorted: as the original does it."""
    lists = [[] for _ in range(CLASSES)]
    for confidence_HW, label_HW in images:
        for train_id in range(CLASSES):
            pairs = zip(confidence_HW.ravel().tolist(), label_HW.ravel().tolist(), strict=True)
            lists[train_id] += [confidence for confidence, label in pairs if label == train_id][::stride]
    if not balanced:
        lists = [[each for values in lists for each in values]] * CLASSES
    found = []
    for values in lists:
        number = math.floor(len(values) * portion)
        found.append(sorted(values, reverse=True)[number - 1] if number else 1.0)
    return found


def thresholds(images, stride: int, portion: float, balanced: bool) -> np.ndarray:
    histogram = ConfidenceHistogram(CLASSES, stride)
    for image in images:
        histogram.update(*image)
    return histogram.class_thresholds(portion) if balanced else histogram.global_threshold(portion)


@settings(max_examples=40)
@given(predictions(DYADIC), st.integers(1, 5), PORTIONS, st.booleans())
def test_thresholds_are_those_of_sorted_lists(images, stride, portion, balanced):
    got_C = thresholds(images, stride, portion, balanced)
    assert got_C.dtype == np.float32 and got_C.tolist() == naive_thresholds(images, stride, portion, balanced)


@settings(max_examples=40)
@given(predictions(FLOATS), st.integers(1, 5), PORTIONS, st.booleans())
def test_any_threshold_is_at_most_a_bin_below(images, stride, portion, balanced):
    exact = naive_thresholds(images, stride, portion, balanced)
    for got, wanted in zip(thresholds(images, stride, portion, balanced).tolist(), exact, strict=True):
        assert 0 <= wanted - got <= 2**-12 * min(wanted, 1 - got)


@given(st.one_of(FLOATS, st.floats(1 - 2**-8, 1, width=32), st.floats(SMALLEST, 2**-12, width=32)))
def test_a_bin_begins_with_its_smallest_number(confidence):
    def bin_of(value) -> int:
        return int(bin_index(np.array([value], np.float32))[0])

    index = bin_of(confidence)
    smallest = smallest_in_bin(index)
    assert 1 <= index < BINS and smallest <= confidence and bin_of(smallest) == index
    below = np.nextafter(np.float32(smallest), np.float32(0))
    assert below < SMALLEST or bin_of(below) < index


def test_the_histogram_does_not_grow_and_passes_over_zeros():
    histogram = ConfidenceHistogram(2, 1)
    size = histogram._counts_CB.nbytes
    assert size == 2 * BINS * 8 < 3.1e6
    confidence_HW = np.array([[0, 1e-9, 0.5, 1.0]], np.float32)
    for _ in range(3):
        histogram.update(confidence_HW, np.zeros((1, 4), np.uint8))
    assert histogram._counts_CB.nbytes == size and histogram._counts_CB.sum() == 6
    assert histogram.predicted_C.tolist() == [12, 0]
    assert histogram.class_thresholds(0.5).tolist() == [1.0, 1.0]
    assert histogram.class_thresholds(1.0).tolist() == [0.5, 1.0]


@settings(max_examples=40)
@given(st.data(), st.integers(1, 4), st.integers(1, 4))
def test_selection_pixel_by_pixel(data, height, width):
    values = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.75, 1.0])
    probability_CHW = data.draw(arrays.arrays(np.float32, (CLASSES, height, width), elements=values))
    threshold_C = data.draw(arrays.arrays(np.float32, CLASSES, elements=st.sampled_from([0.1, 0.3, 0.5, 1.0])))
    got_HW = confident_labels(torch.from_numpy(probability_CHW), torch.from_numpy(threshold_C))
    assert got_HW.dtype == torch.uint8
    for row in range(height):
        for column in range(width):
            ratios = [float(p) / float(k) for p, k in zip(probability_CHW[:, row, column], threshold_C, strict=True)]
            best = max(range(CLASSES), key=lambda each: ratios[each])
            # Ratios that float32 cannot tell apart: any of their classes will do.
            near = {each for each in range(CLASSES) if ratios[each] >= ratios[best] * (1 - 1e-6)}
            got = int(got_HW[row, column])
            assert got in near if ratios[best] >= 1 else got == 255


@given(FLOATS, FLOATS)
def test_a_pixel_is_kept_exactly_where_its_probability_reaches_the_threshold(probability, threshold):
    score_CHW = torch.tensor([[[probability]]], dtype=torch.float32)
    label_HW = confident_labels(score_CHW, torch.tensor([threshold], dtype=torch.float32))
    assert (int(label_HW) == 0) == (probability >= threshold)


def test_class_balance_gives_the_rare_class_its_share():
    """A sure frequent class and an unsure rare one: plain self-training forgets the second, CBST does not."""
    confidence_HW = np.concatenate([np.linspace(0.8, 0.99, 90), np.linspace(0.3, 0.6, 10)])[None].astype(np.float32)
    label_HW = np.array([[0] * 90 + [1] * 10], np.uint8)
    image = (confidence_HW, label_HW)
    score_CHW = torch.zeros(2, 1, 100)
    score_CHW.scatter_(0, torch.from_numpy(label_HW).long()[None], torch.from_numpy(confidence_HW)[None])
    kept = {}
    for balanced in (True, False):
        threshold_C = torch.from_numpy(thresholds([image], 1, 0.2, balanced)[:2])
        kept[balanced] = np.bincount(confident_labels(score_CHW, threshold_C).numpy().ravel(), minlength=2)[:2].tolist()
    assert kept == {True: [18, 2], False: [20, 0]}


# --- spatial priors -------------------------------------------------------------------------------


def naive_prior(labels: list[np.ndarray], blur: float) -> np.ndarray:
    """Shares, then weights exp(-d² / 2σ²) of all pixels within four σ, the edges repeated."""
    height, width = labels[0].shape
    sigma = blur * width
    reach = int(4 * sigma + 0.5)
    weights = {step: math.exp(-(step**2) / (2 * sigma**2)) for step in range(-reach, reach + 1)}
    found = np.zeros((CLASSES, height, width))
    for train_id in range(CLASSES):
        share_HW = np.mean([label_HW == train_id for label_HW in labels], axis=0)
        for row in range(height):
            for column in range(width):
                for down, one in weights.items():
                    for right, other in weights.items():
                        y, x = min(max(row + down, 0), height - 1), min(max(column + right, 0), width - 1)
                        found[train_id, row, column] += one * other * share_HW[y, x]
    peak_C11 = found.max(axis=(1, 2), keepdims=True)
    return np.divide(found, peak_C11, out=np.zeros_like(found), where=peak_C11 > 0)


@settings(max_examples=25)
@given(st.data(), st.integers(1, 6), st.integers(1, 6), st.sampled_from([0.05, 0.2, 0.4]))
def test_a_prior_is_the_smoothed_share_of_its_class(data, height, width, blur):
    values = st.sampled_from([0, 1, 3, 255])  # class 2 is never shown
    labels = data.draw(st.lists(arrays.arrays(np.uint8, (height, width), elements=values), min_size=1, max_size=3))
    got_CHW = spatial_prior(iter(labels), CLASSES, blur)
    assert got_CHW.dtype == np.float32 and not got_CHW[2].any()
    np.testing.assert_allclose(got_CHW, naive_prior(labels, blur), rtol=1e-6, atol=1e-9)


def test_a_prior_is_read_at_the_targets_size_and_for_its_own_classes_alone(tmp_path):
    prior_CHW = np.linspace(0, 1, 19 * 2 * 3, dtype=np.float32).reshape(19, 2, 3)
    save_prior(tmp_path / "prior.safetensors", prior_CHW, "cityscapes19")
    wide_CHW = load_prior(tmp_path / "prior.safetensors", "cityscapes19", (3, 5))
    np.testing.assert_array_equal(wide_CHW[:, ::2, ::2], prior_CHW)
    np.testing.assert_allclose(wide_CHW[:, 0, 1], prior_CHW[:, 0, :2].mean(axis=1), rtol=1e-6)
    with pytest.raises(UserError, match="no spatial prior of synthia16"):
        load_prior(tmp_path / "prior.safetensors", "synthia16", (3, 5))


# --- pseudo-labels --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def target(tmp_path_factory) -> PackedCache:
    root = tmp_path_factory.mktemp("target")
    tiny.write_cityscapes(root / "cityscapes", {"train": 3})
    what = Preparation("cityscapes", root / "cityscapes", "train", (16, 8), "cityscapes19", False, False)
    prepare(what, root / "cache", root / "scratch", 1)
    return PackedCache(root / "cache" / "manifest.json")


def toy_predict(image_HWC: np.ndarray) -> torch.Tensor:
    """Logits of a fixed linear map of the colours, at a quarter of the size."""
    colour_CHW = torch.from_numpy(np.array(image_HWC)).permute(2, 0, 1).float()[:, ::4, ::4] / 64
    weight_CC = torch.randn(19, 3, generator=torch.Generator().manual_seed(0))
    ramp_W = torch.linspace(0, 1, colour_CHW.shape[2])
    return (torch.einsum("oc,chw->ohw", weight_CC, colour_CHW) + ramp_W)[None]


def toy_prior() -> torch.Tensor:
    return torch.rand(19, 8, 16, generator=torch.Generator().manual_seed(1))


def naive_scores(image_HWC: np.ndarray, flip: bool, prior: bool) -> np.ndarray:
    def softmax(image: np.ndarray) -> np.ndarray:
        large = torch.nn.functional.interpolate(
            toy_predict(image).double(), image.shape[:2], mode="bilinear", align_corners=True
        )
        return large.softmax(dim=1)[0].numpy()

    found = softmax(image_HWC)
    if flip:
        found = (found + softmax(image_HWC[:, ::-1].copy())[..., ::-1]) / 2
    return found * toy_prior().double().numpy() if prior else found


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("prior", [False, True])
def test_scores(target, flip, prior):
    image_HWC = target.image(0)
    got_CHW = scores(toy_predict, flip, toy_prior() if prior else None)(image_HWC)
    np.testing.assert_allclose(got_CHW.numpy(), naive_scores(image_HWC, flip, prior), rtol=1e-5, atol=1e-9)


def settings_of(**changes) -> dict:
    return {"selection": "class_balanced", "portion": 0.3, "stride": 2} | changes


@pytest.mark.parametrize("selection", ["class_balanced", "global"])
@pytest.mark.parametrize("prior", [False, True])
def test_pseudo_labels_of_a_cache(target, tmp_path, selection, prior):
    wanted = settings_of(selection=selection)
    score = scores(toy_predict, True, toy_prior() if prior else None)
    steps = []
    selected = make_pseudo_labels(score, target, "cityscapes19", wanted, tmp_path / "a", steps.append)
    assert sum(steps) == 2 * len(target)
    labels = PackedCache(tmp_path / "a" / "manifest.json")
    assert [labels.name(index) for index in range(3)] == [target.name(index) for index in range(3)]

    naive = [naive_scores(target.image(index), True, prior) for index in range(3)]
    lists = [[] for _ in range(19)]
    for score_CHW in naive:
        for train_id in range(19):
            lists[train_id] += score_CHW.max(axis=0)[score_CHW.argmax(axis=0) == train_id][::2].tolist()
    if selection == "global":
        lists = [[each for values in lists for each in values]] * 19
    threshold_C = np.ones(19)
    for train_id, values in enumerate(lists):
        number = math.floor(len(values) * 0.3)
        if number:
            threshold_C[train_id] = sorted(values)[-number]
    differences, kept_C = 0, np.zeros(19, int)
    for index, score_CHW in enumerate(naive):
        ratio_CHW = score_CHW / threshold_C[:, None, None]
        label_HW = np.where(ratio_CHW.max(axis=0) >= 1, ratio_CHW.argmax(axis=0), 255)
        differences += (labels.label(index) != label_HW).sum()
        kept_C += np.bincount(labels.label(index).ravel(), minlength=256)[:19]
    # Pixels within a bin of a threshold, or within float32 of it.
    assert differences <= 4 < 0.02 * 3 * 8 * 16 < kept_C.sum()
    classes = selected["classes"]
    assert [classes[name]["kept_pixels"] for name in CITYSCAPES19.classes] == kept_C.tolist()
    assert list(labels.manifest["label_histogram"].values()) == kept_C.tolist()
    assert labels.manifest["ignored_pixels"] + kept_C.sum() == selected["pixels"] == 3 * 8 * 16
    assert selected["kept_share"] == kept_C.sum() / 384 and wanted.items() <= selected.items()
    got_C = [classes[name]["threshold"] for name in CITYSCAPES19.classes]
    np.testing.assert_allclose(got_C, threshold_C, rtol=3e-4)

    make_pseudo_labels(score, target, "cityscapes19", wanted, tmp_path / "b")
    for name in ("pack.bin", "manifest.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_labels_of_the_target_are_never_read(tmp_path):
    tiny.write_cityscapes(tmp_path / "cityscapes", {"train": 2})
    what = Preparation("cityscapes", tmp_path / "cityscapes", "train", (16, 8), "cityscapes19", True, True)
    prepare(what, tmp_path / "cache", tmp_path / "scratch", 1)

    class Blind(PackedCache):
        def label(self, index):
            raise AssertionError("a label was read")

        native_label = label

    score = scores(toy_predict, False, None)
    blind = Blind(tmp_path / "cache" / "manifest.json")
    make_pseudo_labels(score, blind, "cityscapes19", settings_of(), tmp_path / "labels")
    assert PackedCache(tmp_path / "labels" / "manifest.json").label(0).shape == (8, 16)


def test_a_model_that_diverged_labels_nothing(target, tmp_path):
    score = scores(lambda image_HWC: toy_predict(image_HWC) * math.nan, False, None)
    with pytest.raises(UserError, match="not finite"):
        make_pseudo_labels(score, target, "cityscapes19", settings_of(), tmp_path / "labels")
    assert not (tmp_path / "labels").exists() or not list((tmp_path / "labels").iterdir())


def test_labelled_images_pair_two_caches_and_refuse_foreign_ones(target, tmp_path):
    names = [target.name(index) for index in range(3)]
    labels = [np.full((8, 16), index, np.uint8) for index in range(3)]

    def pack(name: str, *arguments) -> PackedCache:
        write_label_pack(tmp_path / name, *arguments, "cityscapes19")
        return PackedCache(tmp_path / name / "manifest.json")

    both = LabelledImages(target, pack("good", names, labels, (16, 8)))
    assert (len(both), both.width, both.height, both.class_set) == (3, 16, 8, "cityscapes19")
    for index in range(3):
        assert both.name(index) == names[index]
        assert (both.image(index) == target.image(index)).all() and (both.label(index) == index).all()
    narrow = [label_HW[:, :8] for label_HW in labels]
    foreign = (names[::-1], labels, (16, 8)), (names[:2], labels[:2], (16, 8)), (names, narrow, (8, 8))
    for number, arguments in enumerate(foreign):
        with pytest.raises(UserError, match="labels of other images"):
            LabelledImages(target, pack(f"foreign{number}", *arguments))
    damaged = Path(tmp_path / "good" / "pack.bin")
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(UserError, match="checksum at record 2"):
        PackedCache(tmp_path / "good" / "manifest.json").label(2)


# --- a round's data -------------------------------------------------------------------------------


def test_a_larger_share_holds_the_smaller(target):
    chosen = {share: Share(target, share, 7) for share in (0.01, 0.67, 1.0)}  # of three, rounded down, but never none
    assert [len(each) for each in chosen.values()] == [1, 2, 3]
    names = [[each.name(index) for index in range(len(each))] for each in chosen.values()]
    assert names[2][:2] == names[1] and names[1][:1] == names[0] and len(set(names[2])) == 3
    assert (chosen[0.01].image(0) == target.image(int(chosen[0.01].indices[0]))).all()
    assert {tuple(Share(target, 1.0, seed).indices) for seed in range(20)} > {tuple(chosen[1.0].indices)}


def test_a_share_can_be_drawn_anew(target):
    drawn = {tuple(Share(target, 1.0, 7, number).indices) for number in range(1, 20)}
    assert len(drawn) > 2 and all(sorted(indices) == [0, 1, 2] for indices in drawn)
    assert (Share(target, 1.0, 7, 3).indices == Share(target, 1.0, 7, 3).indices).all()
    assert len(Share(target, 0.67, 7, 3)) == 2 and len(Share(target, 0.66, 7)) == 1

"""Augmentation against PIL's own operations, and what must not depend on what."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageEnhance, ImageFilter

from segadapt.data.batches.augment import Augmentation, augment

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))
CHANCES = st.sampled_from([0, 0.5, 1])


def drawn(seed: int, image_HWC, label_HW, *how, **more):
    return augment(image_HWC, label_HW, np.random.default_rng(seed), Augmentation(*how, **more))


@pytest.fixture
def pair():
    random = np.random.default_rng(1)
    return random.integers(0, 256, (9, 7, 3), np.uint8), random.integers(0, 19, (9, 7), np.uint8)


@given(st.data(), SHAPES, st.integers(0, 2**32), CHANCES, CHANCES, st.sampled_from([0, 0.4]), st.sampled_from([1, 2.5]))
def test_against_pil(data, shape, seed, mirror, blur, colour, zoom):
    image_HWC = data.draw(arrays.arrays(np.uint8, (*shape, 3)))
    label_HW = data.draw(arrays.arrays(np.uint8, shape))
    got_image, got_label = drawn(seed, image_HWC, label_HW, mirror, blur, colour, zoom)
    draws = np.random.default_rng(seed)
    mirrors, blurs, radius = draws.random() < mirror, draws.random() < blur, draws.random()
    factor, left, top = 1 + (zoom - 1) * draws.random(), draws.random(), draws.random()
    brightness, contrast, saturation, gamma = ((1 + colour) ** draws.uniform(-1, 1) for _ in range(4))
    image, label = Image.fromarray(image_HWC), Image.fromarray(label_HW)
    if mirrors:
        image, label = image.transpose(Image.FLIP_LEFT_RIGHT), label.transpose(Image.FLIP_LEFT_RIGHT)
    if zoom > 1:
        height, width = shape
        x, y = left * (width - width / factor), top * (height - height / factor)
        box = (x, y, min(x + width / factor, width), min(y + height / factor, height))
        image, label = image.resize(image.size, Image.BICUBIC, box), label.resize(label.size, Image.NEAREST, box)
    if colour:
        image = ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(brightness)).enhance(contrast)
        image = ImageEnhance.Color(image).enhance(saturation)
        image = np.rint(255 * (np.asarray(image) / 255) ** gamma).astype(np.uint8)
        image = Image.fromarray(image)
    if blurs:
        image = image.filter(ImageFilter.GaussianBlur(radius))
    # A window's edge may fall on either side of a rounding; labels then differ in no more than a row or a column.
    assert np.abs(np.asarray(image, int) - got_image).max() <= (4 if colour and zoom > 1 else 1)
    assert (np.asarray(label) == got_label).mean() > (0.99 if zoom == 1 else 0.5)


@given(st.data(), SHAPES, st.integers(0, 2**32), CHANCES, st.sampled_from([1, 2.5]))
def test_a_crop_is_a_window_of_the_uncropped_result(data, shape, seed, mirror, zoom):
    image_HWC = data.draw(arrays.arrays(np.uint8, (*shape, 3)))
    label_HW = data.draw(arrays.arrays(np.uint8, shape))
    height, width = data.draw(st.integers(1, shape[0])), data.draw(st.integers(1, shape[1]))
    whole_image, whole_label = drawn(seed, image_HWC, label_HW, mirror, 0.5, 0.4, zoom)
    got_image, got_label = drawn(seed, image_HWC, label_HW, mirror, 0.5, 0.4, zoom, crop=(width, height))
    assert got_image.shape == (height, width, 3) and got_label.shape == (height, width)
    assert any(
        np.array_equal(got_image, whole_image[top : top + height, left : left + width])
        and np.array_equal(got_label, whole_label[top : top + height, left : left + width])
        for top in range(shape[0] - height + 1)
        for left in range(shape[1] - width + 1)
    )


def test_every_window_is_drawn():
    label_HW = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image_HWC = np.zeros((3, 4, 3), np.uint8)
    corners = [int(drawn(seed, image_HWC, label_HW, 0, 0, crop=(2, 2))[1][0, 0]) for seed in range(300)]
    counts = np.bincount(corners, minlength=12)
    assert set(np.flatnonzero(counts)) == {0, 1, 2, 4, 5, 6} and counts[counts > 0].min() > 25


def test_probabilities_nought_and_one(pair):
    image_HWC, label_HW = pair
    for seed in range(50):
        same_image, same_label = drawn(seed, image_HWC, label_HW, 0, 0)
        assert same_image is image_HWC and same_label is label_HW
        turned_image, turned_label = drawn(seed, image_HWC, label_HW, 1, 0)
        assert (turned_image[:, ::-1] == image_HWC).all() and (turned_label[:, ::-1] == label_HW).all()
        blurred_image, sharp_label = drawn(seed, image_HWC, label_HW, 0, 1)
        assert sharp_label is label_HW
        assert abs(blurred_image.astype(float).mean() - image_HWC.mean()) < 12


def test_one_setting_does_not_shift_the_others_draws(pair):
    image_HWC, _ = pair
    for seed in range(30):
        blurred, _ = drawn(seed, image_HWC, None, 0, 0.5)
        both, _ = drawn(seed, image_HWC[:, ::-1].copy(), None, 1, 0.5)
        np.testing.assert_array_equal(blurred, both)
        # The paper's two augmentations give the same bytes whether or not the others exist.
        plain, _ = drawn(seed, image_HWC, None, 0.5, 0.5)
        still, _ = drawn(seed, image_HWC, None, 0.5, 0.5, colour=0.0, zoom=1.0)
        np.testing.assert_array_equal(plain, still)


def test_zoom_keeps_image_and_label_together():
    # A picture whose colour is its label: after any zoom the two must still agree, but for the bicubic edge.
    label_HW = np.repeat(np.repeat(np.arange(12, dtype=np.uint8).reshape(3, 4), 40, 0), 40, 1)
    image_HWC = np.repeat(label_HW[..., None] * 20, 3, 2)
    for seed in range(20):
        image, label = drawn(seed, image_HWC, label_HW, 0.5, 0, zoom=3.0)
        assert image.shape == image_HWC.shape and label.shape == label_HW.shape
        assert (np.rint(image[..., 0] / 20).astype(int) == label).mean() > 0.95
        assert set(np.unique(label)) <= set(range(12))


def test_colour_spares_the_label_and_stays_in_bounds(pair):
    image_HWC, label_HW = pair
    images = [drawn(seed, image_HWC, label_HW, 0, 0, colour=1.0) for seed in range(20)]
    assert all(label is label_HW for _, label in images)
    means = [image.mean() for image, _ in images]
    assert min(means) < 0.8 * image_HWC.mean() and max(means) > 1.1 * image_HWC.mean()


@given(st.data(), SHAPES, st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 1.0]))
def test_mining_centres_the_window_on_a_rare_pixel(data, shape, seed, mining):
    """Without mining's chance, or a rare class, the window is the one that it would be anyway."""
    label_HW = data.draw(arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 3, 255])))
    rows_HW, columns_HW = np.indices(shape)
    image_HWC = np.stack([rows_HW, columns_HW, label_HW], axis=-1).astype(np.uint8)
    height, width = data.draw(st.integers(1, shape[0])), data.draw(st.integers(1, shape[1]))
    rare = ((3, 2), (1,))
    how = dict(crop=(width, height))
    plain = drawn(seed, image_HWC, label_HW, 0, 0, **how)
    got_image, got_label = drawn(seed, image_HWC, label_HW, 0, 0, **how, mining=mining, rare=rare)
    assert got_label.shape == (height, width) and (got_image[..., 2] == got_label).all()
    random = np.random.default_rng(seed)
    random.random(6), random.uniform(-1, 1, 4), random.random(2)
    mined = random.random() < mining
    wanted = next((group for group in rare if np.isin(label_HW, group).any()), ())
    top, left = got_image[0, 0, :2].astype(int)
    if not (mined and wanted):
        assert (got_image == plain[0]).all()
        return
    windows = {
        (min(max(y - height // 2, 0), shape[0] - height), min(max(x - width // 2, 0), shape[1] - width))
        for y, x in np.argwhere(np.isin(label_HW, wanted))
    }
    assert (top, left) in windows and np.isin(got_label, wanted).any()


def test_mining_takes_every_class_of_its_group_alike():
    """However rare, and only where the first group has none, the second."""
    label_HW = np.zeros((20, 20), np.uint8)
    label_HW[2, 2], label_HW[12:, 12:] = 5, 7
    image_HWC = np.zeros((20, 20, 3), np.uint8)

    def share_of_five(rare) -> float:
        how = dict(crop=(3, 3), mining=1.0, rare=rare)
        return np.mean([(drawn(seed, image_HWC, label_HW, 0, 0, **how)[1] == 5).any() for seed in range(200)])

    assert 0.35 < share_of_five(((5, 7), (0,))) < 0.65
    assert share_of_five(((9,), (5,))) == 1 and share_of_five(((7,), (5,))) == 0

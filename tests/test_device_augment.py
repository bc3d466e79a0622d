"""Mirror and blur on the device: the bytes that PIL makes, from the same draws, without reading the device."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageFilter
from toy_digits import packed_digits

from segadapt.core.job import Input, Job
from segadapt.core.parameters.training import TrainingSettings
from segadapt.data.batches.augment import Augmentation, augment
from segadapt.data.batches.device_augment import augment_on_device, blur, box_weights
from segadapt.data.batches.draws import Draws, draw
from segadapt.data.batches.loader import BatchSource
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.prepare import Preparation, prepare
from segadapt.models.compute import Compute
from segadapt.training.assembly import _batch_source

CPU = torch.device("cpu")
RADII = st.floats(0, 1, exclude_max=True)
SHAPES = st.tuples(st.integers(1, 11), st.integers(1, 11))


def by_pil(image_HWC: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(image_HWC).filter(ImageFilter.GaussianBlur(radius)))


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> PackedCache:
    folder = tmp_path_factory.mktemp("device")
    tiny.write_gta5(folder / "gta5", 5)
    prepare(
        Preparation("gta5", folder / "gta5", "train", (41, 23), "cityscapes19", True, False),
        folder / "cache", folder / "scratch", 1,
    )  # fmt: skip
    return PackedCache(folder / "cache" / "manifest.json")


@given(st.data(), SHAPES, RADII)
def test_a_blur_is_pils_to_the_byte(data, shape, radius):
    values = data.draw(st.sampled_from([st.integers(0, 255), st.sampled_from([0, 255]), st.just(255)]))
    image_HWC = data.draw(arrays.arrays(np.uint8, (*shape, 3), elements=values))
    np.testing.assert_array_equal(blur(torch.from_numpy(image_HWC), radius).numpy(), by_pil(image_HWC, radius))


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (2, 2), (1, 301), (301, 1), (2, 257), (63, 131)], ids=str)
def test_a_blur_is_pils_at_every_radius(shape):
    random = np.random.default_rng(shape)
    extremes = [0, 1e-12, 1e-4, 1e-3, 0.5, 1 - 2**-24, 1 - 2**-53]
    for radius in [*extremes, *np.linspace(0, 1, 200, endpoint=False).tolist(), *random.random(100).tolist()]:
        image_HWC = random.integers(0, 256, (*shape, 3), np.uint8)
        np.testing.assert_array_equal(blur(torch.from_numpy(image_HWC), radius).numpy(), by_pil(image_HWC, radius))


@given(RADII)
def test_weights_are_those_of_the_variance(radius):
    """Three boxes (a, 1, a) / (1 + 2a) have together the variance of the Gaussian: 3 * 2a / (1 + 2a) = radius²."""
    side, missing = box_weights(radius)
    assert missing in (0, 1)
    assert 6 * side / 2**24 == pytest.approx(radius**2, abs=1e-6)


def test_the_sum_stays_within_32_bits():
    most = 1 - 2**-53
    side, _ = box_weights(most)
    assert 510 * side + 255 + 2**23 < 2**31
    stripes_HWC = np.zeros((1, 9, 3), np.uint8)
    stripes_HWC[:, ::2] = 255
    np.testing.assert_array_equal(blur(torch.from_numpy(stripes_HWC), most).numpy(), by_pil(stripes_HWC, most))


@given(st.data(), SHAPES, st.integers(0, 2**32), st.sampled_from([0, 0.5, 1]), st.sampled_from([0, 0.5, 1]))
def test_draws_say_all_that_augment_does(data, shape, seed, mirror, blurs):
    image_HWC = data.draw(arrays.arrays(np.uint8, (*shape, 3)))
    label_HW = data.draw(arrays.arrays(np.uint8, shape))
    how = Augmentation(mirror, blurs)
    wanted_image, wanted_label = augment(image_HWC, label_HW, np.random.default_rng(seed), how)
    draws = draw(np.random.default_rng(seed), mirror, blurs)
    image_BHWC, label_BHW = (torch.from_numpy(each)[None] for each in (image_HWC, label_HW))
    got_image, got_label = augment_on_device(image_BHWC, label_BHW, [draws])
    np.testing.assert_array_equal(got_image[0].numpy(), wanted_image)
    np.testing.assert_array_equal(got_label[0].numpy(), wanted_label)


def test_the_device_is_never_read():
    """A tensor of the device "meta" has no values: whatever asked for one would fail."""
    image_BHWC, label_BHW = torch.empty(2, 8, 9, 3, dtype=torch.uint8, device="meta"), torch.empty(2, 8, 9).to("meta")
    image, label = augment_on_device(image_BHWC, label_BHW, [Draws(True, 0.7), Draws(False, None)])
    assert (image.shape, image.dtype, label.shape) == (image_BHWC.shape, torch.uint8, label_BHW.shape)


@pytest.mark.parametrize("with_labels", [True, False])
@pytest.mark.parametrize("size", [1, 3])
def test_batches_are_equal_to_the_byte_wherever_they_are_augmented(cache, size, with_labels):
    on_host = BatchSource(cache, "source", 7, size, Augmentation(0.5, 0.5), with_labels)
    plain = replace(on_host, augmentation=Augmentation(0, 0))
    on_device = replace(on_host, on_device=True)
    changed = 0
    for step in range(12):
        raw, wanted = on_device.batch(step), on_host.batch(step)
        assert len(raw.draws) == size and wanted.draws is None
        assert torch.equal(raw.image_BHWC, plain.batch(step).image_BHWC)  # untouched as yet
        got = raw.on(CPU)
        assert torch.equal(got.image_BHWC, wanted.image_BHWC) and got.draws is None
        assert (got.label_BHW is None) == (not with_labels)
        assert got.label_BHW is None or torch.equal(got.label_BHW, wanted.label_BHW)
        assert torch.equal(wanted.on(CPU).image_BHWC, wanted.image_BHWC)
        changed += not torch.equal(raw.image_BHWC, got.image_BHWC)
    assert changed >= 6


def test_the_label_of_a_whole_image_stays_as_it_is(tmp_path):
    digits = packed_digits(tmp_path)["clean"]
    on_host = BatchSource(digits, "source", 7, 3, Augmentation(0.5, 0.5), True)
    for step in range(4):
        got, wanted = replace(on_host, on_device=True).batch(step).on(CPU), on_host.batch(step)
        assert got.is_classification and got.size == (1, 1)
        assert torch.equal(got.image_BHWC, wanted.image_BHWC) and torch.equal(got.label_BHW, wanted.label_BHW)


@pytest.mark.parametrize("more", [{"colour": 0.3}, {"zoom": 1.5}, {"crop": (16, 8)}], ids=lambda more: next(iter(more)))
def test_what_the_device_cannot_do_is_done_by_the_threads(cache, more):
    on_host = BatchSource(cache, "source", 7, 2, Augmentation(0.5, 0.5, **more), True)
    got, wanted = replace(on_host, on_device=True).batch(3), on_host.batch(3)
    assert got.draws is None
    assert torch.equal(got.image_BHWC, wanted.image_BHWC) and torch.equal(got.label_BHW, wanted.label_BHW)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_gpu_augments_and_a_cpu_leaves_it_to_the_threads(cache, device):
    settings = TrainingSettings(source="x", steps=1, horizon=1).model_dump(mode="json")
    config = {"model": {"classes": "cityscapes19"}, "training": settings, "seed": 1}
    inputs = (Input("source", str(cache.folder / "manifest.json")),)
    job = Job("pretrain", "pretrain/x", "tiny", inputs, {}, "", config, "")
    source = _batch_source(job, "source", Compute(torch.device(device)))
    assert source.on_device == source.pin_memory == (device == "cuda")

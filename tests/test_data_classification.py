"""Images whose label is one pixel, from files through the cache to batches."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import write_gta5
from toy_objects import objects, picture, write_objects
from toy_sets import packed, preparation

from segadapt.core.errors import UserError
from segadapt.core.seeding import generator
from segadapt.data.batches.augment import Augmentation, augment
from segadapt.data.batches.batch import Batch
from segadapt.data.batches.loader import BatchSource
from segadapt.data.batches.sampling import sample_index
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.labels import LabelledImages, write_label_pack
from segadapt.labels import DIGITS10


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two domains of three and two images a class, not to be written to."""
    return write_objects(tmp_path_factory.mktemp("objects"), {"ink": 3, "neon": 2})


@pytest.mark.parametrize("form", ["raw", "compressed"])
def test_a_cache_of_classes_has_labels_of_one_pixel(root, tmp_path, form):
    cache = packed(objects(root, "ink", form=form), tmp_path)
    assert len(cache) == 30 and cache.label_size == (1, 1) and (cache.height, cache.width) == (6, 8)
    for index in range(30):
        class_id, number = divmod(index, 3)
        assert cache.name(index) == f"ink/{DIGITS10.classes[class_id]}/frame_{number:04d}"
        expected = np.asarray(picture(class_id, number).resize((8, 6), Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(cache.image(index), expected)
        assert cache.label(index).dtype == np.uint8 and cache.label(index).tolist() == [[class_id]]
    manifest = cache.manifest
    assert manifest["label_histogram"] == dict.fromkeys(DIGITS10.classes, 3) and manifest["ignored_pixels"] == 0
    assert manifest["label_size"] == [1, 1]
    if form == "raw":
        assert manifest["bytes"] == 30 * (6 * 8 * 3 + 1)
    assert list(manifest["records"][4]["sources"]) == ["ink/images/one/frame_0001.png"]


def test_a_cache_without_labels_knows_how_large_they_would_be(root, tmp_path):
    cache = packed(objects(root, "neon", labels=False), tmp_path)
    assert cache.label_size == (1, 1) and cache.manifest["bytes"] == 20 * 6 * 8 * 3
    with pytest.raises(UserError, match="labels: true"):
        cache.label(0)


def test_an_image_of_one_class_has_no_native_label(root, tmp_path):
    cache = packed(objects(root, "neon", native_labels=True), tmp_path)
    assert cache.label(19).tolist() == [[9]]
    with pytest.raises(UserError, match="no native labels"):
        cache.native_label(0)


def test_a_scene_has_labels_of_its_own_size_whether_its_manifest_says_so_or_not(tmp_path):
    write_gta5(tmp_path / "gta5", 2)
    cache = packed(preparation(tmp_path / "gta5"), tmp_path)
    assert cache.label_size == (cache.height, cache.width) == (24, 40)
    path = tmp_path / "cache/manifest.json"
    manifest = json.loads(path.read_text())
    assert manifest.pop("label_size") == [40, 24]
    path.write_text(json.dumps(manifest))
    old = PackedCache(path)
    assert old.label_size == (24, 40)
    np.testing.assert_array_equal(old.label(1), cache.label(1))


@pytest.mark.parametrize("with_labels", [True, False])
@pytest.mark.parametrize("crop", [None, (5, 4)])
def test_a_batch_of_classes_has_losses_of_one_pixel(root, tmp_path, with_labels, crop):
    cache = packed(objects(root, "ink", labels=with_labels), tmp_path)
    strong = Augmentation(0.5, 0.5, colour=0.5, zoom=2.0, crop=crop, mining=1.0, rare=((0, 1),))
    source = BatchSource(cache, "source", 3, 4, strong, with_labels)
    for step in range(5):
        batch = source.batch(step)
        assert batch.size == (1, 1) and batch.image_BHWC.shape == (4, *(crop or (8, 6))[::-1], 3)
        indices = [sample_index(3, "source", step * 4 + row, 30) for row in range(4)]
        if with_labels:
            assert batch.label_BHW.dtype == torch.uint8
            assert batch.label_BHW.tolist() == [[[index // 3]] for index in indices]
        else:
            assert batch.label_BHW is None


def test_a_batch_of_scenes_has_losses_of_the_images_size(tmp_path):
    write_gta5(tmp_path / "gta5", 2)
    cache = packed(preparation(tmp_path / "gta5"), tmp_path)
    for crop, size in ((None, (24, 40)), ((16, 8), (8, 16))):
        for with_labels in (True, False):
            batch = BatchSource(cache, "source", 3, 2, Augmentation(0, 0, crop=crop), with_labels).batch(0)
            assert batch.size == size
    assert Batch(torch.zeros(1, 3, 5, 3, dtype=torch.uint8), None).size == (3, 5)


@pytest.mark.parametrize("crop", [None, (9, 7)])
@pytest.mark.parametrize("zoom", [1.0, 3.0])
def test_augmentation_changes_the_image_as_ever_and_leaves_its_class(crop, zoom):
    image_HWC = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    how = Augmentation(0.5, 0.5, 0.3, zoom, crop, mining=1.0, rare=((7,),))
    changed = 0
    for position in range(30):
        alone, _ = augment(image_HWC, None, generator(position), how)
        image, label = augment(image_HWC, np.array([[7]], np.uint8), generator(position), how)
        np.testing.assert_array_equal(image, alone)
        assert label.tolist() == [[7]]
        changed += alone.shape != image_HWC.shape or not np.array_equal(alone, image_HWC)
    assert changed > 20


def test_images_with_the_labels_of_another_cache_know_their_size(root, tmp_path):
    cache = packed(objects(root, "neon", labels=False), tmp_path)
    labels = [np.zeros((6, 8), np.uint8)] * 20
    write_label_pack(tmp_path / "pseudo", [cache.name(index) for index in range(20)], labels, (8, 6), "digits10")
    assert LabelledImages(cache, PackedCache(tmp_path / "pseudo/manifest.json")).label_size == (6, 8)

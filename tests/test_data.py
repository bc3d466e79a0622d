"""Data sets, preparation and the packed cache, against a naive loop over the files."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny import write_gta5
from toy_sets import SIZE, camera, game, packed, preparation, refusal, sets  # noqa: F401 - fixtures are used by name

from segadapt.core.errors import UserError
from segadapt.data.datasets import FOREIGN, SampleFiles, cityscapes, dataset_module, gta5
from segadapt.data.shipped.reading import read_sample
from segadapt.labels import CITYSCAPES19, CLASS_SETS, SYNTHIA13

# --- what is packed -------------------------------------------------------------------------------


def naive(image: Path, label: Path, class_set=CITYSCAPES19) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image and labels by PIL and a dictionary, one pixel after another."""
    train_id = {label_id: number for number, label_id in enumerate(class_set.label_ids)}
    image_HWC = np.array(Image.open(image).convert("RGB").resize(SIZE, Image.BICUBIC))
    ids = Image.open(label)
    small = np.array(ids.resize(SIZE, Image.NEAREST))
    return image_HWC, *(
        np.array([[train_id.get(int(each), 255) for each in row] for row in ids_HW])
        for ids_HW in (small, np.array(ids))
    )


@pytest.mark.parametrize("name", ["gta5", "cityscapes"])
@pytest.mark.parametrize("classes", ["cityscapes19", "synthia16", "synthia13", "nthu13"])
def test_the_pack_equals_a_naive_loop(sets, tmp_path, name, classes):
    root = sets / name
    cache = packed(preparation(root, classes=classes), tmp_path)
    images = sorted(root.glob("images/*.png" if name == "gta5" else "leftImg8bit/val/*/*.png"))
    labels = sorted(root.glob("labels/*.png" if name == "gta5" else "gtFine/val/*/*.png"))
    assert len(cache) == len(images) == (6 if name == "gta5" else 4)
    counts = dict.fromkeys(range(256), 0)
    for index, files in enumerate(zip(images, labels, strict=True)):
        image_HWC, label_HW, native_HW = naive(*files, CLASS_SETS[classes])
        np.testing.assert_array_equal(cache.image(index), image_HWC)
        np.testing.assert_array_equal(cache.label(index), label_HW)
        np.testing.assert_array_equal(cache.native_label(index), native_HW)
        assert files[0].name.startswith(cache.name(index))
        for value in label_HW.ravel().tolist():
            counts[value] += 1
    manifest = cache.manifest
    assert manifest["count"] == len(images)
    assert manifest["label_histogram"] == dict(
        zip(CLASS_SETS[classes].classes, (counts[index] for index in range(len(CLASS_SETS[classes]))), strict=True)
    )
    assert manifest["ignored_pixels"] == counts[255]
    assert sum(manifest["label_histogram"].values()) + counts[255] == len(images) * SIZE[0] * SIZE[1]
    assert manifest["bytes"] == (tmp_path / "cache" / "pack.bin").stat().st_size
    assert sum(record["bytes"] for record in manifest["records"]) == manifest["bytes"]


def test_every_id_of_the_field_maps_as_the_authors_map_it(tmp_path):
    table = gta5.train_id_table(CITYSCAPES19)
    by_hand = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13}
    by_hand |= {27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
    for label_id in range(256):
        assert table[label_id] == by_hand.get(label_id, 255 if label_id < 35 else FOREIGN), label_id
    smaller = cityscapes.train_id_table(SYNTHIA13)
    assert smaller[22] == smaller[27] == smaller[31] == smaller[12] == 255 and smaller[33] == 12
    camvid = gta5.train_id_table(CLASS_SETS["camvid11"])
    # road, wall (a building), terrain (none), rider, bus, licence plate, and one that GTA5 does not define
    assert camvid[[7, 12, 22, 25, 28, 34, 35]].tolist() == [3, 1, 255, 10, 8, 255, 254]


def test_a_cache_without_labels_says_so(sets, tmp_path):
    cache = packed(preparation(sets / "gta5", labels=False, native_labels=False), tmp_path)
    assert cache.manifest["bytes"] == 6 * SIZE[0] * SIZE[1] * 3
    assert cache.image(5).shape == (SIZE[1], SIZE[0], 3)
    with pytest.raises(UserError, match="labels: true"):
        cache.label(0)
    with pytest.raises(UserError, match="native_labels: true"):
        cache.native_label(0)


def test_worker_processes_change_no_byte(tmp_path):
    write_gta5(tmp_path / "gta5", count=34, width=16, height=12)
    for processes in (1, 2):
        packed(preparation(tmp_path / "gta5"), tmp_path / str(processes), processes)
    for name in ("pack.bin", "manifest.json"):
        assert (tmp_path / "1/cache" / name).read_bytes() == (tmp_path / "2/cache" / name).read_bytes()


def test_a_list_may_have_a_byte_order_mark_windows_line_ends_and_its_own_order(game, tmp_path):
    (game / "list" / "train.txt").write_bytes(b"\xef\xbb\xbf3\r\n00001\r\n\r\n5\r\n")
    cache = packed(preparation(game), tmp_path)
    assert [cache.name(index) for index in range(len(cache))] == ["00003", "00001", "00005"]


# --- refusals -------------------------------------------------------------------------------------


def write_label(path: Path, ids_HW: np.ndarray, mode: str = "L") -> None:
    """Replaces a label file."""
    Image.fromarray(ids_HW).convert(mode).save(path)


@pytest.mark.parametrize("kind", ["images", "labels"])
@pytest.mark.parametrize("share", [0, 0.0005, 0.01, 0.3, 0.7, 0.95])
def test_a_file_that_lost_pixels_is_refused(game, tmp_path, kind, share):
    path = game / kind / "00003.png"
    os.truncate(path, int(path.stat().st_size * share))
    message = refusal(preparation(game), tmp_path)
    assert str(path) in message and "fetch this file again" in message


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_picture_is_refused_or_readable_but_never_a_crash(sets, tmp_path_factory, data):
    content = bytearray((sets / "gta5/images/00001.png").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        # The head of the file, where its structure is, as often as all the rest.
        end = data.draw(st.sampled_from([64, len(content)]))
        content[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "picture.png"
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        sample = read_sample(
            SampleFiles("x", path, None), SIZE, np.zeros(256, np.uint8), labels=False, native_labels=False
        )
    except UserError as error:
        assert str(path) in str(error)
    else:
        assert sample.image_HWC.shape == (SIZE[1], SIZE[0], 3)


def test_a_picture_of_absurd_size_is_refused(tmp_path):
    path = tmp_path / "bomb.png"
    header = b"IHDR" + (60_000).to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4) + header + zlib.crc32(header).to_bytes(4))
    with pytest.raises(UserError, match=r"bomb\.png"):
        read_sample(SampleFiles("x", path, None), SIZE, np.zeros(256, np.uint8), labels=False, native_labels=False)


def test_a_label_of_another_size_is_refused(game, tmp_path):
    path = game / "labels" / "00002.png"
    write_label(path, np.full((54, 95), 7, np.uint8))
    message = refusal(preparation(game), tmp_path)
    assert str(path) in message and "95x54" in message and "96x54" in message


@pytest.mark.parametrize("foreign", [35, 100, 254, 255])
def test_a_foreign_label_id_is_refused_even_where_resizing_skips_it(game, tmp_path, foreign):
    path = game / "labels" / "00004.png"
    ids_HW = np.array(Image.open(path))
    ids_HW[0, 0] = foreign
    write_label(path, ids_HW)
    message = refusal(preparation(game, native_labels=False), tmp_path)
    assert str(path) in message and str(foreign) in message


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "1", "LA"])
def test_a_label_in_colours_or_other_depth_is_refused(game, tmp_path, mode):
    path = game / "labels" / "00001.png"
    if mode == "I;16":
        Image.fromarray(np.full((54, 96), 7, np.uint16)).save(path)
    else:
        write_label(path, np.full((54, 96), 7, np.uint8), mode)
    message = refusal(preparation(game), tmp_path)
    assert str(path) in message and "label ids" in message


def test_a_label_of_ignored_pixels_alone_is_refused(game, tmp_path):
    path = game / "labels" / "00006.png"
    write_label(path, np.full((54, 96), 4, np.uint8))
    message = refusal(preparation(game), tmp_path)
    assert str(path) in message and "no pixel" in message


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_a_missing_file_of_gta5_is_refused(game, tmp_path, kind):
    (game / kind / "00005.png").unlink()
    assert f"{game / kind / '00005.png'} is missing" in refusal(preparation(game), tmp_path)


@pytest.mark.parametrize("pattern", ["leftImg8bit/val/*/*_000002_*", "gtFine/val/*/*_000002_*"])
def test_a_missing_file_of_cityscapes_is_refused(camera, tmp_path, pattern):
    path = next(camera.glob(pattern))
    path.unlink()
    assert f"{path} is missing" in refusal(preparation(camera), tmp_path)


@pytest.mark.parametrize(
    ("format_name", "place"), [("gta5", "from_games"), ("cityscapes", "www.cityscapes-dataset.com")]
)
def test_a_missing_data_set_says_in_one_sentence_where_to_get_it(tmp_path, format_name, place):
    message = refusal(preparation(tmp_path / format_name), tmp_path)
    assert str(tmp_path / format_name) in message and place in message and "presets/<preset>.yaml" in message
    assert "\n" not in message


def test_an_empty_split_is_refused(game, camera, tmp_path):
    for path in camera.glob("*/val/*/*.png"):
        path.unlink()
    assert "leftImg8bit/val holds no" in refusal(preparation(camera), tmp_path)
    assert "leftImg8bit/test is missing" in refusal(preparation(camera, split="test"), tmp_path)
    (game / "list" / "train.txt").unlink()
    assert "train.txt is missing" in refusal(preparation(game), tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n \n", "is empty"),
        (b"1\n2\n1\n", "image 1 is listed twice"),
        (b"1\n00001\n", "image 1 is listed twice"),
        (b"1\ntwo\n", "entry 2 is 'two'"),
        (b"1\n-2\n", "entry 2 is '-2'"),
        (b"1\n2.5\n", "entry 2 is '2.5'"),
        (b"1\n00002.tif\n", "entry 2 is '00002.tif'"),
        (b"1\n7\n", "00007.png is missing"),
        (b"1\n\xff\xfe\n", "train.txt"),
        (b"1\n\xc2\xb2\n", "entry 2"),
    ],
)
def test_a_bad_list_is_refused(game, tmp_path, content, expected):
    (game / "list" / "train.txt").write_bytes(content)
    message = refusal(preparation(game), tmp_path)
    assert expected in message and str(game) in message


def test_an_unknown_format_is_refused_with_those_there_are():
    with pytest.raises(UserError, match=r"'gta6' is not known; known are.*cityscapes.*gta5"):
        dataset_module("gta6")

"""What each data set has of its own: lists, official splits, 16-bit labels, cities, label kinds."""

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from shipped import SHIPPED, SIZE, Shelf

from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.data.datasets import camvid, cityscapes, dataset_module, gta5, nthu, synthia
from segadapt.data.shipped.checking import check_dataset
from segadapt.data.shipped.faults import Faulty, Kind, MissingSplit
from segadapt.data.shipped.label_files import read_ids
from segadapt.data.shipped.reading import read_pair
from segadapt.data.shipped.splits import list_split
from segadapt.data.streets import render_dataset
from segadapt.data.streets.layouts import png16
from segadapt.labels import CAMVID11, CITYSCAPES19, IGNORE_INDEX


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shipped"))


def names(samples) -> list[str]:
    return [each.name for each in samples]


def test_all_of_gta5_is_every_image_and_needs_no_list(shelf, tmp_path):
    """In the order of the numbers; a list of that name, as ADVENT ships one, comes first."""
    root = shelf.copy("gta5", tmp_path)
    whole = sorted(path.stem for path in (root / "images").glob("*.png"))
    shutil.rmtree(root / "list", ignore_errors=True)
    (root / "split.mat").unlink(missing_ok=True)
    (root / "images/preview.png").write_bytes(b"")
    assert names(gta5.list_samples(root, "all")) == whole and len(whole) > 2
    (root / "labels" / f"{whole[1]}.png").unlink()
    with pytest.raises(Faulty, match=whole[1]):
        gta5.list_samples(root, "all")
    (root / "list").mkdir()
    (root / "list/all.txt").write_text(f"{int(whole[2])}\n{int(whole[0])}\n")
    assert names(gta5.list_samples(root, "all")) == [whole[2], whole[0]]
    assert sum(gta5.COUNTS[split] for split in gta5.split_names(root)) == gta5.COUNTS["all"] == 24966


def test_fewer_images_than_all_are_one_sentence(shelf, tmp_path):
    root = shelf.copy("gta5", tmp_path)
    (fault,) = list_split("gta5", root, "all", 24966)[1]
    count = len(list((root / "images").glob("*.png")))
    assert str(fault).count("\n") == 0 and f"gives split 'all' {count} samples, not 24966" in fault.what


# --- lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, about in SHIPPED.items() if about.list])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b" \n\n"], ids=repr)
def test_line_ends_and_a_byte_order_mark_change_nothing(shelf, tmp_path, name, mark, end):
    about, root = SHIPPED[name], shelf.copy(name, tmp_path)
    before = dataset_module(about.format).list_samples(root, about.split)
    lines = (root / about.list).read_bytes().split()
    (root / about.list).write_bytes(mark + end.join(lines) + end)
    assert list(dataset_module(about.format).list_samples(root, about.split)) == list(before)
    assert main(["check", about.format, str(root), "--processes", "1"]) == 0


@pytest.mark.parametrize("line", ["../x", "/x", "..", ".", ".hidden", "a/b", "a\\b", "C:x", "x\x00y", "a*"])
def test_a_name_that_is_no_bare_name_reaches_no_file(shelf, tmp_path, line):
    root = shelf.copy("nthu", tmp_path)
    path = root / "List/test.txt"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(Faulty) as caught:
        nthu.list_samples(root, "test")
    assert [fault.kind for fault in caught.value.faults] == [Kind.BAD_NAME]
    assert len(caught.value.listing) == 3 and caught.value.listing.count == 4
    assert all(root in path.parents for path in caught.value.listing.known)


# --- GTA5's official split ------------------------------------------------------------------------


# --- SYNTHIA's 16 bits ----------------------------------------------------------------------------


def encode(image_HWC: np.ndarray, filters: list[int]) -> bytes:
    """A 16-bit PNG with the given filter of each row, after the PNG specification, one byte after another."""
    height, width, channels = image_HWC.shape
    step, above, content = channels * 2, bytes(width * channels * 2), b""
    for row_WC, kind in zip(image_HWC, filters, strict=True):
        raw = row_WC.astype(">u2").tobytes()
        content += bytes([kind])
        for at, value in enumerate(raw):
            left = raw[at - step] if at >= step else 0
            up, corner = above[at], above[at - step] if at >= step else 0
            nearest = min((left, up, corner), key=lambda each, sum_=left + up - corner: abs(sum_ - each))
            content += bytes([(value - (0, left, up, (left + up) // 2, nearest)[kind]) % 256])
        above = raw
    head = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(content)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 4), min_size=1, max_size=6), st.sampled_from([3, 4]))
def test_the_class_in_red_is_read_exactly_whatever_the_filters(tmp_path_factory, seed, filters, channels):
    random = np.random.default_rng(seed)
    image_HWC = random.integers(0, 65536, (len(filters), 7, channels), np.uint16)
    image_HWC[..., 0] = random.integers(0, 256, image_HWC.shape[:2])
    path = tmp_path_factory.mktemp("synthia") / "0000000.png"
    path.write_bytes(encode(image_HWC, filters))
    ids = read_ids(path, "red16")
    assert ids.mode == "L"
    np.testing.assert_array_equal(np.asarray(ids), image_HWC[..., 0])


def test_a_red_of_more_than_8_bits_is_told_with_its_value(tmp_path):
    image_HWC = np.full((4, 5, 3), 3, np.uint16)
    image_HWC[1, 2, 0] = 7 * 256 + 3
    (tmp_path / "x.png").write_bytes(png16(image_HWC))
    with pytest.raises(Faulty, match=r"holds label ids \[1795\]"):
        read_ids(tmp_path / "x.png", "red16")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "I;16", "1"])
def test_a_synthia_label_that_was_saved_anew_is_refused(shelf, tmp_path, mode):
    root = shelf.copy("synthia", tmp_path)
    path = root / "GT/LABELS/0000001.png"
    picture = Image.fromarray(np.full(SIZE[::-1], 3, np.uint16)) if mode == "I;16" else Image.open(path).convert(mode)
    picture.save(path)
    fault = check_dataset("synthia", root)[0].faults
    assert [(each.file, each.kind in (Kind.BIT_DEPTH, Kind.COLOURS)) for each in fault] == [(path, True)]
    assert "16-bit RGB" in fault[0].what


def test_synthia_is_split_by_number(tmp_path):
    for folder in ("RGB", "GT/LABELS"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("0000000", "0008999", "0009000", "0009399", "0009400", "12", "notes"):
            (tmp_path / folder / f"{name}.png").write_bytes(b"x")
    assert names(synthia.list_samples(tmp_path, "train")) == ["0000000", "0008999"]
    assert names(synthia.list_samples(tmp_path, "val")) == ["0009000", "0009399"]
    with pytest.raises(MissingSplit):
        synthia.list_samples(tmp_path, "test")


@pytest.mark.parametrize(("bits", "value"), [(2, 2), (4, 7)])
def test_grey_of_few_bits_is_no_id_though_pillow_makes_one_of_it(tmp_path, bits, value):
    """Pillow stretches 4-bit 7 to 119, and 4-bit 2 to 34, which is an id."""
    head = struct.pack(">IIBBBBB", 8, 4, bits, 0, 0, 0, 0)
    row = b"\0" + bytes([int(f"{value:0{bits}b}" * (8 // bits), 2)] * bits)
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(row * 4)), (b"IEND", b"")
    (tmp_path / "x.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    )
    with pytest.raises(Faulty) as caught:
        read_ids(tmp_path / "x.png", "index")
    assert caught.value.faults[0].kind is Kind.BIT_DEPTH


def test_a_palette_of_few_bits_is_an_index_all_the_same(tmp_path):
    ids_HW = np.tile(np.array([7, 8, 11, 7], np.uint8), (3, 1))
    label = Image.fromarray(ids_HW)
    label.putpalette([255 - index for index in range(48)])
    label.save(tmp_path / "x.png", bits=4)
    assert (tmp_path / "x.png").read_bytes()[24] == 4
    np.testing.assert_array_equal(np.asarray(read_ids(tmp_path / "x.png", "index")), ids_HW)


# --- Cityscapes -----------------------------------------------------------------------------------


def test_the_dummy_labels_of_the_test_split_are_not_read(tmp_path):
    for kind, end in (("leftImg8bit", "_leftImg8bit"), ("gtFine", "_gtFine_labelIds")):
        folder = tmp_path / kind / "test" / "berlin"
        folder.mkdir(parents=True)
        picture = Image.new("RGB", SIZE, (9, 9, 9)) if kind == "leftImg8bit" else Image.new("L", SIZE, 3)
        picture.save(folder / f"berlin_000000_000019{end}.png")
    assert [each.label for each in cityscapes.list_samples(tmp_path, "test")] == [None]
    report = check_dataset("cityscapes", tmp_path, accept=["leftImg8bit/test"])[0]
    assert (report.split, report.labelled, report.faults) == ("test", 0, [])


# --- the same scenes in every layout --------------------------------------------------------------


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> dict[str, Path]:
    """Scenes of ``test`` in GTA5's, NTHU's and CamVid's layout, for these have such a split."""
    roots = {name: tmp_path_factory.mktemp(name) for name in ("gta5", "nthu", "camvid", "cityscapes")}
    for name, root in roots.items():
        render_dataset(root, domain="game", layout=name, splits={"test": 2}, size=SIZE, seed=5, processes=1)
    return roots


def read(format_name: str, root: Path, split: str, class_set) -> list[tuple[np.ndarray, np.ndarray]]:
    module = dataset_module(format_name)
    pairs = [
        read_pair(each, module.train_id_table(class_set), labels=True) for each in module.list_samples(root, split)
    ]
    return [(np.asarray(pair.image), pair.train_ids_HW) for pair in pairs]


@pytest.mark.parametrize("format_name", ["synthia", "cityscapes", "cityscapes_train_ids", "camvid"])
def test_every_layout_holds_the_same_pictures_and_classes(shelf, format_name):
    class_set = CAMVID11 if format_name == "camvid" else CITYSCAPES19
    ours = read(format_name, shelf.original(format_name), "train", class_set)
    gta = read("gta5", shelf.original("gta5"), "train", class_set)
    assert len(ours) == len(gta) == 3
    for (image_HWC, label_HW), (other_HWC, other_HW) in zip(ours, gta, strict=True):
        np.testing.assert_array_equal(image_HWC, other_HWC)
        np.testing.assert_array_equal(label_HW, other_HW)
    assert len({train_id for _, label_HW in ours for train_id in np.unique(label_HW).tolist()}) > 8


def test_nthu_and_camvid_hold_the_scenes_of_the_test_split(scenes):
    gta = read("gta5", scenes["gta5"], "test", CITYSCAPES19)
    city = read("nthu", scenes["nthu"], "test", CITYSCAPES19)
    for (image_HWC, label_HW), (other_HWC, other_HW) in zip(city, gta, strict=True):
        np.testing.assert_array_equal(label_HW, other_HW)
        assert np.abs(image_HWC.astype(int) - other_HWC).mean() < 8  # the authors ship JPEG
    merged = read("gta5", scenes["gta5"], "test", CAMVID11)
    for (_, label_HW), (_, other_HW) in zip(read("camvid", scenes["camvid"], "test", CAMVID11), merged, strict=True):
        np.testing.assert_array_equal(label_HW, other_HW)


def test_terrain_is_void_in_camvid_and_only_it(shelf):
    ids = [np.array(Image.open(path)) for path in sorted(shelf.original("camvid").glob("trainannot/*.png"))]
    gta = [np.array(Image.open(path)) for path in sorted(shelf.original("gta5").glob("labels/*.png"))]
    assert (np.stack(ids) == 11).any()
    np.testing.assert_array_equal(np.stack(ids) == 11, np.stack(gta) == 22)


@pytest.mark.parametrize(("layout", "split"), [("synthia", "test"), ("nthu", "val")])
def test_a_split_that_a_data_set_has_not_is_not_rendered(tmp_path, layout, split):
    with pytest.raises(UserError, match=f"has no split '{split}'"):
        render_dataset(
            tmp_path / "new", domain="game", layout=layout, splits={split: 1}, size=SIZE, seed=5, processes=1
        )
    assert not (tmp_path / "new").exists()


# --- NTHU's cities --------------------------------------------------------------------------------


@pytest.fixture
def cities(shelf, tmp_path) -> Path:
    """Rome and Tokyo; in Rome the first image of ``test`` is in ``train`` too, twice, and another has a namesake."""
    for city in ("Rome", "Tokyo"):
        root = Path(shutil.copytree(shelf.original("nthu"), tmp_path / city))
        (root / "streets.json").unlink()
        (root / "Images/Train").mkdir()
        tests = sorted((root / "Images/Test").iterdir())
        Image.new("RGB", SIZE, (200, 10, 10)).save(root / "Images/Train/other.png")
        lines = ["other"]
        if city == "Rome":
            shutil.copy(tests[0], root / "Images/Train")
            shutil.copy(tests[0], root / "Images/Train/again.jpg")
            Image.new("RGB", SIZE, (10, 10, 200)).save(root / "Images/Train" / tests[1].name)
            lines += [tests[0].stem, "again", tests[1].stem]
        (root / "List/train.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def accepted(*cities: str) -> list[str]:
    return [f"{city}List/{split}.txt" for city in cities for split in ("train", "test")]


def test_the_folder_of_the_cities_is_checked_city_by_city(cities, capsys):
    assert main(["check", "nthu", str(cities), "--accept", *accepted("Rome/", "Tokyo/"), "--processes", "1"]) == 0
    out = capsys.readouterr().out
    assert f"nthu in {cities / 'Rome'}" in out and f"nthu in {cities / 'Tokyo'}" in out
    assert main(["check", "nthu", str(cities / "Tokyo"), "--accept", *accepted(""), "--processes", "1"]) == 0
    capsys.readouterr()
    assert main(["check", "nthu", str(cities), "--processes", "1"]) == 1
    assert capsys.readouterr().out.count("unexpected count: ") == 4
    assert main(["check", "nthu", str(cities), "--accept", "Paris/List/train.txt"]) == 2


def test_images_that_train_and_test_share_are_notes(cities):
    rome, tokyo = (check_dataset("nthu", cities / city, accept=accepted("")) for city in ("Rome", "Tokyo"))
    notes = [note for note in rome[1].notes if "images" in note and "2048" not in note]
    assert len(notes) == 2 and all(report.faults == [] for report in rome)
    assert "images in train too, same name and same bytes: 1 (pano_200000_0_180)" in notes
    assert "images of the same name as one in train, other bytes: 1 (pano_200001_0_180)" in notes
    assert [note for note in tokyo[1].notes if "2048" not in note] == []
    (cities / "Rome/Images/Train/pano_200000_0_180.jpg").unlink()
    (cities / "Rome/List/train.txt").write_text("other\nagain\n")
    rome = check_dataset("nthu", cities / "Rome", accept=accepted(""))
    assert "images in train too, under another name: 1 (pano_200000_0_180 = again)" in rome[1].notes


def test_nthu_prefers_jpg_and_falls_back_to_png(cities):
    assert [each.image.suffix for each in nthu.list_samples(cities / "Rome", "train")] == [
        ".png",
        ".jpg",
        ".jpg",
        ".jpg",
    ]
    assert {each.label for each in nthu.list_samples(cities / "Rome", "train")} == {None}


def test_camvid_s_half_layout_is_a_missing_folder(shelf, tmp_path):
    root = shelf.copy("camvid", tmp_path)
    shutil.rmtree(root / "trainannot")
    with pytest.raises(Faulty) as caught:
        camvid.list_samples(root, "train")
    assert [(fault.file, fault.kind) for fault in caught.value.faults] == [(root / "trainannot", Kind.MISSING_FOLDER)]
    assert main(["check", "camvid", str(root), "--processes", "1"]) == 1


def test_void_alone_is_no_class(shelf):
    shares = check_dataset("camvid", shelf.original("camvid"))[0].pixels
    assert shares[IGNORE_INDEX] > 0 and sum(shares.values()) == 3 * SIZE[0] * SIZE[1]


@pytest.mark.parametrize("name", ["camvid", "cityscapes", "camvid in two folders", "synthia"])
def test_hidden_files_beside_the_pictures_are_passed_over(shelf, tmp_path, name):
    about, root = SHIPPED[name], shelf.copy(name, tmp_path)
    for path in (about.image(root), about.label(root)):
        path.with_name(f"._{path.name}").write_bytes(b"not a picture")
    assert check_dataset(about.format, root)[0].faults == []

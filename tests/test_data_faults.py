"""Every adapter with every fault, planted one at a time: ``check`` names it, ``prepare`` refuses it or leaves it out.

The table is ``FAULTS`` x ``shipped.SHIPPED``. Cells that cannot exist are in ``IMPOSSIBLE``, each with its reason and
a test of that reason.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image
from shipped import SHIPPED, SIZE, Shelf, Shipped, refused_files

from segadapt.cli import main
from segadapt.data.packed.prepare import prepare
from segadapt.data.shipped.checking import check_dataset
from segadapt.data.shipped.faults import Faulty, Kind

Plant = Callable[[Shipped, Path], Path]
"""Damages a data set and returns the file that must be named."""


def cut(path: Path, share: float) -> Path:
    os.truncate(path, int(path.stat().st_size * share))
    return path


def lose(path: Path) -> Path:
    path.unlink()
    return path


def save(path: Path, picture: Image.Image, **options) -> Path:
    picture.save(path, **options)
    return path


def ids(about: Shipped, root: Path, ids_HW: np.ndarray) -> Path:
    about.write_ids(about.label(root), ids_HW)
    return about.label(root)


def one_foreign_pixel(about: Shipped, root: Path) -> Path:
    """In a corner, which no resized label would show."""
    ids_HW = np.full((SIZE[1], SIZE[0]), usual(about))
    ids_HW[0, 0] = about.foreign
    return ids(about, root, ids_HW)


def usual(about: Shipped) -> int:
    """An id that each format gives to a class."""
    return 3 if about.classes == "camvid11" or about.format in ("synthia", "cityscapes_train_ids") else 7


def colours(about: Shipped, root: Path) -> Path:
    return save(about.label(root), Image.new("RGB", SIZE, (128, 64, 128)))


def grey(about: Shipped, root: Path) -> Path:
    """16-bit grey where 8 bits belong, 8-bit grey where 16-bit colours do."""
    if about.format == "synthia":
        return save(about.label(root), Image.new("L", SIZE, usual(about)))
    return save(about.label(root), Image.fromarray(np.full((SIZE[1], SIZE[0]), usual(about), np.uint16)))


def few_bits(about: Shipped, root: Path) -> Path:
    """One bit a pixel: what Pillow reads as 0 and 255."""
    return save(about.label(root), Image.new("1", SIZE, 1))


def another_line(line: str) -> Plant:
    def plant(about: Shipped, root: Path) -> Path:
        path = root / about.list
        path.write_text(path.read_text() + f"{line}\n")
        return path

    return plant


def listed_twice(about: Shipped, root: Path) -> Path:
    if about.place.endswith(".mat"):
        path = root / about.place
        numbers = scipy.io.loadmat(path)["trainIds"]
        scipy.io.savemat(path, {"trainIds": np.concatenate([numbers, numbers[:1]])})
        return path
    return another_line((root / about.list).read_text().splitlines()[0])(about, root)


def unusable_list(about: Shipped, root: Path) -> Path:
    path = root / about.place
    path.write_bytes(b"\xff\xfe1\x00\n\x00")
    return path


def one_less(about: Shipped, root: Path) -> Path:
    """A sample gone without a trace: out of the list, or both of its files."""
    place = root / about.place
    if about.list:
        place.write_text("".join(place.read_text().splitlines(True)[:-1]))
    elif place.suffix == ".mat":
        scipy.io.savemat(place, {"trainIds": scipy.io.loadmat(place)["trainIds"][:-1]})
    else:
        about.image(root).unlink()
        about.label(root).unlink()
    return place


def two_formats(about: Shipped, root: Path) -> Path:
    image = about.image(root)
    shutil.copy(image, image.with_suffix(".jpg"))
    return image


FAULTS: dict[str, tuple[Kind, Plant]] = {
    "missing image": (Kind.MISSING_IMAGE, lambda about, root: lose(about.image(root))),
    "missing label": (Kind.MISSING_LABEL, lambda about, root: lose(about.label(root))),
    "zero-byte image": (Kind.EMPTY_FILE, lambda about, root: cut(about.image(root), 0)),
    "zero-byte label": (Kind.EMPTY_FILE, lambda about, root: cut(about.label(root), 0)),
    "half an image": (Kind.DAMAGED, lambda about, root: cut(about.image(root), 0.5)),
    "half a label": (Kind.DAMAGED, lambda about, root: cut(about.label(root), 0.5)),
    "an image without its last byte": (Kind.DAMAGED, lambda about, root: cut(about.image(root), 0.99999)),
    "no picture at all": (
        Kind.NO_PICTURE,
        lambda about, root: [about.image(root), about.image(root).write_text("x")][0],
    ),
    "an all-black image": (Kind.ALL_BLACK, lambda about, root: save(about.image(root), Image.new("RGB", SIZE))),
    "a label of another size": (Kind.SIZES_DIFFER, lambda a, root: ids(a, root, np.full((32, 47), usual(a)))),
    "a label in colours": (Kind.COLOURS, colours),
    "a label of other bit depth": (Kind.BIT_DEPTH, grey),
    "a label of one bit": (Kind.BIT_DEPTH, few_bits),
    "an unknown id": (Kind.UNKNOWN_ID, one_foreign_pixel),
    "an id above 255": (Kind.UNKNOWN_ID, lambda a, root: ids(a, root, np.full((32, 48), 256 + usual(a)))),
    "all pixels ignored": (Kind.ALL_IGNORED, lambda a, root: ids(a, root, np.full((32, 48), a.ignored))),
    "a list entry twice": (Kind.LISTED_TWICE, listed_twice),
    "../ in a list": (Kind.BAD_NAME, another_line("../1")),
    "an absolute path in a list": (Kind.BAD_NAME, another_line("/etc/passwd")),
    "a list that is no text": (Kind.BAD_LIST, unusable_list),
    "one sample less than expected": (Kind.COUNT, one_less),
    "an image in two formats": (Kind.TWO_FORMATS, two_formats),
}

_FOLDERS = ["synthia", "cityscapes", "cityscapes_train_ids", "camvid", "camvid in two folders"]
IMPOSSIBLE: dict[tuple[str, str], str] = (
    {(name, fault): "no list: the folder is the split"
     for name in _FOLDERS
     for fault in ("a list entry twice", "../ in a list", "an absolute path in a list", "a list that is no text")}
    | {("gta5 by split.mat", fault): "no names: split.mat holds numbers"
       for fault in ("../ in a list", "an absolute path in a list")}
    | {(name, "an id above 255"): "no room: a label pixel has 8 bits"
       for name in SHIPPED if not name.startswith("synthia")}
    | {(name, "an image in two formats"): "no choice: the format of images is fixed"
       for name in SHIPPED if not name.startswith(("camvid", "nthu"))}
    | {("nthu", "an image in two formats"): "no conflict: .jpg is documented to take precedence over .png"}
)  # fmt: skip
CELLS = [(name, fault) for name in SHIPPED for fault in FAULTS]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shipped"))


def listed(name: str, root: Path) -> list[tuple[Path, Kind]]:
    reports = check_dataset(SHIPPED[name].format, root)
    return [(fault.file, fault.kind) for report in reports for fault in report.faults]


def crc_by_name(cache: Path) -> dict[str, int]:
    return {each["name"]: each["crc32"] for each in json.loads((cache / "manifest.json").read_text())["records"]}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_rendered_set_is_sound(shelf, name, tmp_path, capsys):
    root, about = shelf.original(name), SHIPPED[name]
    assert main(["check", about.format, str(root), "--processes", "1"]) == 0
    assert "3 of 3 images, 3 labelled" in capsys.readouterr().out
    prepare(about.preparation(root), tmp_path / "cache", tmp_path / "scratch", 1)
    assert len(crc_by_name(tmp_path / "cache")) == 3 and refused_files(tmp_path / "cache") == []


@pytest.mark.parametrize(("name", "fault"), [cell for cell in CELLS if cell not in IMPOSSIBLE])
def test_the_fault_is_named_refused_and_left_out_when_accepted(shelf, tmp_path, capsys, name, fault):
    about, root = SHIPPED[name], shelf.copy(name, tmp_path)
    kind, plant = FAULTS[fault]
    prepare(about.preparation(root), tmp_path / "whole", tmp_path / "scratch", 1)
    file = plant(about, root)
    relative = file.relative_to(root).as_posix()

    assert (file, kind) in listed(name, root)
    assert {each for each, _ in listed(name, root)} == {file}
    assert main(["check", about.format, str(root), "--processes", "1"]) == 1
    assert f"{kind}: {file} " in capsys.readouterr().out

    with pytest.raises(Faulty) as caught:
        prepare(about.preparation(root), tmp_path / "cache", tmp_path / "scratch", 1)
    assert str(caught.value).startswith(f"{file} ") and "; " in str(caught.value)
    assert not (tmp_path / "cache").exists()

    if fault == "a list that is no text":
        return  # nothing would be left
    accepted = about.preparation(root, accept=(relative,))
    prepare(accepted, tmp_path / "cache", tmp_path / "scratch", 1)
    assert set(refused_files(tmp_path / "cache")) == {relative}
    whole, kept = crc_by_name(tmp_path / "whole"), crc_by_name(tmp_path / "cache")
    # What is only about the list, or about a second copy, costs no sample.
    costs_none = {Kind.BAD_NAME, Kind.LISTED_TWICE, Kind.TWO_FORMATS}
    assert len(kept) == (3 if kind in costs_none else 2)
    if kind is not Kind.TWO_FORMATS:
        assert kept.items() <= whole.items()
    assert main(["check", about.format, str(root), "--accept", relative, "--processes", "1"]) == 0


@pytest.mark.parametrize(
    ("name", "fault"), IMPOSSIBLE, ids=[f"{'-'.join(cell)}: {why}" for cell, why in IMPOSSIBLE.items()]
)
def test_a_cell_that_cannot_be_has_its_reason(shelf, tmp_path, name, fault):
    about, root, why = SHIPPED[name], shelf.copy(name, tmp_path), IMPOSSIBLE[name, fault]
    if why.startswith("no list"):
        assert about.list is None and not list(root.rglob("*.txt")) and not list(root.rglob("*.mat"))
    elif why.startswith("no names"):
        assert scipy.io.loadmat(root / about.place)["trainIds"].dtype.kind == "u"
    elif why.startswith("no room"):
        assert np.array(Image.open(about.label(root))).dtype == np.uint8
    else:
        image = about.image(root)
        other = ".png" if image.suffix == ".jpg" else ".jpg"
        shutil.copy(image, image.with_suffix(other))
        assert listed(name, root) == []


def test_every_cell_is_in_the_table_once():
    assert set(IMPOSSIBLE) <= set(CELLS) and len(CELLS) == len(SHIPPED) * len(FAULTS)


# --- all at once ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_all_faults_are_told_at_once(shelf, tmp_path, name):
    about, root = SHIPPED[name], shelf.copy(name, tmp_path)
    image, label, third = about.image(root, 0), about.label(root, 1), about.label(root, 2)
    cut(about.image(root, 2), 0.5)
    cut(about.image(root, 1), 0)
    lose(image), lose(label)
    colours_file = save(third, Image.new("RGB", SIZE, (128, 64, 128)))
    expected = {image: Kind.MISSING_IMAGE, about.label(root, 1): Kind.COLOURS, label: Kind.MISSING_LABEL}
    found = listed(name, root)
    assert len(found) == 5
    assert (image, expected[image]) in found and (label, Kind.MISSING_LABEL) in found
    assert (colours_file, Kind.COLOURS) in found
    assert sorted(kind for _, kind in found)[:2] == [Kind.COLOURS, Kind.DAMAGED]
    with pytest.raises(Faulty) as caught:
        prepare(about.preparation(root), tmp_path / "cache", tmp_path / "scratch", 1)
    # Those that names and sizes show are told before any picture is read.
    assert {fault.kind for fault in caught.value.faults} == {Kind.MISSING_IMAGE, Kind.MISSING_LABEL, Kind.EMPTY_FILE}
    assert len(caught.value.faults) == 3 and "is drawn by segadapt itself" in str(caught.value)


def test_all_faulty_pictures_are_told_after_one_pass(shelf, tmp_path):
    about, root = SHIPPED["gta5"], shelf.copy("gta5", tmp_path)
    files = [cut(about.image(root, 0), 0.5), cut(about.label(root, 0), 0.5), cut(about.label(root, 2), 0.5)]
    with pytest.raises(Faulty) as caught:
        prepare(about.preparation(root), tmp_path / "cache", tmp_path / "scratch", 1)
    assert [fault.file for fault in caught.value.faults] == files

"""Office-31's layout with every fault, planted one at a time: ``check`` names it and ``prepare`` refuses it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from toy_objects import SIZE, objects, write_objects
from toy_sets import packed, refusal

from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.data.datasets import dataset_module, office31
from segadapt.data.shipped.checking import check_dataset
from segadapt.data.shipped.faults import Faulty, Kind, MissingSplit
from segadapt.data.shipped.splits import split_names
from segadapt.labels import CITYSCAPES19, DIGITS10, OFFICE31

THIRD = "ink/images/three/frame_0001.png"


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return write_objects(tmp_path_factory.mktemp("objects") / "set", {"ink": 3, "neon": 2})


@pytest.fixture
def root(original, tmp_path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "set"))


def lines_of(capsys) -> dict[str, str]:
    """What ``check`` printed, first word of a line to the rest."""
    found = [line.split(None, 1) for line in capsys.readouterr().out.splitlines() if line.strip()]
    return {first: rest[0] if rest else "" for first, *rest in found}


# --- what is sound --------------------------------------------------------------------------------


def test_check_counts_the_images_of_each_class_in_each_domain(root, capsys):
    (root / "neon/images/seven/frame_0001.png").unlink()
    (root / "neon/images/seven/._frame_0001.png").write_bytes(b"what some systems leave beside a file")
    assert main(["check", "office31", str(root), "--processes", "1"]) == 0
    output = capsys.readouterr().out
    ink, neon = output.split("neon")
    assert "30 images, 30 labelled" in ink and "19 images, 19 labelled" in neon
    assert (
        "zero 3, one 3, two 3, three 3, four 3, five 3, six 3, seven 3\n" in ink and "eight 3, nine 3 (images)" in ink
    )
    assert "six 2, seven 1\n" in neon and "eight 2, nine 2 (images)" in neon
    assert "sound: no fault" in output and "not there" not in output and "note" not in output


def test_domains_that_share_an_image_are_told(root, capsys):
    shutil.copy(root / THIRD, root / "neon/images/three/copy.png")
    assert main(["check", "office31", str(root), "--processes", "1"]) == 0
    assert (
        "images in ink too, under another name: 1 (neon/three/copy = ink/three/frame_0001)" in capsys.readouterr().out
    )


def test_office_31_itself_is_counted_against_its_authors_numbers(tmp_path, capsys):
    root = write_objects(tmp_path / "office", {"amazon": 1, "webcam": 1}, OFFICE31.classes)
    assert office31.split_names(root) == split_names("office31", root) == ["amazon", "dslr", "webcam"]
    assert main(["check", "office31", str(root), "--processes", "1"]) == 1
    output = capsys.readouterr().out
    assert "gives split 'amazon' 31 samples, not 2817" in output and "webcam' 31 samples, not 795" in output
    assert "not there: dslr" in output and "back_pack 1, bike 1" in output and output.count("fault: ") == 0
    accepted = ("--accept", "amazon/images", "webcam/images")
    assert main(["check", "office31", str(root), "--processes", "1", *accepted]) == 0
    assert sum(office31.COUNTS.values()) == 4110
    listing = office31.list_samples(root, "webcam")
    assert [each.class_id for each in listing] == list(range(31)) and listing.count == 31


def test_upper_case_and_jpeg_are_pictures_too(root, tmp_path):
    picture = root / THIRD
    Image.open(picture).save(picture.with_suffix(".JPG"), "JPEG")
    picture.unlink()
    assert len(packed(objects(root, "ink"), tmp_path)) == 30


def test_domains_are_found_where_there_are_none_of_office_31(root, tmp_path):
    assert split_names("office31", root) == ["ink", "neon"]
    assert split_names("office31", tmp_path / "nothing") == ["amazon", "dslr", "webcam"]
    assert office31.class_set_of(root) is DIGITS10 and office31.class_set_of(tmp_path / "nothing") is OFFICE31


# --- refusals -------------------------------------------------------------------------------------


def save(path: Path, picture: Image.Image) -> Path:
    picture.save(path)
    return path


def cut(path: Path, share: float) -> Path:
    os.truncate(path, int(path.stat().st_size * share))
    return path


def write(path: Path, content: bytes = b"no picture") -> Path:
    path.write_bytes(content)
    return path


def without(folder: Path) -> Path:
    shutil.rmtree(folder)
    return folder


def emptied(folder: Path) -> Path:
    for path in folder.iterdir():
        path.unlink()
    return folder


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def one_class(root: Path) -> Path:
    for folder in (root / "ink/images").iterdir():
        if folder.name != "six":
            shutil.rmtree(folder)
    return root / "ink/images"


def no_class(root: Path) -> Path:
    for folder in (root / "ink/images").iterdir():
        shutil.rmtree(folder)
    return root / "ink/images"


def nowhere(root: Path) -> Path:
    shutil.rmtree(root / "neon/images/two")
    return without(root / "ink/images/two")


def other_class(root: Path) -> Path:
    (root / "ink/images/three").rename(root / "ink/images/mug")
    return root / "ink/images/mug"


FAULTS: dict[str, tuple[Kind, Callable[[Path], Path], str]] = {
    "an empty image": (Kind.EMPTY_FILE, lambda root: cut(root / THIRD, 0), "is empty (0 bytes); fetch"),
    "half an image": (Kind.DAMAGED, lambda root: cut(root / THIRD, 0.5), "is damaged or cut short"),
    "an image without its end": (Kind.DAMAGED, lambda root: cut(root / THIRD, 0.999), "cut short"),
    "text that is called an image": (Kind.NO_PICTURE, lambda root: write(root / THIRD), "holds no picture in PNG"),
    "a black image": (Kind.ALL_BLACK, lambda root: save(root / THIRD, Image.new("RGB", SIZE)), "is all black"),
    "an image in two formats": (
        Kind.TWO_FORMATS,
        lambda root: Path(shutil.copy(root / THIRD, (root / THIRD).with_suffix(".jpg"))).with_suffix(".png"),
        "is one too many",
    ),
    "another file": (Kind.NO_PICTURE, lambda root: write(root / "ink/images/three/notes.txt"), "is no picture (.png"),
    "a folder in a class": (Kind.NO_PICTURE, lambda root: made(root / "ink/images/two/old"), "where pictures belong"),
    "a file beside the classes": (Kind.NO_PICTURE, lambda root: write(root / "ink/images/read.me"), "is no picture"),
    "an unknown class": (Kind.UNKNOWN_CLASS, lambda root: made(root / "ink/images/ten"), "no class of digits10"),
    "a class of another set": (Kind.UNKNOWN_CLASS, other_class, "the classes are zero, one"),
    "a class missing here": (
        Kind.MISSING_CLASS, lambda root: without(root / "ink/images/two"), "missing, though domain neon has this class"
    ),
    "a class empty here": (
        Kind.MISSING_CLASS, lambda root: emptied(root / "ink/images/two"), "no image, though domain neon has this class"
    ),
    "a class missing everywhere": (Kind.MISSING_CLASS, nowhere, "is missing, and so it is in every domain"),
    "a single class": (Kind.SINGLE_CLASS, one_class, "a single class (six)"),
    "no class": (Kind.EMPTY_SPLIT, no_class, "holds no image of any class"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_and_refused(root, tmp_path, capsys, fault):
    kind, plant, sentence = FAULTS[fault]
    file = plant(root)
    reports = check_dataset("office31", root)
    assert (file, kind) in [(each.file, each.kind) for report in reports for each in report.faults]
    assert main(["check", "office31", str(root), "--processes", "1"]) == 1
    assert f"{kind}: {file} " in capsys.readouterr().out
    message = refusal(objects(root, "ink"), tmp_path)
    line = next(line for line in message.splitlines() if line.startswith(f"{file} "))
    assert sentence in line and "; " in line


@pytest.mark.parametrize("fault", ["half an image", "another file", "a class missing here", "an unknown class"])
def test_what_is_accepted_is_left_out(root, tmp_path, fault):
    relative = FAULTS[fault][1](root).relative_to(root).as_posix()
    cache = packed(objects(root, "ink", accept=(relative,)), tmp_path)
    lost = {"half an image": 1, "a class missing here": 3}.get(fault, 0)
    assert len(cache) == 30 - lost and [each["file"] for each in cache.manifest["refused"]] == [relative]
    assert main(["check", "office31", str(root), "--processes", "1", "--accept", relative]) == 0


def test_a_missing_domain_says_where_to_get_it(root, tmp_path, capsys):
    message = refusal(objects(root, "pencil"), tmp_path)
    assert (
        f"folder {root / 'pencil/images'} is missing: get Office-31" in message and "presets/<preset>.yaml" in message
    )
    with pytest.raises(MissingSplit):
        check_dataset("office31", root, ["pencil"])
    (root / "pencil").mkdir()  # without ``images`` it is no domain
    assert split_names("office31", root) == ["ink", "neon"]
    assert main(["check", "office31", str(tmp_path / "nowhere")]) == 2


def test_classes_of_another_set_are_refused(root, tmp_path):
    assert "holds the classes of digits10, not office31" in refusal(objects(root, "ink", classes="office31"), tmp_path)
    assert "no labels of cityscapes19" in refusal(objects(root, "ink", classes="cityscapes19"), tmp_path)
    with pytest.raises(UserError, match=r"model\.classes: office31"):
        dataset_module("office31").train_id_table(CITYSCAPES19)


def test_a_fault_of_the_other_domain_is_its_own(root, tmp_path):
    shutil.rmtree(root / "neon/images/two")
    assert len(packed(objects(root, "ink"), tmp_path)) == 30
    with pytest.raises(Faulty, match="though domain ink has this class"):
        office31.list_samples(root, "neon")

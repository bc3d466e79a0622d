"""What a data set in the wrong place, form or ids looks like is said, in few lines, and what lies beside it is not."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image
from toy_sets import camera, game, packed, preparation, refusal, sets  # noqa: F401 - fixtures are used by name

from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.data.datasets import cityscapes_id_table, dataset_module
from segadapt.data.shipped.faults import Fault, Faulty, Kind, capped
from segadapt.data.shipped.hints import are_train_ids, mend_of_ids
from segadapt.data.shipped.rendered import DESCRIPTION_NAME
from segadapt.data.shipped.splits import advice
from segadapt.labels import CITYSCAPES19, CLASS_SETS
from segadapt.plan import make_plan

TRAIN_ID = {tiny.ROAD: 0, tiny.BUILDING: 2, tiny.SKY: 10, tiny.CAR: 13}


def to_train_ids(labels: Path, void: int | None) -> None:
    """Every label file by its train ids; the first row becomes ``void``."""
    for path in labels.rglob("*.png"):
        ids_HW = np.vectorize(TRAIN_ID.get)(np.asarray(Image.open(path))).astype(np.uint8)
        if void is not None:
            ids_HW[0] = void
        Image.fromarray(ids_HW).save(path)


def test_train_ids_with_void_are_told_as_such(game, tmp_path):
    to_train_ids(game / "labels", 255)
    message = refusal(preparation(game), tmp_path)
    assert "holds label ids [255] that this data set does not define; they look like train ids" in message


def test_train_ids_that_are_all_label_ids_too_are_told_by_the_whole_split(camera, tmp_path, capsys):
    to_train_ids(camera / "gtFine", None)
    message = refusal(preparation(camera), tmp_path)
    assert f"'val' of {camera} hold no label ids; they look like train ids" in message and "\n" not in message
    assert main(["check", "cityscapes", str(camera), "--split", "val", "--processes", "1"]) == 1
    assert "train ids for label ids: " in capsys.readouterr().out


def test_label_ids_where_train_ids_belong_are_told_as_such(camera, tmp_path):
    for path in camera.rglob("*_labelIds.png"):
        path.rename(path.with_name(path.name.replace("labelIds", "labelTrainIds")))
    message = refusal(preparation(camera, format="cityscapes_train_ids"), tmp_path)
    assert "they look like label ids; with *_labelIds.png it is format: cityscapes" in message


@pytest.mark.parametrize("name", [name for name, each in CLASS_SETS.items() if each.task == "segmentation"])
def test_a_split_of_label_ids_is_never_taken_for_train_ids(name):
    table = cityscapes_id_table(CLASS_SETS[name])
    ids = np.arange(34)
    pixels = {int(train_id): int((table[ids] == train_id).sum()) for train_id in set(table[ids].tolist())}
    assert not are_train_ids(table, pixels) and not are_train_ids(table, {}) and not are_train_ids(table, {0: 100})
    of_train_ids = {int(each): int((table[np.arange(19)] == each).sum()) for each in set(table[:19].tolist())}
    assert are_train_ids(table, of_train_ids)
    assert mend_of_ids(table, {7, 40}, "as ever") == "as ever"
    camvid = dataset_module("camvid").train_id_table(CLASS_SETS["camvid11"])
    assert not are_train_ids(camvid, {255: 100}) and mend_of_ids(camvid, {0, 255}, "as ever") == "as ever"


# --- where the folders are ------------------------------------------------------------------------


def message_of(format_name: str, root: Path, split: str) -> str:
    with pytest.raises(UserError) as caught:
        dataset_module(format_name).list_samples(root, split)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_folder_too_high_or_too_low_is_told(camera, tmp_path):
    outer = camera.parent
    assert f"but {camera} holds it; name that folder instead of {outer}" in message_of("cityscapes", outer, "val")
    message = message_of("cityscapes", camera / "leftImg8bit", "val")
    assert f"but {camera} holds it; name that folder" in message


def test_archives_unpacked_each_into_its_own_folder_are_told(camera, tmp_path):
    for name in ("leftImg8bit", "gtFine"):
        (camera / f"{name}_trainvaltest").mkdir()
        (camera / name).rename(camera / f"{name}_trainvaltest" / name)
    message = message_of("cityscapes", camera, "val")
    places = [str(camera / f"{name}_trainvaltest" / name) for name in ("leftImg8bit", "gtFine")]
    assert f"it lies elsewhere; move {' and '.join(places)} into {camera}" in message
    shutil.rmtree(camera / "gtFine_trainvaltest")
    assert "is missing: get leftImg8bit_trainvaltest.zip" in message_of("cityscapes", camera, "val")


def test_gta5_without_a_list_says_where_there_is_one(game):
    shutil.rmtree(game / "list")
    message = message_of("gta5", game, "train")
    assert "train.txt is missing, and there is no split.mat; get split.mat with the authors' read-mapping" in message


@pytest.mark.parametrize("line", ["{:05d}.png", "{}.PNG", "{}.jpg", "{:09d}"])
def test_a_list_may_have_endings(game, tmp_path, line):
    want = packed(preparation(game), tmp_path / "want")
    (game / "list/train.txt").write_text("".join(line.format(number) + "\n" for number in range(1, 7)))
    assert packed(preparation(game), tmp_path / "have").manifest == want.manifest


def test_a_root_may_name_the_home_and_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA", "/data sets/ä")

    def root_of(text: str) -> str:
        parameters = tiny.tiny_parameters(("source_only",))
        parameters["presets"]["tiny"]["datasets"]["game"]["root"] = text
        return make_plan(parameters_from(parameters, "p")).by_name["prepare/source_train"].config["root"]

    assert root_of("~/my sets/gta5") == f"{tmp_path}/my sets/gta5"
    assert root_of("$DATA/gta5") == root_of("${DATA}/gta5") == "/data sets/ä/gta5"
    assert root_of("../a$/b") == "../a$/b"
    for text in ("$NOWHERE_AT_ALL/x", "${NOWHERE_AT_ALL}/x", "~nobody_at_all/x"):
        with pytest.raises(
            UserError, match=r"presets/tiny\.yaml: datasets\.game\.root: .*is not set here; write it out"
        ):
            root_of(text)


# --- what lies beside -----------------------------------------------------------------------------


def litter(root: Path) -> None:
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._00001.png"):
            (folder / name).write_bytes(b"\0\5\26\7")
        (folder / "@eaDir/x").mkdir(parents=True)
        (folder / "@eaDir/toytown_000009_000019_leftImg8bit.png").write_bytes(b"")
    for path in [path for path in root.rglob("*.png") if "@eaDir" not in path.parts and not path.name.startswith(".")]:
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\26\7")


@pytest.mark.parametrize("name", ["gta5", "cityscapes"])
def test_litter_changes_nothing(sets, tmp_path, name):
    root = Path(shutil.copytree(sets / name, tmp_path / name))
    want = packed(preparation(root), tmp_path / "want").manifest
    litter(root)
    assert packed(preparation(root), tmp_path / "have").manifest == want


def test_litter_in_folders_of_classes_changes_nothing(tmp_path):
    for domain in ("a", "b"):
        for name in CLASS_SETS["digits10"].classes:
            (tmp_path / "set" / domain / "images" / name).mkdir(parents=True)
            Image.new("L", (8, 8), 9).save(tmp_path / "set" / domain / "images" / name / "1.JPG")
    litter(tmp_path / "set")
    assert main(["check", "office31", str(tmp_path / "set"), "--processes", "1"]) == 0


def test_photographs_are_found_without_litter(tmp_path):
    from segadapt.data.shipped.photographs import find_photographs

    Image.new("L", (8, 8), 9).save(tmp_path / "x.jpg")
    litter(tmp_path)
    assert find_photographs([tmp_path], tmp_path / "out") == [tmp_path / "x.jpg"]


def test_of_many_faults_of_a_kind_the_first_are_shown_and_a_file_has_all(game, tmp_path, capsys):
    lines = [Fault(Path(f"{number}.png"), Kind.MISSING_IMAGE, "is missing", "restore it") for number in range(24966)]
    other = Fault(Path("y.png"), Kind.DAMAGED, "is damaged", "fetch it")
    assert capped([*lines, other])[9:] == [str(lines[9]), "missing image: 24,956 more like these", str(other)]
    assert len(str(Faulty([*lines, other])).splitlines()) == 12 and len(Faulty(lines).faults) == 24966
    (game / "list/train.txt").write_text("".join(f"{number}\n" for number in range(1, 40)))
    command = ["check", "gta5", str(game), "--processes", "1"]
    assert main(command) == 1
    told = capsys.readouterr().out
    assert "missing image: 23 more like these" in told and "(-o FILE writes all of them)" in told
    assert len(told.splitlines()) < 40
    assert main([*command, "-o", str(tmp_path / "all.txt")]) == 1
    assert len((tmp_path / "all.txt").read_text().splitlines()) == 67  # 33 pairs and the count
    assert os.path.getsize(tmp_path / "all.txt") > 5000


def test_cityscapes_ids_by_name_are_what_the_hints_think_they_are():
    assert dict(zip(CITYSCAPES19.classes, CITYSCAPES19.label_ids, strict=True))["sky"] == tiny.SKY


def test_what_segadapt_draws_is_drawn_anew_and_neither_fetched_nor_accepted(tmp_path):
    (tmp_path / "game").mkdir()
    assert "accept" in advice(1, tmp_path / "game", "train")
    (tmp_path / "game" / DESCRIPTION_NAME).write_text("{}")
    assert "delete this folder and run the same command again" in advice(1, tmp_path / "game", "train")

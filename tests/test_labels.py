"""Ids and class views, against the table of the field written out row by row."""

import pytest

from segadapt.core.errors import UserError
from segadapt.data.datasets import FOREIGN, camvid, dataset_module, known_formats
from segadapt.labels import (
    CAMVID11,
    CITYSCAPES19,
    CLASS_SETS,
    DIGITS10,
    IGNORE_INDEX,
    NTHU13,
    OFFICE31,
    SYNTHIA13,
    SYNTHIA16,
)
from segadapt.labels import from_cityscapes as views_of

N = IGNORE_INDEX
# class, train id, Cityscapes id, SYNTHIA id, 16-class id, 13-class id, CamVid's class (SegNet's merge: by hand)
ROWS = [
    ("road", 0, 7, 3, 0, 0, "road"),
    ("sidewalk", 1, 8, 4, 1, 1, "pavement"),
    ("building", 2, 11, 2, 2, 2, "building"),
    ("wall", 3, 12, 21, 3, N, "building"),
    ("fence", 4, 13, 5, 4, N, "fence"),
    ("pole", 5, 17, 7, 5, N, "pole"),
    ("light", 6, 19, 15, 6, 3, "sign"),
    ("sign", 7, 20, 9, 7, 4, "sign"),
    ("veg", 8, 21, 6, 8, 5, "tree"),
    ("terrain", 9, 22, 16, N, N, None),
    ("sky", 10, 23, 1, 9, 6, "sky"),
    ("person", 11, 24, 10, 10, 7, "pedestrian"),
    ("rider", 12, 25, 17, 11, 8, "bicyclist"),
    ("car", 13, 26, 8, 12, 9, "car"),
    ("truck", 14, 27, 18, N, N, "car"),
    ("bus", 15, 28, 19, 13, 10, "car"),
    ("train", 16, 31, 20, N, N, "car"),
    ("motor", 17, 32, 12, 14, 11, "bicyclist"),
    ("bike", 18, 33, 11, 15, 12, "bicyclist"),
]
CAMVID_ID = {"sky": 0, "building": 1, "pole": 2, "road": 3, "pavement": 4, "tree": 5, "sign": 6, "fence": 7, "car": 8}
CAMVID_ID |= {"pedestrian": 9, "bicyclist": 10, None: N}
COLUMN = {"cityscapes19": 1, "synthia16": 4, "synthia13": 5, "nthu13": 5}


def expected(row: tuple, class_set: str) -> int:
    return CAMVID_ID[row[6]] if class_set == "camvid11" else row[COLUMN[class_set]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
@pytest.mark.parametrize("class_set", [*COLUMN, "camvid11"])
def test_a_row_of_the_table(row, class_set):
    name, train_id, label_id, synthia_id, *_ = row
    assert CITYSCAPES19.classes[train_id] == name
    view = expected(row, class_set)
    on_disk = {"cityscapes": label_id, "gta5": label_id, "nthu": label_id, "synthia": synthia_id}
    for format_name, each in (on_disk | {"cityscapes_train_ids": train_id}).items():
        assert dataset_module(format_name).train_id_table(CLASS_SETS[class_set])[each] == view, format_name
    assert views_of(CLASS_SETS[class_set])[train_id] == view
    if view != N and class_set != "camvid11":
        assert CLASS_SETS[class_set].classes[view] == name


@pytest.mark.parametrize(
    ("format_name", "ignored", "first_foreign"),
    [
        ("cityscapes", set(range(35)) - {row[2] for row in ROWS}, 35),
        ("gta5", {0, 1, 4, 34}, 35),
        ("nthu", {0, 34}, 35),
        ("synthia", {0, 13, 14, 22}, 23),
        ("cityscapes_train_ids", {255}, 19),
    ],
)
def test_ids_of_no_class(format_name, ignored, first_foreign):
    table = dataset_module(format_name).train_id_table(CITYSCAPES19)
    assert {each for each in ignored if table[each] != IGNORE_INDEX} == set()
    assert (table[first_foreign:255] == FOREIGN).all()


def test_subsets_are_those_of_the_papers():
    kept16 = [*range(9), 10, 11, 12, 13, 15, 17, 18]
    assert list(SYNTHIA16.positions_in(CITYSCAPES19)) == kept16
    assert list(SYNTHIA13.positions_in(CITYSCAPES19)) == [each for each in kept16 if each not in (3, 4, 5)]
    assert NTHU13.classes == SYNTHIA13.classes and len(SYNTHIA16) == 16 and len(NTHU13) == 13


def test_camvid_serves_its_own_classes_alone():
    assert camvid.train_id_table(CAMVID11)[:12].tolist() == [*range(11), N]
    for name in set(CLASS_SETS) - {"camvid11"}:
        with pytest.raises(UserError, match="camvid11"):
            camvid.train_id_table(CLASS_SETS[name])


def test_counts_are_the_authors():
    counts = {name: dataset_module(name).COUNTS for name in known_formats()}
    assert counts["gta5"] == {"train": 12_403, "val": 6_382, "test": 6_181, "all": 24_966}
    assert counts["gta5"]["all"] == sum(counts["gta5"][split] for split in ("train", "val", "test"))
    assert sum(counts["synthia"].values()) == 9_400 and counts["nthu"] == {"train": 3_200, "test": 100}
    assert counts["cityscapes"] == counts["cityscapes_train_ids"] == {"train": 2_975, "val": 500, "test": 1_525}
    assert counts["camvid"] == {"train": 367, "val": 101, "test": 233}


def test_class_sets_of_objects():
    assert len(OFFICE31) == 31 and list(OFFICE31.classes) == sorted(OFFICE31.classes)
    assert DIGITS10.classes[:3] == ("zero", "one", "two") and DIGITS10.classes[9] == "nine" and len(DIGITS10) == 10
    for each in (OFFICE31, DIGITS10):
        assert each.task == "classification" and CLASS_SETS[each.name] is each
        assert each.train_ids() == {index: index for index in range(len(each))}
        assert len(set(each.palette)) == len(each)
    assert {each.task for each in CLASS_SETS.values()} == {"segmentation", "classification", "map"}


@pytest.mark.parametrize("name", ["cityscapes", "cityscapes_train_ids", "gta5", "nthu", "synthia", "camvid"])
@pytest.mark.parametrize("class_set", [OFFICE31, DIGITS10], ids=lambda each: each.name)
def test_scenes_have_no_labels_of_objects(name, class_set):
    # "bike" is a class of both worlds.
    with pytest.raises(UserError, match=class_set.name):
        dataset_module(name).train_id_table(class_set)

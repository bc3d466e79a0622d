"""NTHU cross-city (Chen et al., ICCV 2017): one city's folder (Rome, Rio, Tokyo or Taipei) as shipped.

``Images/{Train,Test}/pano_*.jpg`` (or ``.png``), ``Labels/Test/pano_*_eval.png`` with Cityscapes label ids, and
``List/{train,test}.txt``, one name without its ending a line. 3,200 images of ``train`` have no labels, 100 of
``test`` have. The lists of both share names; ``segadapt check nthu`` tells whether the files are the same.

Two splits more are of the user's making. ``later`` are the places of ``train`` at another time, in its order:
``List/later.txt`` has two names of ``Images/Train`` a line, either the other's partner. ``static`` has
``Static/Train/pano_*_static.png`` as labels of ``train``, 100 where something stands still and 0 elsewhere.
"""

from pathlib import Path

import numpy as np

from segadapt.core.errors import UserError
from segadapt.data.datasets import SampleFiles, cityscapes_id_table, lookup_table
from segadapt.data.shipped.faults import Fault, Kind, MissingSplit
from segadapt.data.shipped.listing import (
    Listing,
    bad_entries,
    pairs,
    plain_name,
    read_list,
    require_folders,
    whole,
    without_end,
)
from segadapt.data.shipped.pictures import opened
from segadapt.labels import STATIC2, ClassSet

HOW_TO_GET = (
    "get the NTHU data set from its authors (yihsinchen.github.io/segmentation_adaptation_dataset) and name one city's "
    "folder, with Images/Train, Images/Test, Labels/Test and List/{train,test}.txt in it, as "
    "datasets.<name>.root in presets/<preset>.yaml"
)
COUNTS = {"train": 3200, "test": 100}
NATIVE_SIZE = (2048, 1024)
CITIES = ("Rome", "Rio", "Tokyo", "Taipei")
LATER, STATIC = "later", "static"


def train_id_table(class_set: ClassSet) -> np.ndarray:
    """Of ``static`` the two values of the maps."""
    return lookup_table(STATIC2.train_ids()) if class_set is STATIC2 else cityscapes_id_table(class_set)


def split_names(root: Path) -> list[str]:
    """Those that ``segadapt check`` reads with the table of street scenes."""
    return [*COUNTS, LATER]


def parts(root: Path) -> list[Path]:
    """The cities' folders in ``root``, or ``root`` if it is itself one."""
    cities = [root / name for name in CITIES if (root / name).is_dir()]
    return cities if cities and not (root / "Images").is_dir() else [root]


def list_samples(root: Path, split: str) -> Listing:
    """The images of ``List/{split}.txt`` in its order."""
    if split not in (*COUNTS, LATER, STATIC):
        raise MissingSplit(f"NTHU has no split '{split}'; it has train, test, later and static")
    if split == LATER:
        return _partners(root)
    listed = "test" if split == "test" else "train"
    place, folder = root / "List" / f"{listed}.txt", listed.capitalize()
    names, faults = read_list(place, HOW_TO_GET, lambda line: plain_name(without_end(line)), "plain name")
    images = require_folders(root, [f"Images/{folder}"], HOW_TO_GET)[0]
    samples = pairs(images, None, names, ends=(".jpg", ".png"))
    if split == "test":
        labels = require_folders(root, ["Labels/Test"], HOW_TO_GET)[0]
        samples = [SampleFiles(each.name, each.image, labels / f"{each.name}_eval.png") for each in samples]
    if split == STATIC:
        maps = require_folders(root, ["Static/Train"], HOW_TO_GET)[0]
        samples = [SampleFiles(each.name, each.image, maps / f"{each.name}_static.png") for each in samples]
    return whole(samples, place, faults, bad_entries(faults))


def _partners(root: Path) -> Listing:
    """For each image of ``train`` that of the same place, by the former's name."""
    place = root / "List/later.txt"
    names, faults = read_list(place, HOW_TO_GET, _pair, "pair of plain names")
    partner = {}
    for first, second in (each.split() for each in names):
        partner |= {first: second, second: first}
    train = list_samples(root, "train")
    for each in train:
        if each.name not in partner:
            what = f"names no partner of {each.name}, which train.txt lists"
            faults.append(Fault(place, Kind.BAD_LIST, what, "add a line with both, or take it out of train.txt"))
    images = require_folders(root, ["Images/Train"], HOW_TO_GET)[0]
    known = [each for each in train if each.name in partner]
    others = pairs(images, None, [partner[each.name] for each in known], ends=(".jpg", ".png"))
    for each, other in zip(known, others, strict=True):
        sizes = [_size(path) for path in (each.image, other.image)]
        if None not in sizes and sizes[0] != sizes[1]:
            (width, height), its = sizes[1], "{}x{}".format(*sizes[0])
            what = f"is {width}x{height} but its partner {each.image.name} is {its}"
            faults.append(Fault(other.image, Kind.SIZES_DIFFER, what, "restore the pair from the data set"))
    samples = [SampleFiles(each.name, other.image, None) for each, other in zip(known, others, strict=True)]
    return whole(samples, place, faults, bad_entries(faults))


def _pair(line: str) -> str | None:
    names = [plain_name(without_end(each)) for each in line.split()]
    return " ".join(names) if len(names) == 2 and all(names) and names[0] != names[1] else None


def _size(path: Path) -> tuple[int, int] | None:
    """By the file's head alone; None where that cannot be read, which is told of elsewhere."""
    try:
        with opened(path) as picture:
            return picture.size
    except UserError:
        return None

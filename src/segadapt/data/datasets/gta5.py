"""GTA5 ("Playing for Data", Richter et al., ECCV 2016) as shipped.

Images ``images/00001.png`` and palette label files ``labels/00001.png`` whose *index* is the Cityscapes label id (34,
the licence plate, is ignored). A split is ``list/{split}.txt`` with one image number a line, as in the released
code's ``datasets/gta5_list``, or else the official one: ``split.mat`` with the variables trainIds, valIds and testIds,
which the authors ship with their read-mapping code. Split ``all`` needs neither: every image there is, as AdaptSegNet,
ADVENT and CBST train on. About fifteen images of the training split are all black, some downloads lack 25 images, and
some images are not of the usual size.
"""

import os
import re
from pathlib import Path

from segadapt.data.datasets import cityscapes_id_table
from segadapt.data.shipped.faults import Fault, Faulty, Kind, MissingSplit
from segadapt.data.shipped.listing import Listing, bad_entries, padded, pairs, read_list, require_folders, whole
from segadapt.data.shipped.matlab import read_vector

HOW_TO_GET = (
    "get GTA5 from the authors' page (download.visinf.tu-darmstadt.de/data/from_games) and unpack it so that "
    "images/00001.png, labels/00001.png and split.mat or list/train.txt (one image number a line) lie in it, "
    "or point datasets.<name>.root in presets/<preset>.yaml at your copy"
)
COUNTS = {"train": 12403, "val": 6382, "test": 6181, "all": 24966}
NATIVE_SIZE = (1914, 1052)

train_id_table = cityscapes_id_table
_NUMBER = re.compile("[0-9]{5}")


def split_names(root: Path) -> list[str]:
    """The splits that have no image in common; ``all`` is what they are together."""
    return [name for name in COUNTS if name != "all"]


def list_samples(root: Path, split: str) -> Listing:
    """The images of the split in the list's order; a bad line and a file that is not there are faults."""
    images, labels = require_folders(root, ["images", "labels"], HOW_TO_GET)
    place = root / "list" / f"{split}.txt"
    official = next((path for path in (root / "split.mat", root / "read_mapping/split.mat") if path.is_file()), None)
    if os.path.exists(place):
        names, faults = read_list(place, HOW_TO_GET, padded(5), "image number")
    elif split == "all":
        place = images
        names, faults = sorted(path.stem for path in images.glob("[0-9]*.png") if _NUMBER.fullmatch(path.stem)), []
    elif official is None:
        raise MissingSplit(
            f"split list {place} is missing, and there is no split.mat; get split.mat with the authors' read-mapping "
            f"code, which is another download, or write list/{split}.txt, one image number a line"
        )
    else:
        place = official
        names, faults = _official(place, split)
    return whole(pairs(images, labels, names), place, faults, bad_entries(faults))


def _official(path: Path, split: str) -> tuple[list[str], list[Fault]]:
    variable = f"{split}Ids"
    try:
        numbers = read_vector(path, variable)
    except Faulty as error:
        return [], list(error.faults)
    if numbers is None:
        raise MissingSplit(f"{path} has no split '{split}'; it knows train, val and test")
    if not numbers:
        return [], [Fault(path, Kind.BAD_LIST, f"has no number in {variable}", AGAIN)]
    names = [f"{number:05d}" for number in sorted(numbers)]
    fault = "lists an image twice", AGAIN
    return list(dict.fromkeys(names)), [Fault(path, Kind.LISTED_TWICE, *fault)] * (len(set(names)) < len(names))


AGAIN = "fetch this file again, or write list/<split>.txt"

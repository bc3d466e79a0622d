"""SYNTHIA-RAND-CITYSCAPES (Ros et al., CVPR 2016) as shipped.

``RGB/0000000.png`` with ``GT/LABELS/0000000.png``, 1280x760: 16-bit RGB, the class (0 to 22) in red, an instance
number in green. There is no official split; as in the released code's ``datasets/synthia_list``, numbers 0 to 8999 are
``train`` and 9000 to 9399 ``val``, unless ``list/{split}.txt`` (one image number a line) says otherwise.
"""

import os
from pathlib import Path

import numpy as np

from segadapt.data.datasets import named_id_table
from segadapt.data.shipped.faults import Fault, Kind, MissingSplit
from segadapt.data.shipped.listing import (
    Listing,
    bad_entries,
    padded,
    pairs,
    read_list,
    require_folders,
    visible,
    whole,
)
from segadapt.labels import SYNTHIA_IGNORED_IDS, SYNTHIA_LABEL_IDS, ClassSet

HOW_TO_GET = (
    "get SYNTHIA-RAND-CITYSCAPES at synthia-dataset.net and unpack it so that RGB/0000000.png and "
    "GT/LABELS/0000000.png lie in it, or point datasets.<name>.root in presets/<preset>.yaml at your copy"
)
COUNTS = {"train": 9000, "val": 400}
NATIVE_SIZE = (1280, 760)
_padded = padded(7)
NUMBERS = {"train": range(9000), "val": range(9000, 9400)}


def train_id_table(class_set: ClassSet) -> np.ndarray:
    """SYNTHIA's ids to the train ids of ``class_set``, by the classes' names."""
    return named_id_table(SYNTHIA_LABEL_IDS, SYNTHIA_IGNORED_IDS, class_set)


def list_samples(root: Path, split: str) -> Listing:
    """The pairs of the split, sorted by number or in the list's order."""
    images, labels = require_folders(root, ["RGB", "GT/LABELS"], HOW_TO_GET)
    place = root / "list" / f"{split}.txt"
    if os.path.exists(place):
        names, faults = read_list(place, HOW_TO_GET, _padded, "image number")
    elif split not in NUMBERS:
        raise MissingSplit(f"split list {place} is missing; SYNTHIA's own splits are train and val")
    else:
        place, found = images, {path.stem for folder in (images, labels) for path in visible(folder, "*.png")}
        names = sorted(name for name in found if _padded(name) == name and int(name) in NUMBERS[split])
        nothing = Fault(images, Kind.EMPTY_SPLIT, f"holds no image of split '{split}'", HOW_TO_GET)
        faults = [] if names else [nothing]
        if not names and found:
            raise MissingSplit(f"{images} holds no image of split '{split}': {HOW_TO_GET}")
    return whole(pairs(images, labels, names, "red16"), place, faults, bad_entries(faults))

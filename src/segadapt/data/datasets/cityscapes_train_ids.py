"""Cityscapes with ``*_gtFine_labelTrainIds.png``, which the data set's own scripts make: 0 to 18, and 255 for void.

A format of its own, and no detection: a folder may hold both kinds, and the same pixel value means another class.
"""

from pathlib import Path

import numpy as np

from segadapt.data.datasets import cityscapes, named_id_table
from segadapt.data.shipped.listing import Listing
from segadapt.labels import CITYSCAPES19, ClassSet

HOW_TO_GET = f"{cityscapes.HOW_TO_GET}; createTrainIdLabelImgs.py of cityscapesScripts makes the *_labelTrainIds.png"
COUNTS, NATIVE_SIZE = cityscapes.COUNTS, cityscapes.NATIVE_SIZE
LABEL_END = "_gtFine_labelTrainIds.png"


def train_id_table(class_set: ClassSet) -> np.ndarray:
    """Train ids of Cityscapes to those of ``class_set``."""
    return named_id_table({name: index for index, name in enumerate(CITYSCAPES19.classes)}, (255,), class_set)


def list_samples(root: Path, split: str) -> Listing:
    """As ``cityscapes.list_samples``."""
    return cityscapes.list_with(root, split, LABEL_END)

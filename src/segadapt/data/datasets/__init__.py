"""One file a data set: where its files lie, and which ids its label files hold.

A data set module defines

``HOW_TO_GET``
    one sentence: where the data set is requested and how to lay it out,
``list_samples(root, split)``
    the split's files as ``SampleFiles``, in a fixed order; UserError for anything amiss,
``train_id_table(class_set)``
    a 256-entry uint8 table from on-disk id to train id, ``FOREIGN`` for ids that must not occur.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from segadapt.core.errors import UserError
from segadapt.labels import CAMVID11, ClassSet, camvid_train_ids

FOREIGN = 254
"""Table entry of an on-disk id that the data set does not define."""


@dataclass(frozen=True)
class SampleFiles:
    """One image and, if the split is labelled, its label file."""

    name: str
    image: Path
    label: Path | None


def dataset_module(format_name: str) -> ModuleType:
    """The module ``segadapt.data.datasets.<format_name>``; UserError if there is none."""
    try:
        return importlib.import_module(f"segadapt.data.datasets.{format_name}")
    except ModuleNotFoundError as error:
        known = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
        raise UserError(f"data set format '{format_name}' is not known; known are {', '.join(known)}") from error


def lookup_table(train_ids: dict[int, int]) -> np.ndarray:
    """A 256-entry uint8 table; every id that is not in ``train_ids`` becomes ``FOREIGN``."""
    table = np.full(256, FOREIGN, np.uint8)
    for label_id, train_id in train_ids.items():
        table[label_id] = train_id
    return table


def cityscapes_id_table(class_set: ClassSet) -> np.ndarray:
    """The table for files that hold Cityscapes label ids, as Cityscapes, GTA5 and NTHU do."""
    return lookup_table(camvid_train_ids() if class_set is CAMVID11 else class_set.train_ids())


def require_folder(root: Path, folder: str, how_to_get: str) -> Path:
    """``root/folder``, or the one sentence that tells a new user what to do."""
    path = root / folder
    if not path.is_dir():
        raise UserError(f"folder {path} is missing: {how_to_get}")
    return path

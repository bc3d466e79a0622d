"""One file a data set: where its files lie, and which ids its label files hold.

A data set module defines

``HOW_TO_GET``
    one sentence: where the data set is requested and how to lay it out,
``COUNTS``
    how many samples each split has as its authors ship it, for example ``{"train": 2975, "val": 500}``,
``list_samples(root, split)``
    the split's files as ``SampleFiles``, in a fixed order. With the helpers of ``segadapt.data.shipped.listing`` it
    raises ``MissingSplit`` if nothing of the split is there, and ``Faulty``, which carries all faults, for anything
    amiss,
``train_id_table(class_set)``
    a 256-entry uint8 table from on-disk id to train id, ``FOREIGN`` for ids that must not occur; UserError for a
    class set that the data set cannot serve.

It may define ``NATIVE_SIZE``, the (width, height) that its files should have, ``parts(root)``, the data sets that
lie in a folder of several, ``split_names(root)``, the splits where they are not those of ``COUNTS`` alone, and
``class_set_of(root)``, the one class set of its labels where that depends on the folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from segadapt.core.chosen import Chosen
from segadapt.core.errors import UserError
from segadapt.labels import BUILT_IN, CITYSCAPES19, IGNORE_INDEX, ClassSet, from_cityscapes

FORMAT = Chosen("format", "segadapt.data.datasets.{}")
FOREIGN = 254
"""Table entry of an on-disk id that the data set does not define."""


@dataclass(frozen=True)
class SampleFiles:
    """One image and, if the split is labelled, its label: a file, or in classification ``class_id`` alone.

    ``read_ids`` names how ids stand in the label file: see ``segadapt.data.shipped.label_files``. ``read_image`` is
    ``file`` or, if ``image`` names a row of an array, ``row``: see ``segadapt.data.shipped.image_files``.
    """

    name: str
    image: Path
    label: Path | None
    read_ids: str = "index"
    read_image: str = "file"
    class_id: int | None = None

    @property
    def is_labelled(self) -> bool:
        """Whether there is a label, of pixels or of the whole image."""
        return self.label is not None or self.class_id is not None


def known_formats() -> list[str]:
    """The names of all data set modules."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def dataset_module(format_name: str) -> ModuleType:
    """The module ``segadapt.data.datasets.<format_name>``; UserError if there is none."""
    if format_name not in known_formats():
        raise UserError(f"data set format '{format_name}' is not known; known are {', '.join(known_formats())}")
    return FORMAT.load(format_name)


def label_table(format_name: str, root: Path, class_set: ClassSet) -> np.ndarray:
    """The data set's ``train_id_table``; UserError for a class set that the data in ``root`` cannot serve."""
    module = dataset_module(format_name)
    table = module.train_id_table(class_set)
    found = module.class_set_of(root) if hasattr(module, "class_set_of") else class_set
    if found is not class_set:
        raise UserError(f"{root} holds the classes of {found.name}, not {class_set.name}; set classes: {found.name}")
    return table


def lookup_table(train_ids: dict[int, int]) -> np.ndarray:
    """A 256-entry uint8 table; every id that is not in ``train_ids`` becomes ``FOREIGN``."""
    table = np.full(256, FOREIGN, np.uint8)
    for label_id, train_id in train_ids.items():
        table[label_id] = train_id
    return table


def named_id_table(
    label_ids: Mapping[str, int | Sequence[int]], ignored_ids: Sequence[int], class_set: ClassSet
) -> np.ndarray:
    """The table for files whose ids, one or several a class, are those of classes by name.

    A name is Cityscapes' or the class set's own; what ``class_set`` lacks is ignored. UserError for a class set of
    whole images, and for one that has none of the classes.
    """
    if class_set.task == "classification":
        raise UserError(
            f"street scenes have no labels of {class_set.name}; choose classes of scenes: cityscapes19, ..."
        )
    views = dict(zip(CITYSCAPES19.classes, from_cityscapes(class_set), strict=True))
    views |= {name: train_id for train_id, name in enumerate(class_set.classes) if class_set.name != "camvid11"}
    train_ids = dict.fromkeys(ignored_ids, IGNORE_INDEX)
    for name, ids in label_ids.items():
        train_ids |= dict.fromkeys([ids] if isinstance(ids, int) else ids, views.get(name, IGNORE_INDEX))
    if set(train_ids.values()) == {IGNORE_INDEX}:
        raise UserError(f"none of {', '.join(label_ids)} is a class of {class_set.name}; choose other classes")
    return lookup_table(train_ids)


def own_id_table(class_set: ClassSet) -> np.ndarray:
    """The table for files that hold the ids of the class set itself, as ``class_sets`` in params.yaml gives them.

    UserError for a built-in set, whose ids are those of its own data sets.
    """
    if class_set.name in BUILT_IN:
        raise UserError(
            f"label files of this data set hold ids of its own, not those of {class_set.name}; define its classes "
            "under class_sets in params.yaml and name that set as classes"
        )
    return lookup_table(class_set.train_ids())


def cityscapes_id_table(class_set: ClassSet) -> np.ndarray:
    """The table for files that hold Cityscapes label ids, as Cityscapes, GTA5 and NTHU do."""
    label_ids = dict(zip(CITYSCAPES19.classes, CITYSCAPES19.label_ids, strict=True))
    return named_id_table(label_ids, CITYSCAPES19.ignored_ids, class_set)

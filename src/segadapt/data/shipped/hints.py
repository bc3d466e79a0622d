"""What wrong ids in label files look like: Cityscapes' train ids where label ids belong, and the other way round.

Label ids are 0 to 33 (road 7, sky 23), train ids 0 to 18 (road 0, sky 10) and 255 for void.
"""

from collections.abc import Collection, Mapping

import numpy as np

from segadapt.data.datasets import FOREIGN
from segadapt.labels import IGNORE_INDEX

_TRAIN_IDS = {*range(19), 255}
TRAIN_IDS = "they look like train ids, which some program made of the label ids"
_MEND = (
    "use the label files that the data set came with; for Cityscapes' own *_labelTrainIds.png there is "
    "format: cityscapes_train_ids"
)
MEND_TRAIN_IDS = f"{TRAIN_IDS}; {_MEND}"


def mend_of_ids(table: np.ndarray, found: Collection[int], otherwise: str) -> str:
    """What to do about a label file that holds ``found``, among them ids that ``table`` calls foreign."""
    foreign = {each for each in found if table[each] == FOREIGN}
    if foreign == {255} and set(found) <= _TRAIN_IDS and _wants_label_ids(table):
        return MEND_TRAIN_IDS
    if table[255] == IGNORE_INDEX and foreign <= set(range(19, 35)):
        return "they look like label ids; with *_labelIds.png it is format: cityscapes"
    return otherwise


def are_train_ids(table: np.ndarray, pixels: Mapping[int, int]) -> bool:
    """Whether a whole split, counted by train id, tells that its files hold train ids and not label ids.

    Both have ids below 19, so that no single file shows it; but then no pixel belongs to any of the classes above 18,
    sky and cars among them, and most belong to none at all.
    """
    if not _wants_label_ids(table):
        return False
    low, high = _classes(table)
    total, ignored = sum(pixels.values()), pixels.get(IGNORE_INDEX, 0)
    return 2 * ignored > total and not any(pixels.get(each) for each in high - low)


def _wants_label_ids(table: np.ndarray) -> bool:
    low, high = _classes(table)
    return table[0] == IGNORE_INDEX and table[255] == FOREIGN and len(high - low) > len(low)


def _classes(table: np.ndarray) -> tuple[set[int], set[int]]:
    """The classes of ids 0 to 18, and those of higher ones."""
    none = {FOREIGN, IGNORE_INDEX}
    return set(table[:19].tolist()) - none, set(table[19:].tolist()) - none

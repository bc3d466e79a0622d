"""Data sets as shipped, rendered in small, and what a test must know of each to damage it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from segadapt.data.packed.prepare import Preparation
from segadapt.data.streets import render_dataset
from segadapt.data.streets.layouts import png16

SIZE, SMALL = (48, 32), (24, 16)
COUNT = 3


@dataclass(frozen=True)
class Shipped:
    """One adapter in one of its folder layouts: globs of a labelled split, ids that are foreign and that are ignored.

    ``place`` is what gives the split its count; ``list`` the text file of its names, if there is one.
    """

    format: str
    split: str
    images: str
    labels: str
    place: str
    foreign: int
    ignored: int
    list: str | None = None
    classes: str = "cityscapes19"
    change: Callable[[Path], None] | None = None

    def image(self, root: Path, index: int = 1) -> Path:
        return sorted(root.glob(self.images))[index]

    def label(self, root: Path, index: int = 1) -> Path:
        return sorted(root.glob(self.labels))[index]

    def preparation(self, root: Path, **changes) -> Preparation:
        what = Preparation(self.format, root, self.split, SMALL, self.classes, True, True, count=COUNT)
        return replace(what, **changes)

    def write_ids(self, path: Path, ids_HW: np.ndarray) -> None:
        """Replaces a label file by one with these ids, as the data set stores them."""
        if self.format == "synthia":
            image_HWC = np.zeros((*ids_HW.shape, 3), np.uint16)
            image_HWC[..., 0], image_HWC[..., 1] = ids_HW, 515
            path.write_bytes(png16(image_HWC))
        else:
            Image.fromarray(ids_HW.astype(np.uint8)).save(path)


def _official_split(root: Path) -> None:
    numbers = [[int(line)] for line in (root / "list/train.txt").read_text().split()]
    shutil.rmtree(root / "list")
    scipy.io.savemat(root / "split.mat", {"trainIds": np.array(numbers, np.uint16)})


def _split_list(root: Path) -> None:
    (root / "list").mkdir()
    (root / "list/train.txt").write_text("0\n1\n2\n")


def _two_folders(root: Path) -> None:
    for kind, end in (("images", ""), ("labels", "annot")):
        (root / kind).mkdir()
        (root / f"train{end}").rename(root / kind / "train")


_CITY = ("leftImg8bit/train/*/*.png", "gtFine/train/*/*.png", "leftImg8bit/train")
_GTA5 = Shipped("gta5", "train", "images/*.png", "labels/*.png", "list/train.txt", 99, 0, "list/train.txt")
_SYNTHIA = Shipped("synthia", "train", "RGB/*.png", "GT/LABELS/*.png", "RGB", 23, 0)
_CAMVID = Shipped("camvid", "train", "train/*.png", "trainannot/*.png", "train", 12, 11, classes="camvid11")

SHIPPED = {
    "gta5": _GTA5,
    "gta5 by split.mat": replace(_GTA5, place="split.mat", list=None, change=_official_split),
    "synthia": _SYNTHIA,
    "synthia by list": replace(_SYNTHIA, place="list/train.txt", list="list/train.txt", change=_split_list),
    "cityscapes": Shipped("cityscapes", "train", *_CITY, 35, 4),
    "cityscapes_train_ids": Shipped("cityscapes_train_ids", "train", *_CITY, 19, 255),
    "nthu": Shipped("nthu", "test", "Images/Test/*.jpg", "Labels/Test/*.png", "List/test.txt", 99, 0, "List/test.txt"),
    "camvid": _CAMVID,
    "camvid in two folders": replace(
        _CAMVID, images="images/train/*", labels="labels/train/*", place="images/train", change=_two_folders
    ),
}


class Shelf:
    """Renders each data set when it is first asked for, and hands out copies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def original(self, name: str) -> Path:
        """The data set's folder, not to be written to."""
        about, root = SHIPPED[name], self.folder / name.replace(" ", "_")
        if not root.exists():
            rendered = self.folder / f"rendered_{about.format}"
            if not rendered.exists():
                render_dataset(
                    rendered, domain="game", layout=about.format, splits={about.split: COUNT}, size=SIZE, seed=5,
                    processes=1,
                )  # fmt: skip
            shutil.copytree(rendered, root)
            if about.change:
                about.change(root)
        return root

    def copy(self, name: str, folder: Path) -> Path:
        """A copy of the test's own."""
        return Path(shutil.copytree(self.original(name), folder / "data set"))


def refused_files(folder: Path) -> list[str]:
    """The files that a cache's manifest says were left out."""
    return [each["file"] for each in json.loads((folder / "manifest.json").read_text())["refused"]]

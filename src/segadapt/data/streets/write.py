"""Writing rendered pictures in the authors' on-disk formats, whole or not at all."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segadapt.core.artifacts import write_bytes, write_failure
from segadapt.data.shipped.faults import Faulty
from segadapt.data.shipped.pictures import open_picture
from segadapt.data.streets.layouts import LAYOUTS, SAME_PLACES, SCENES_PER_SPLIT, SPLIT_NUMBER, encode_image


@dataclass(frozen=True)
class Place:
    """Where one scene goes; ``label`` is None in a split that its authors ship without."""

    scene: int
    image: Path
    label: Path | None
    moment: int = 0

    @property
    def files(self) -> list[Path]:
        return [path for path in (self.label, self.image) if path is not None]

    def is_finished(self) -> bool:
        """True if every file stands under its final name, and is whole: a disk may not have kept what was written."""
        return all(path.is_file() and _is_whole(path) for path in self.files)


def _is_whole(path: Path) -> bool:
    try:
        open_picture(path)
    except Faulty:
        return False
    return True


def place_of(root: Path, layout: str, split: str, position: int) -> Place:
    """The place of picture ``position`` (from 0) of ``split``."""
    scene = SPLIT_NUMBER[SAME_PLACES.get(split, split)] * SCENES_PER_SPLIT + position
    return Place(scene, *LAYOUTS[layout].place(root, split, position), moment=int(split in SAME_PLACES))


def write_scene(place: Place, layout: str, image_HWC: np.ndarray, label_HW: np.ndarray) -> None:
    """Writes the label (Cityscapes ids, uint8), then the image: an image that exists has its label."""
    if place.label is not None:
        write_bytes(place.label, LAYOUTS[layout].label(label_HW))
    write_bytes(place.image, encode_image(place.image, image_HWC))


def write_lists(root: Path, layout: str, splits: dict[str, int]) -> None:
    """The list of each split, one image a line, in the layouts that have lists; lists of other splits are removed."""
    about = LAYOUTS[layout]
    for split in about.splits if about.list_file else ():
        if split not in splits:
            (root / about.list_file.format(split)).unlink(missing_ok=True)
            continue
        sources = [SAME_PLACES[split], split] if split in SAME_PLACES else [split]
        images = [[about.place(root, each, position)[0] for each in sources] for position in range(splits[split])]
        lines = "".join(" ".join(map(about.line, each)) + "\n" for each in images)
        write_bytes(root / about.list_file.format(split), lines.encode())


def folders_of(root: Path) -> list[Path]:
    """The folders that hold pictures or labels in any of the layouts."""
    return [root / name for name in dict.fromkeys(name for layout in LAYOUTS.values() for name in layout.folders)]


def remove_others(root: Path, keep: Iterable[Path]) -> None:
    """Removes every picture and label in a folder of ours but ``keep``, and what killed workers left half-written."""
    kept = set(keep)
    try:
        for folder in folders_of(root):
            for path in [each for pattern in ("*.png", "*.jpg", ".*.tmp") for each in folder.rglob(pattern)]:
                if path not in kept:
                    path.unlink()
    except OSError as error:
        raise write_failure(root, error) from error

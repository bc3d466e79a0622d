"""The authors' on-disk formats: where a picture and its label go, and writing them whole or not at all."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from segadapt.core.artifacts import write_bytes, write_failure
from segadapt.labels import CITYSCAPES19

LAYOUTS = ("gta5", "cityscapes")
SPLIT_NUMBER = {"train": 0, "val": 1, "test": 2}
SCENES_PER_SPLIT = 30_000
"""Scene numbers of a split start at its number times this, so that splits never share a scene."""
_PNG_EFFORT = 1


@dataclass(frozen=True)
class Place:
    """Where one scene goes."""

    scene: int
    image: Path
    label: Path

    def is_finished(self) -> bool:
        """True if both files stand under their final names."""
        return self.label.is_file() and self.image.is_file()


def place_of(root: Path, layout: str, split: str, position: int) -> Place:
    """The place of picture ``position`` (from 0) of ``split``.

    ``gta5`` is the layout of the GTA5 release (``images/00001.png``, ``labels/00001.png``), ``cityscapes`` that of
    Cityscapes (``leftImg8bit`` and ``gtFine``, ``<city>_<sequence>_<frame>``) with cities that do not exist there.
    """
    scene = SPLIT_NUMBER[split] * SCENES_PER_SPLIT + position
    if layout == "gta5":
        name = f"{scene + 1:05d}.png"
        return Place(scene, root / "images" / name, root / "labels" / name)
    city = f"rendered{SPLIT_NUMBER[split] + 1}"
    stem = f"{city}_{position:06d}_000019"
    return Place(
        scene,
        root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png",
        root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png",
    )


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=_PNG_EFFORT)
    return buffer.getvalue()


def _palette() -> list[int]:
    """Cityscapes colours by label id, black for ids without a class."""
    colours = np.zeros((256, 3), np.uint8)
    colours[list(CITYSCAPES19.label_ids)] = CITYSCAPES19.palette
    return colours.reshape(-1).tolist()


def write_scene(place: Place, layout: str, image_HWC: np.ndarray, label_HW: np.ndarray) -> None:
    """Writes the label, then the image: an image that exists has its label.

    Labels are mode P with the Cityscapes palette in ``gta5``, mode L in ``cityscapes``.
    """
    label = Image.fromarray(label_HW)
    if layout == "gta5":
        label.putpalette(_palette())
    write_bytes(place.label, _png(label))
    write_bytes(place.image, _png(Image.fromarray(image_HWC)))


def write_lists(root: Path, splits: dict[str, int]) -> None:
    """``list/<split>.txt`` of the GTA5 layout: one image number a line, not padded."""
    for split, count in splits.items():
        first = SPLIT_NUMBER[split] * SCENES_PER_SPLIT + 1
        numbers = "".join(f"{number}\n" for number in range(first, first + count))
        write_bytes(root / "list" / f"{split}.txt", numbers.encode())


def folders_of(root: Path) -> list[Path]:
    """The folders that hold pictures or labels in any of the layouts."""
    return [root / name for name in ("images", "labels", "leftImg8bit", "gtFine")]


def remove_others(root: Path, keep: Iterable[Path]) -> None:
    """Removes every picture and label in a folder of ours but ``keep``, and what killed workers left half-written."""
    kept = set(keep)
    try:
        for folder in folders_of(root):
            for path in [*folder.rglob("*.png"), *folder.rglob(".*.tmp")]:
                if path not in kept:
                    path.unlink()
    except OSError as error:
        raise write_failure(root, error) from error

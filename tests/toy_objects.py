"""Toy images of one class each in Office-31's layout: the ten digits as folders, for a set's folders must be all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from segadapt.data.packed.prepare import Preparation
from segadapt.labels import DIGITS10

SIZE = (20, 16)


def picture(class_id: int, number: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Noise around a grey that grows with the class."""
    random = np.random.default_rng([class_id, number])
    image_HWC = 40 + 20 * class_id + random.integers(0, 15, (size[1], size[0], 3))
    return Image.fromarray(image_HWC.astype(np.uint8))


def write_objects(root: Path, domains: dict[str, int], classes: tuple[str, ...] = DIGITS10.classes) -> Path:
    """``root/{domain}/images/{class}/{number}.png``, so many of each class; returns ``root``."""
    for position, (domain, count) in enumerate(domains.items()):
        for class_id, name in enumerate(classes):
            folder = root / domain / "images" / name
            folder.mkdir(parents=True)
            for number in range(count):
                picture(class_id, 100 * position + number).save(folder / f"frame_{number:04d}.png")
    return root


def objects(root: Path, split: str, **changes) -> Preparation:
    """A preparation of a domain, with labels."""
    return replace(Preparation("office31", root, split, (8, 6), "digits10", True, False), **changes)

"""Little pictures of ten classes in Office-31's layout: stripes of ten widths, on two backgrounds."""

from pathlib import Path

import numpy as np
from PIL import Image

from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.prepare import Preparation, prepare
from segadapt.labels import DIGITS10

DOMAINS = {"clean": 0, "camera": 60, "textured": 120}


def toy_picture(train_id: int, number: int, darkness: int, side: int = 32) -> Image.Image:
    """A picture of a class; equal arguments give equal pictures."""
    random = np.random.default_rng([train_id, number, darkness])
    wave_W = 0.5 + 0.5 * np.sin(np.arange(side) * (train_id + 1) * np.pi / 16)
    image_HWC = np.broadcast_to(255 * wave_W[None, :, None], (side, side, 3)) - darkness
    return Image.fromarray((image_HWC + random.normal(0, 25, image_HWC.shape)).clip(0, 255).astype(np.uint8))


def write_digits(root: Path, per_class: int = 2) -> None:
    """A folder in Office-31's layout with the three domains."""
    for domain, darkness in DOMAINS.items():
        for train_id, name in enumerate(DIGITS10.classes):
            folder = root / domain / "images" / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(per_class):
                toy_picture(train_id, number, darkness).save(folder / f"frame_{number + 1:04d}.png")


def packed_digits(folder: Path, per_class: int = 2) -> dict[str, PackedCache]:
    """The domains by name, packed at 32x32."""
    write_digits(folder / "data", per_class)
    for domain in DOMAINS:
        what = Preparation("office31", folder / "data", domain, (32, 32), "digits10", True, False)
        prepare(what, folder / domain, folder / "scratch" / domain, 1)
    return {domain: PackedCache(folder / domain / "manifest.json") for domain in DOMAINS}

"""A user's own photographs: any size, any of the usual formats, as they are meant to be seen."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from segadapt.core.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_SIXTEEN_BIT = 257
"""65535 / 255: what one step of 8 bits is worth in 16."""


def find_photographs(paths: Sequence[Path], leave_out: Path) -> list[Path]:
    """The files named, and all pictures below the folders named (sorted), each once.

    Nothing below ``leave_out``, the folder that results go to, is taken. UserError for a path that does not exist, a
    folder without pictures, and a folder that is itself ``leave_out``.
    """
    found: dict[Path, Path] = {}
    leave_out = leave_out.resolve()
    for path in paths:
        if path.is_dir():
            if path.resolve() == leave_out:
                raise UserError(f"{path} is both read and written; choose another folder with -o")
            inside = [each for each in sorted(path.rglob("*")) if each.suffix.lower() in SUFFIXES and each.is_file()]
            inside = [each for each in inside if leave_out not in each.resolve().parents]
            if not inside:
                raise UserError(f"{path} holds no picture ({', '.join(SUFFIXES)}); name another folder")
        elif path.exists():
            inside = [path]
        else:
            raise UserError(f"{path} does not exist; correct the path")
        for each in inside:
            found.setdefault(each.resolve(), each)
    return list(found.values())


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """A name for the results of each file: its stem, with ``_2``, ``_3`` and so on where that is taken.

    Upper and lower case count as equal, for some file systems hold them to be.
    """
    taken = {path.stem.casefold() for path in paths}
    used: set[str] = set()
    names = []
    for path in paths:
        name, number = path.stem, 1
        while name.casefold() in used or (number > 1 and name.casefold() in taken):
            number += 1
            name = f"{path.stem}_{number}"
        used.add(name.casefold())
        names.append(name)
    return names


def read_photograph(path: Path) -> Image.Image:
    """The first picture of a file, in 8-bit RGB, upright as its EXIF orientation says.

    Transparent parts are laid on white, 16-bit grey is scaled to 8. UserError, naming the file: unreadable or cut
    short.
    """
    try:
        with Image.open(path) as file:
            file.load()
            upright = ImageOps.exif_transpose(file)
            return _as_rgb(upright)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read as a picture ({error}); save it anew or leave it out") from error


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        values_HW = np.asarray(image).astype(np.float64) / _SIXTEEN_BIT
        return Image.fromarray(values_HW.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")

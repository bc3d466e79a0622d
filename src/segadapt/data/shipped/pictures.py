"""The one place where a file from outside becomes a picture.

Only the formats in ``FORMATS`` are tried: Pillow knows many more, and starts Ghostscript for one of them whatever the
file is called. What a header claims is compared with the file's size and a limit before pixels get any memory.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from segadapt.core.files import require_regular
from segadapt.data.shipped.faults import Fault, Faulty, Kind

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
NAMES = "PNG, JPEG, WebP, TIFF or BMP"
MOST_PIXELS = 2**29
"""A picture of 23,170 x 23,170; in RGB 1.6 GB."""
AGAIN = "fetch this file again"

Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit takes aerial tiles for attacks; ``MOST_PIXELS`` is ours

_MOST_PACKED = 3000
"""No packing that is listed below makes more bytes of one."""
_PACKINGS = {"raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate"}
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"BM")
_SIXTEEN_BIT = 257
"""65535 / 255: what one step of 8 bits is worth in 16."""
_ORIENTATION = 0x0112


def opened(path: Path) -> Image.Image:
    """The file's picture, its header read and believable, its pixels not yet decoded.

    Faulty: damaged, no picture in one of ``FORMATS``, too large. UserError if it is no regular file.
    """
    size = require_regular(path, "a picture").st_size
    try:
        image = Image.open(path, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise Faulty([_unidentified(path)]) from error
    except Exception as error:  # Pillow raises nearly anything for a damaged file
        raise Faulty([damaged(path, error)]) from error
    width, height = image.size
    if width * height > MOST_PIXELS:
        what = f"holds {width}x{height} pixels, more than {MOST_PIXELS:,}"
        raise Faulty([Fault(path, Kind.TOO_LARGE, what, "cut it into tiles")])
    packing = image.info.get("compression", "raw") if image.format == "TIFF" else "raw"
    is_bounded = image.format != "WEBP" and packing in _PACKINGS
    if is_bounded and width * height * len(image.getbands()) // 8 > _MOST_PACKED * size:
        raise Faulty([damaged(path, ValueError(f"{size} bytes cannot hold the {width}x{height} pixels it claims"))])
    return image


def open_picture(path: Path) -> Image.Image:
    """The file's first picture, whole and decoded; Faulty as ``opened``, and if it is cut short."""
    image = opened(path)
    try:
        image.load()
        is_whole = _has_end(path, image.format)
    except MemoryError as error:
        what = f"does not fit into memory ({image.size[0]}x{image.size[1]} pixels)"
        raise Faulty([Fault(path, Kind.TOO_LARGE, what, "cut it into tiles, or use fewer processes")]) from error
    except Exception as error:  # as above
        raise Faulty([damaged(path, error)]) from error
    if not is_whole:
        raise Faulty([damaged(path, ValueError("its end is missing"))])
    return image


def damaged(path: Path, error: Exception) -> Fault:
    """The fault of a file that cannot be decoded, or that the system does not let us read."""
    # Pillow's and the system's own sentences may hold the path, which is said already.
    reason = getattr(error, "strerror", None)
    if reason is not None:
        return Fault(path, Kind.UNREADABLE, f"cannot be read ({reason})", "make it readable")
    return Fault(path, Kind.DAMAGED, f"is damaged or cut short ({error or type(error).__name__})", AGAIN)


def as_rgb(image: Image.Image, path: Path) -> Image.Image:
    """A decoded picture in 8-bit RGB: transparent parts are laid on white, 16-bit grey is scaled to 8 bits.

    Faulty for pixels whose meaning nothing tells: 32-bit numbers, and colours that Pillow cannot convert.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        values_HW = np.asarray(image).astype(np.float32) / _SIXTEEN_BIT
        return Image.fromarray(values_HW.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        what = f"holds 32-bit numbers (mode {image.mode}), and nothing tells which is black and which white"
        raise Faulty([Fault(path, Kind.BIT_DEPTH, what, "save it as 8- or 16-bit grey, scaled as it should be seen")])
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            white = Image.new("RGBA", image.size, (255, 255, 255, 255))
            image = Image.alpha_composite(white, image)
    try:
        return image.convert("RGB")
    except ValueError as error:
        what = f"holds colours of mode {image.mode}, which cannot be shown in RGB"
        raise Faulty([Fault(path, Kind.COLOURS, what, "save it in RGB")]) from error


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1, upright, where there is none or a nonsense, and in TIFF, which Pillow turns."""
    if image.format == "TIFF":
        return 1
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged tag in a sound picture
        return 1
    return found if found in range(1, 9) else 1


def upright(image: Image.Image) -> Image.Image:
    """The picture as its orientation tag says that it is to be seen."""
    return image if orientation(image) == 1 else ImageOps.exif_transpose(image)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """(width, height) of ``upright(image)``; no pixel is decoded."""
    width, height = image.size
    return (height, width) if orientation(image) >= 5 else (width, height)


def _unidentified(path: Path) -> Fault:
    with open(path, "rb") as file:
        head = file.read(16)
    if head.startswith(_SIGNATURES):
        return damaged(path, ValueError("its header makes no sense"))
    return Fault(path, Kind.NO_PICTURE, f"holds no picture in {NAMES}", f"{AGAIN}, or save it in one of them")


def _has_end(path: Path, kind: str | None) -> bool:
    if kind == "PNG":
        return _is_whole_png(path)
    return kind not in ("JPEG", "MPO") or _is_in_tail(path, b"\xff\xd9")


def _is_in_tail(path: Path, mark: bytes, tail: int = 4096) -> bool:
    with open(path, "rb") as file:
        file.seek(max(path.stat().st_size - tail, 0))
        if mark in file.read():
            return True
        file.seek(0)
        return mark in file.read()


def _is_whole_png(path: Path) -> bool:
    """Whether the chunks follow one another up to the last one, as long as they claim to be."""
    with open(path, "rb") as file:
        at, size = 8, path.stat().st_size
        while at + 12 <= size:
            file.seek(at)
            head = file.read(8)
            at += 12 + int.from_bytes(head[:4], "big")
            if head[4:] == b"IEND":
                file.seek(at - 4)
                return file.read(4) == b"\xaeB`\x82"
    return False

"""Label files as they lie on the disk: PNGs whose pixels are ids, in one of two ways.

``index``
    one channel of 8 bits: the grey value, or the index into a palette (never the palette's colour),
``red16``
    several channels of 16 bits with the id in red, as SYNTHIA-RAND-CITYSCAPES has it. Pillow opens such a file as
    8-bit RGB and keeps the *high* byte of each value, which is 0 for every id. Read as if its bytes came in the other
    order, the same decoder keeps the low byte, which is the id; both passes together are the whole 16 bits.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from segadapt.data.faults import Fault, Faulty, Kind

AGAIN = "fetch this file again"
_GREY, _COLOURS, _PALETTE, _GREY_ALPHA, _COLOURS_ALPHA = 0, 2, 3, 4, 6
_END_MARKS = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}
_TAIL = 4096


def open_picture(path: Path) -> Image.Image:
    """The file's picture, whole and decoded; Faulty if it is cut, damaged or of no known format."""
    try:
        image = Image.open(path)
        image.load()
        cut = not _has_end(path, image.format)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Faulty([damaged(path, error)]) from error
    if cut:
        raise Faulty([damaged(path, ValueError("its end is missing"))])
    return image


def damaged(path: Path, error: Exception) -> Fault:
    """The fault of a file that cannot be decoded."""
    # Pillow's and the system's own sentences may hold the path, which is said already.
    no_picture = isinstance(error, UnidentifiedImageError)
    reason = "no picture in a known format" if no_picture else getattr(error, "strerror", None) or str(error)
    return Fault(path, Kind.DAMAGED, f"is damaged or cut short ({reason})", AGAIN)


def _has_end(path: Path, kind: str | None) -> bool:
    mark = _END_MARKS.get(kind or "")
    if mark is None:
        return True
    with open(path, "rb") as file:
        file.seek(max(path.stat().st_size - _TAIL, 0))
        if mark in file.read():
            return True
        file.seek(0)
        return mark in file.read()


def _png_kind(path: Path) -> tuple[int, int] | None:
    """(bit depth, colour type) from a PNG's header; None if it is no PNG."""
    with open(path, "rb") as file:
        head = file.read(26)
    return (head[24], head[25]) if head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) == 26 else None


def _index(path: Path) -> Image.Image:
    picture = open_picture(path)
    kind = _png_kind(path)
    if kind is None:
        what = f"holds a {picture.format} picture, whose pixels are no label ids"
        raise Faulty([Fault(path, Kind.COLOURS, what, "use the PNG files of the data set")])
    depth, colour = kind
    if colour not in (_GREY, _PALETTE):
        what = f"holds colours or {picture.mode} pixels, not 8-bit label ids"
        raise Faulty([Fault(path, Kind.COLOURS, what, "use the data set's files of ids, as *_labelIds.png")])
    # Grey of fewer bits is stretched to 0..255 by Pillow: 2 becomes 34, which is an id. A palette's index is not.
    if depth != 8 and not (colour == _PALETTE and depth < 8):
        raise Faulty([Fault(path, Kind.BIT_DEPTH, f"holds {depth}-bit grey, not 8-bit label ids", AGAIN)])
    return picture


def _red16(path: Path) -> Image.Image:
    picture = open_picture(path)
    kind = _png_kind(path)
    depth, colour = kind if kind is not None else (8, _COLOURS)
    if depth != 16 or colour not in (_COLOURS, _COLOURS_ALPHA):
        is_drawn = depth == 8 and colour in (_COLOURS, _COLOURS_ALPHA)
        what = f"holds {depth}-bit {picture.mode}, not label ids in the red of 16-bit RGB"
        mend = "use the files of GT/LABELS as shipped, never saved anew"
        raise Faulty([Fault(path, Kind.COLOURS if is_drawn else Kind.BIT_DEPTH, what, mend)])
    swapped = Image.open(path)
    swapped.tile = [tile._replace(args=tile.args.replace("16B", "16L")) for tile in swapped.tile]
    swapped.load()
    high_HW, low_HW = np.asarray(picture)[..., 0], np.asarray(swapped)[..., 0]
    if high_HW.any():
        ids = sorted({int(each) for each in (high_HW.astype(int) * 256 + low_HW)[high_HW > 0]})
        raise Faulty([unknown_ids(path, ids)])
    return Image.fromarray(np.ascontiguousarray(low_HW))


def unknown_ids(path: Path, ids: list[int]) -> Fault:
    """The fault of a label file with ids that its data set does not define."""
    return Fault(path, Kind.UNKNOWN_ID, f"holds label ids {ids[:8]} that this data set does not define", AGAIN)


READERS: dict[str, Callable[[Path], Image.Image]] = {"index": _index, "red16": _red16}


def read_ids(path: Path, how: str) -> Image.Image:
    """The label file's ids as an 8-bit picture; Faulty if it is damaged or holds something else than ids."""
    return READERS[how](path)

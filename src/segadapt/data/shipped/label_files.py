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
from PIL import Image

from segadapt.data.shipped.faults import Fault, Faulty, Kind
from segadapt.data.shipped.pictures import AGAIN, open_picture, opened

_IDS = "use the data set's own files, or save the ids as 8-bit grey"
_GREY, _COLOURS, _PALETTE, _GREY_ALPHA, _COLOURS_ALPHA = 0, 2, 3, 4, 6


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
        raise Faulty([Fault(path, Kind.BIT_DEPTH, f"holds {depth}-bit grey, not 8-bit label ids", _IDS)])
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
    swapped = opened(path)
    swapped.tile = [tile._replace(args=tile.args.replace("16B", "16L")) for tile in swapped.tile]
    swapped.load()
    high_HW, low_HW = np.asarray(picture)[..., 0], np.asarray(swapped)[..., 0]
    if high_HW.any():
        ids = sorted({int(each) for each in (high_HW.astype(int) * 256 + low_HW)[high_HW > 0]})
        raise Faulty([unknown_ids(path, ids)])
    return Image.fromarray(np.ascontiguousarray(low_HW))


def unknown_ids(path: Path, ids: list[int], mend: str = AGAIN) -> Fault:
    """The fault of a label file with ids that its data set does not define."""
    return Fault(path, Kind.UNKNOWN_ID, f"holds label ids {ids[:8]} that this data set does not define", mend)


READERS: dict[str, Callable[[Path], Image.Image]] = {"index": _index, "red16": _red16}


def read_ids(path: Path, how: str) -> Image.Image:
    """The label file's ids as an 8-bit picture; Faulty if it is damaged or holds something else than ids."""
    return READERS[how](path)

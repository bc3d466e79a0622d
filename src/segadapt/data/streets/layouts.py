"""Where a rendered picture and its label go in each data set's on-disk format, and how label ids stand in the file."""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from segadapt.data.datasets import cityscapes_id_table
from segadapt.labels import CAMVID11, CITYSCAPES19, IGNORE_INDEX, SYNTHIA_LABEL_IDS

SPLIT_NUMBER = {"train": 0, "val": 1, "test": 2}
SAME_PLACES = {"later": "train"}
"""A split whose pictures are of another's places, one after the other, at another time."""
SCENES_PER_SPLIT = 30_000
"""Scene numbers of a split start at its number times this, so that splits never share a scene."""
_PNG_EFFORT = 1
_JPEG_QUALITY = 95
_CAMVID_VOID, _SYNTHIA_VALS = 11, 9000


@dataclass(frozen=True)
class Layout:
    """One data set's format.

    ``place`` gives the image and label file of (root, split, position); a label of None is not written. ``label``
    encodes Cityscapes ids, ``splits`` is the most pictures of each split, ``folders`` hold all pictures. ``lists``
    gives the file and the line for each picture of the splits that are listed.
    """

    place: Callable[[Path, str, int], tuple[Path, Path | None]]
    label: Callable[[np.ndarray], bytes]
    folders: tuple[str, ...]
    splits: dict[str, int]
    list_file: str | None = None
    line: Callable[[Path], str] = lambda image: image.stem


def encode_image(path: Path, image_HWC: np.ndarray) -> bytes:
    """PNG or JPEG bytes of uint8 RGB, as the file's ending says."""
    if path.suffix == ".jpg":
        buffer = io.BytesIO()
        Image.fromarray(image_HWC).save(buffer, format="JPEG", quality=_JPEG_QUALITY)
        return buffer.getvalue()
    return _png(Image.fromarray(image_HWC))


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=_PNG_EFFORT)
    return buffer.getvalue()


def _grey(label_HW: np.ndarray) -> bytes:
    return _png(Image.fromarray(label_HW))


def _with_palette(label_HW: np.ndarray) -> bytes:
    """Mode P with Cityscapes' colours by label id, black for ids without a class."""
    colours = np.zeros((256, 3), np.uint8)
    colours[list(CITYSCAPES19.label_ids)] = CITYSCAPES19.palette
    label = Image.fromarray(label_HW)
    label.putpalette(colours.reshape(-1).tolist())
    return _png(label)


def _by_table(table: np.ndarray) -> Callable[[np.ndarray], bytes]:
    return lambda label_HW: _grey(table[label_HW])


def _synthia(label_HW: np.ndarray) -> bytes:
    """SYNTHIA's ids in the red of 16-bit RGB; green, the instance, is 0."""
    table = np.zeros(256, np.uint16)
    for name, label_id in zip(CITYSCAPES19.classes, CITYSCAPES19.label_ids, strict=True):
        table[label_id] = SYNTHIA_LABEL_IDS[name]
    image_HWC = np.zeros((*label_HW.shape, 3), np.uint16)
    image_HWC[..., 0] = table[label_HW]
    return png16(image_HWC)


def png16(image_HWC: np.ndarray) -> bytes:
    """A PNG of uint16 RGB, which Pillow cannot write."""
    height, width, _ = image_HWC.shape
    rows = np.zeros((height, 1 + width * 6), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = np.ascontiguousarray(image_HWC.astype(">u2")).view(np.uint8).reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    content = (b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), _PNG_EFFORT)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in content)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _gta5_place(root: Path, split: str, position: int) -> tuple[Path, Path]:
    name = f"{SPLIT_NUMBER[split] * SCENES_PER_SPLIT + position + 1:05d}.png"
    return root / "images" / name, root / "labels" / name


def _synthia_place(root: Path, split: str, position: int) -> tuple[Path, Path]:
    name = f"{SPLIT_NUMBER[split] * _SYNTHIA_VALS + position:07d}.png"
    return root / "RGB" / name, root / "GT/LABELS" / name


def _cityscapes_place(label_end: str) -> Callable[[Path, str, int], tuple[Path, Path]]:
    def place(root: Path, split: str, position: int) -> tuple[Path, Path]:
        city = f"rendered{SPLIT_NUMBER[split] + 1}"  # cities that do not exist there
        stem = f"{city}_{position:06d}_000019"
        label = root / "gtFine" / split / city / f"{stem}_gtFine_{label_end}.png"
        return root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", label

    return place


def _nthu_place(root: Path, split: str, position: int) -> tuple[Path, Path | None]:
    first = SAME_PLACES.get(split, split)
    name, folder = f"pano_{SPLIT_NUMBER[first]}{position:05d}_0_180", first.capitalize()
    if split in SAME_PLACES:
        name += "_later"
    label = root / "Labels" / folder / f"{name}_eval.png" if split == "test" else None
    return root / "Images" / folder / f"{name}.jpg", label


def _camvid_place(root: Path, split: str, position: int) -> tuple[Path, Path]:
    name = f"rendered{SPLIT_NUMBER[split] + 1}_{position:06d}.png"
    return root / split / name, root / f"{split}annot" / name


_ANY = dict.fromkeys(SPLIT_NUMBER, SCENES_PER_SPLIT)
_CITYSCAPES_TRAIN_IDS = cityscapes_id_table(CITYSCAPES19)
_CAMVID_IDS = cityscapes_id_table(CAMVID11)
_CAMVID_IDS[_CAMVID_IDS == IGNORE_INDEX] = _CAMVID_VOID

LAYOUTS = {
    "gta5": Layout(
        _gta5_place, _with_palette, ("images", "labels"), _ANY, "list/{}.txt", lambda image: f"{int(image.stem)}"
    ),
    "cityscapes": Layout(_cityscapes_place("labelIds"), _grey, ("leftImg8bit", "gtFine"), _ANY),
    "cityscapes_train_ids": Layout(
        _cityscapes_place("labelTrainIds"), _by_table(_CITYSCAPES_TRAIN_IDS), ("leftImg8bit", "gtFine"), _ANY
    ),
    "synthia": Layout(_synthia_place, _synthia, ("RGB", "GT"), {"train": _SYNTHIA_VALS, "val": 400}),
    "nthu": Layout(
        _nthu_place, _grey, ("Images", "Labels"), dict.fromkeys(("train", "test", "later"), SCENES_PER_SPLIT),
        "List/{}.txt",
    ),
    "camvid": Layout(
        _camvid_place, _by_table(_CAMVID_IDS),
        tuple(f"{split}{end}" for split in SPLIT_NUMBER for end in ("", "annot")), _ANY,
    ),
}  # fmt: skip
"""By the name of the format; see the modules of ``segadapt.data.datasets``."""

"""One sample from its files: decoded, checked, resized and mapped, exactly as the paper's code does.

Images are resized by PIL's bicubic filter, labels by nearest, then ids become train ids
(MaxSquareLoss ``datasets/cityscapes_Dataset.py:_train_sync_transform``). The released code mirrors
before it resizes: with bicubic the order makes no difference, with nearest it does for a labelled
2048-pixel-wide source; segadapt mirrors afterwards.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from segadapt.core.errors import UserError
from segadapt.data.datasets import FOREIGN, SampleFiles
from segadapt.labels import IGNORE_INDEX


@dataclass(frozen=True)
class Sample:
    """uint8 arrays: RGB image and train ids at network size, train ids at the label's own size."""

    image_HWC: np.ndarray
    label_HW: np.ndarray | None
    native_label_HW: np.ndarray | None


def read_sample(
    files: SampleFiles, size: tuple[int, int], table: np.ndarray, *, labels: bool, native_labels: bool
) -> Sample:
    """Reads one sample at ``size`` = (width, height).

    UserError, naming the file: unreadable or truncated, label of another size than its image, an
    id that the data set does not define, no pixel of any class.
    """
    image = _open(files.image).convert("RGB")
    image_HWC = np.asarray(image.resize(size, Image.Resampling.BICUBIC))
    if not labels or files.label is None:
        return Sample(image_HWC, None, None)
    ids = _open(files.label)
    if ids.mode not in ("P", "L"):
        raise UserError(
            f"{files.label}: holds colours or {ids.mode} pixels, not 8-bit label ids; use the *_labelIds.png files"
        )
    if ids.size != image.size:
        raise UserError(
            f"{files.label}: is {ids.size[0]}x{ids.size[1]} but its image {files.image.name} is "
            f"{image.size[0]}x{image.size[1]}; restore the pair from the data set"
        )
    label_HW = _train_ids(ids.resize(size, Image.Resampling.NEAREST), table, files.label)
    native = _train_ids(ids, table, files.label)
    if (native == IGNORE_INDEX).all():
        raise UserError(f"{files.label}: no pixel belongs to any class; take this pair out of the split")
    return Sample(image_HWC, label_HW, native if native_labels else None)


def _open(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: is damaged or cut short ({error}); fetch this file again") from error
    return image


def _train_ids(ids: Image.Image, table: np.ndarray, path: Path) -> np.ndarray:
    ids_HW = np.asarray(ids)
    label_HW = table[ids_HW]
    if (label_HW == FOREIGN).any():
        foreign = sorted(set(ids_HW[label_HW == FOREIGN].tolist()))
        raise UserError(f"{path}: holds label ids {foreign[:8]} that this data set does not define; fetch it again")
    return label_HW

"""What stands still: superpixels that are found again in a picture of the same place at another time.

Cross City (Chen et al., ICCV 2017) matches such pairs by DeepMatching and keeps superpixels with enough matches; its
code is not public. Here: SLIC of scikit-image, and dense block matching by the normalised correlation of grey values,
which other light leaves alone. Both work on pictures of at most ``LONG_SIDE`` pixels.
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

from segadapt.core.errors import UserError
from segadapt.data.packed.cache import PackedCache
from segadapt.labels import STATIC

LONG_SIDE, SUPERPIXELS = 256, 250
BLOCK, REACH = 9, 4
"""Pixels of a block's side, and how far each way it is looked for."""
ALIKE, ENOUGH = 0.8, 0.5
"""The correlation from which a block is found again, and the share of such pixels from which a superpixel stands."""
_FLAT = 1.0


def static_map(image_HWC: np.ndarray, later_HWC: np.ndarray) -> np.ndarray:
    """uint8 (H, W) of an image, 1 where it stands still and 0 elsewhere, from two RGB pictures of one size."""
    height, width = image_HWC.shape[:2]
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small_HWC, other_HWC = (_resized(each, size) for each in (image_HWC, later_HWC))
    found_HW = correlation(*(each.mean(axis=2, dtype=np.float64) for each in (small_HWC, other_HWC))) >= ALIKE
    part_HW = _superpixels(small_HWC)
    share_N = np.bincount(part_HW.ravel(), found_HW.ravel()) / np.maximum(np.bincount(part_HW.ravel()), 1)
    map_HW = np.where(share_N[part_HW] >= ENOUGH, STATIC, 1 - STATIC).astype(np.uint8)
    return np.asarray(Image.fromarray(map_HW).resize((width, height), Image.Resampling.NEAREST))


def correlation(one_HW: np.ndarray, other_HW: np.ndarray) -> np.ndarray:
    """The largest correlation of the block around each pixel with one of the other picture, at most ``REACH`` away.

    0 where a block is flat, of a standard deviation below 1, and its place cannot be told; edges are mirrored.
    """
    mean_HW, spread_HW = _moments(one_HW)
    best_HW = np.zeros_like(mean_HW)
    padded = np.pad(other_HW, REACH, mode="symmetric")
    height, width = one_HW.shape
    for down in range(2 * REACH + 1):
        for right in range(2 * REACH + 1):
            moved_HW = padded[down : down + height, right : right + width]
            its_mean_HW, its_spread_HW = _moments(moved_HW)
            common_HW = uniform_filter(one_HW * moved_HW, BLOCK) - mean_HW * its_mean_HW
            flat_HW = (spread_HW < _FLAT) | (its_spread_HW < _FLAT)
            together_HW = np.divide(common_HW, spread_HW * its_spread_HW, where=~flat_HW, out=np.zeros_like(mean_HW))
            np.maximum(best_HW, together_HW, out=best_HW)
    return best_HW


def static_maps(images: PackedCache, later: PackedCache) -> Iterator[np.ndarray]:
    """The maps of all images of a cache, of which ``later`` holds the same places; UserError if it does not."""
    names = [[cache.name(index) for index in range(len(cache))] for cache in (images, later)]
    if names[0] != names[1]:
        raise UserError(
            f"{later.folder} has {len(names[1])} images and {images.folder} {len(names[0])}, or others; name a cache "
            "of the same places at another time, all of them, as later"
        )
    for index in range(len(images)):
        yield static_map(images.image(index), later.image(index))


def _moments(image_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the block around each pixel."""
    mean_HW = uniform_filter(image_HW, BLOCK)
    return mean_HW, np.sqrt(np.maximum(uniform_filter(image_HW**2, BLOCK) - mean_HW**2, 0.0))


def _resized(image_HWC: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    image = Image.fromarray(image_HWC)
    return np.asarray(image if image.size == size else image.resize(size, Image.Resampling.BOX))


def _superpixels(image_HWC: np.ndarray) -> np.ndarray:
    try:
        from skimage.segmentation import slic
    except ImportError as error:
        raise UserError("static maps need the package scikit-image: run `pip install scikit-image`") from error
    return slic(image_HWC, n_segments=SUPERPIXELS, sigma=1, start_label=0, channel_axis=-1)

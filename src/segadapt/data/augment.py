"""The paper's two augmentations, drawn from a generator that belongs to one sample position."""

import numpy as np
from PIL import Image, ImageFilter


def augment(
    image_HWC: np.ndarray, label_HW: np.ndarray | None, random: np.random.Generator, mirror: float, blur: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """Mirrors with probability ``mirror``, then blurs with probability ``blur``.

    The blur is PIL's GaussianBlur with radius U[0, 1) on the image alone (MaxSquareLoss
    ``datasets/cityscapes_Dataset.py:_train_sync_transform``). uint8 in, uint8 out. Three numbers
    are drawn whatever happens, so that one probability does not shift the other's draws.
    """
    draw_mirror, draw_blur, radius = random.random(3)
    if draw_mirror < mirror:
        image_HWC = image_HWC[:, ::-1]
        label_HW = None if label_HW is None else label_HW[:, ::-1]
    if draw_blur < blur:
        blurred = Image.fromarray(np.ascontiguousarray(image_HWC)).filter(ImageFilter.GaussianBlur(float(radius)))
        image_HWC = np.asarray(blurred)
    return image_HWC, label_HW

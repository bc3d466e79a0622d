"""Mirror and blur where the tensors are, with the very pixels of :func:`segadapt.data.batches.augment.augment`.

What PIL calls a Gaussian blur is six passes of a box filter, three along the rows and three along the columns, each
rounded to bytes, with weights of 24 binary digits (the method: Gwosdek et al., SSVM 2011; how far and how exactly:
observed of Pillow 13.0, and tested against whichever is installed). For radii below 1 a box has three taps.
Every decision is a plain number of the host, so nothing here waits for the device.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from segadapt.data.batches.draws import Draws

PASSES = 3
DIGITS = 24
"""Binary digits of a weight behind the point; the three weights of a box add up to 1, or to one unit less."""


def augment_on_device(
    image_BHWC: Tensor, label_BHW: Tensor | None, draws: Sequence[Draws]
) -> tuple[Tensor, Tensor | None]:
    """uint8 images and labels (B, 1, 1 for classified images), each mirrored and blurred as its ``draws`` say.

    The results are uint8 and new tensors, on the inputs' device.
    """
    assert len(image_BHWC) == len(draws), f"{len(draws)} draws for {len(image_BHWC)} images"
    images = [_augmented(image_HWC, each) for image_HWC, each in zip(image_BHWC, draws, strict=True)]
    if label_BHW is not None:
        labels = [label.flip(1) if each.mirror else label for label, each in zip(label_BHW, draws, strict=True)]
        label_BHW = torch.stack(labels)
    return torch.stack(images), label_BHW


def _augmented(image_HWC: Tensor, draws: Draws) -> Tensor:
    image_HWC = image_HWC.flip(1) if draws.mirror else image_HWC
    return image_HWC if draws.blur_radius is None else blur(image_HWC, draws.blur_radius)


def blur(image_HWC: Tensor, radius: float) -> Tensor:
    """What ``PIL.ImageFilter.GaussianBlur(radius)`` makes of a uint8 image; ``radius`` in [0, 1)."""
    assert image_HWC.dtype == torch.uint8 and 0 <= radius < 1, f"{image_HWC.dtype}, radius {radius}"
    side, missing = box_weights(radius)
    if side == 0:
        return image_HWC
    blurred_HWC = image_HWC.to(torch.int32)
    for axis in (1, 0):
        for _ in range(PASSES):
            blurred_HWC = _box(blurred_HWC, axis, side, missing)
    return blurred_HWC.to(torch.uint8)


def box_weights(radius: float) -> tuple[int, int]:
    """(the weight of a pixel's neighbour in a box, what all three lack to 1), in units of 2 ** -24.

    Single precision at the same places as in Pillow, for the last digit counts.
    """
    variance = np.float32(radius) * np.float32(radius) / np.float32(PASSES)
    beyond = np.float32(-3) * variance / (np.float32(6) * (variance - np.float32(1)))
    one = 2**DIGITS
    centre = int(np.float32(one) / (beyond * np.float32(2) + np.float32(1)))
    side = (one - centre) // 2
    return side, one - centre - 2 * side


def _box(values: Tensor, axis: int, side: int, missing: int) -> Tensor:
    """One pass: ``centre * x + side * (left + right)``, edges repeated, rounded half up.

    As a difference from ``x`` it fits into 32 bits: |left + right - 2 x| <= 510, and side < 2 ** 24 / 6.
    """
    length = values.shape[axis]
    padded = torch.cat([values.narrow(axis, 0, 1), values, values.narrow(axis, length - 1, 1)], axis)
    change = padded.narrow(axis, 0, length) + padded.narrow(axis, 2, length)
    change.sub_(values, alpha=2).mul_(side).add_(2 ** (DIGITS - 1))
    if missing:
        change.sub_(values, alpha=missing)
    return values + change.bitwise_right_shift_(DIGITS)

"""Colour jitter and Gaussian blur of a whole batch where it lies: what is drawn is a plain number of the host.

Whether there is jitter, and whether there is blur, is drawn once for a batch; by how much, for each image (DACS
``trainUDA.py``, DAFormer ``dacs_transforms.py``). VFM-UDA draws both for each image.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from segadapt.core.seeding import generator
from segadapt.data.batches.colour_jitter import Jitter, colour_jitter, draw_jitter

SIGMAS = (0.15, 1.15)
BLURRED_OVER = 10
"""The kernel's side is a tenth of the image's."""


@dataclass(frozen=True)
class StrongAugmentation:
    """``strength`` of the jitter, or four, and the chance of each of the two in a batch, or if ``by_image`` an image;
    ``form`` is the jitter's.
    """

    strength: float | tuple[float, float, float, float]
    jitter_chance: float
    blur_chance: float
    form: str = "kornia"
    by_image: bool = False

    def draw(self, count: int, *key: int | str) -> list[tuple[Jitter | None, float | None]]:
        """Jitter and sigma, None for neither, of each of ``count`` images: a pure function of ``key``."""
        draw_jitters, draw_blurs = generator(*key, "strong").random(2)
        found = []
        for index in range(count):
            random = generator(*key, "strong", index)
            jitter, sigma = draw_jitter(random, self.strength), random.uniform(*SIGMAS)
            if self.by_image:
                draw_jitters, draw_blurs = random.random(2)
            jitters, blurs = draw_jitters < self.jitter_chance, draw_blurs < self.blur_chance
            found.append((jitter if jitters else None, sigma if blurs else None))
        return found


def strongly_augmented(
    image_BHWC: Tensor, draws: Sequence[tuple[Jitter | None, float | None]], form: str = "kornia"
) -> Tensor:
    """RGB images, uint8 or floats from 0 to 255, as such floats, each changed by its own draws."""
    image_B3HW = image_BHWC.permute(0, 3, 1, 2).div(255).contiguous()
    changed = [_augmented(image_3HW, *each, form) for image_3HW, each in zip(image_B3HW, draws, strict=True)]
    return torch.stack(changed).mul_(255).permute(0, 2, 3, 1)


def _augmented(image_3HW: Tensor, jitter: Jitter | None, sigma: float | None, form: str) -> Tensor:
    image_3HW = image_3HW if jitter is None else colour_jitter(image_3HW, jitter, form)
    return image_3HW if sigma is None else gaussian_blur(image_3HW, sigma)


def gaussian_blur(image_3HW: Tensor, sigma: float) -> Tensor:
    """A float image blurred along rows and columns, mirrored at its edges; a new tensor.

    The kernel's sides are the odd numbers nearest below or at a tenth of the image's, rounded up (51 of 512); taps
    beyond 6 sigma, which are less than a float's last digit, are left out.
    """
    image_3HW = _blurred(image_3HW, 2, sigma)
    return _blurred(image_3HW, 1, sigma)


def _blurred(image_3HW: Tensor, axis: int, sigma: float) -> Tensor:
    length = image_3HW.shape[axis]
    radius = min((math.ceil(length / BLURRED_OVER) - 1) // 2, math.ceil(6 * sigma))
    if radius == 0:
        return image_3HW.clone()
    weights = [math.exp(-0.5 * (tap / sigma) ** 2) for tap in range(radius + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    padding = (radius, radius, 0, 0) if axis == 2 else (0, 0, radius, radius)
    padded_3HW = F.pad(image_3HW, padding, mode="reflect")
    blurred_3HW = padded_3HW.narrow(axis, radius, length) * (weights[0] / total)
    for tap in range(1, radius + 1):
        for start in (radius - tap, radius + tap):
            blurred_3HW.add_(padded_3HW.narrow(axis, start, length), alpha=weights[tap] / total)
    return blurred_3HW

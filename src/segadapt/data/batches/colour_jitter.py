"""Colour jitter in the two forms that papers trained with, by name: ``kornia`` and ``torchvision``.

Source: kornia up to 0.5.8 ``ColorJitter`` (today's ``ColorJiggle``), with which DACS, DAFormer, HRDA and MIC trained:
saturation in HSV; torchvision ``ColorJitter``, VFM-UDA's (and what today's kornia has under that name): brightness is
multiplied, contrast and saturation mix with grey. Both turn the hue in HSV.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

GREY = (0.2989, 0.587, 0.114)
"""Of red, green and blue, as torchvision rounds them."""


@dataclass(frozen=True)
class Jitter:
    """What happens to one image: the four changes by name, in their order, three factors, and ``hue``, which is turned
    by that share of the circle.
    """

    order: tuple[str, ...]
    brightness: float
    contrast: float
    saturation: float
    hue: float


def draw_jitter(random: np.random.Generator, strength: float | Sequence[float]) -> Jitter:
    """Factors of U(1 - strength, 1 + strength), a hue of U(-strength, strength), and an order.

    Four strengths are those of brightness, contrast, saturation and hue.
    """
    brightness, contrast, saturation, hue = (np.asarray(strength) * random.uniform(-1, 1, 4)).tolist()
    order = ("brightness", "contrast", "saturation", "hue")
    return Jitter(
        tuple(order[place] for place in random.permutation(4)), 1 + brightness, 1 + contrast, 1 + saturation, hue
    )


def colour_jitter(image_3HW: Tensor, jitter: Jitter, form: str = "kornia") -> Tensor:
    """An RGB image of floats in [0, 1], changed; a new tensor in [0, 1]."""
    for name in jitter.order:
        image_3HW = _CHANGES[form][name](image_3HW, getattr(jitter, name))
    return image_3HW


def _brightness(image_3HW: Tensor, factor: float) -> Tensor:
    return (image_3HW + (factor - 1)).clamp_(0, 1)


def _saturation(image_3HW: Tensor, factor: float) -> Tensor:
    """S to clamp(factor S, 0, 1): hue and value stay, so that every channel keeps its way down from the largest."""
    value_HW, least_HW = image_3HW.amax(0), image_3HW.amin(0)
    # S = (value - least) / value; a grey pixel, which has none, is no way from its value whatever the factor.
    most_HW = value_HW / (value_HW - least_HW).clamp_(min=1e-12)
    return value_HW - (value_HW - image_3HW) * most_HW.clamp_(max=factor)


def _hue(image_3HW: Tensor, turn: float) -> Tensor:
    """H + 2π turn: a channel is value - chroma * max(0, min(k, 4 - k, 1)), k = n + 6 H / 2π modulo 6, n = 5, 3, 1."""
    red_HW, green_HW, blue_HW = image_3HW
    value_HW = image_3HW.amax(0)
    chroma_HW = value_HW - image_3HW.amin(0)
    way_HW = chroma_HW.clamp(min=1e-12)
    sixths_HW = torch.where(
        red_HW == value_HW,
        (green_HW - blue_HW) / way_HW,
        torch.where(green_HW == value_HW, (blue_HW - red_HW) / way_HW + 2, (red_HW - green_HW) / way_HW + 4),
    )
    first_311 = torch.arange(5, 0, -2, dtype=image_3HW.dtype, device=image_3HW.device).view(3, 1, 1)
    k_3HW = sixths_HW + (first_311 + 6 * turn)
    k_3HW.sub_((k_3HW / 6).floor_(), alpha=6)  # in half the time of a remainder
    share_3HW = torch.minimum(k_3HW, 4 - k_3HW).clamp_(0, 1)
    return value_HW - chroma_HW * share_3HW


def _multiplied(image_3HW: Tensor, factor: float) -> Tensor:
    return (image_3HW * factor).clamp_(0, 1)


def _from_mean_grey(image_3HW: Tensor, factor: float) -> Tensor:
    return torch.lerp(_grey(image_3HW).mean(), image_3HW, factor).clamp_(0, 1)


def _from_grey(image_3HW: Tensor, factor: float) -> Tensor:
    return torch.lerp(_grey(image_3HW), image_3HW, factor).clamp_(0, 1)


def _grey(image_3HW: Tensor) -> Tensor:
    return sum(channel_HW * share for channel_HW, share in zip(image_3HW, GREY, strict=True))


_CHANGES = {
    "kornia": {"brightness": _brightness, "contrast": _multiplied, "saturation": _saturation, "hue": _hue},
    "torchvision": {"brightness": _multiplied, "contrast": _from_mean_grey, "saturation": _from_grey, "hue": _hue},
}

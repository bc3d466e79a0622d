"""Image-wise class weights: Eq. 12-13 of the paper and what the released code made of them."""

import math
from dataclasses import dataclass

import torch

from segadapt.core.errors import UserError

INDICES = ("pixel", "class")


@dataclass(frozen=True)
class ImageWeight:
    """Weights by how many pixels of the same image are predicted as a class.

    w_c = 1 / max((N^c)^alpha * (sum_c N^c)^(1 - alpha), 1), N^c the number of the image's pixels
    whose most probable class is c, always of one image and constant in the backward pass.

    alpha: exponent in [-1, 1]; 0 weighs every pixel 1/N, above 0 lifts rare classes, below 0
        lifts frequent ones (the authors' SYNTHIA scripts used -0.2).
    index: "pixel", the weight of the pixel's own most probable class for all its probabilities
        (released code), or "class", the weight of each probability's class (Eq. 13). Under
        "class" a class without a single predicted pixel is weighed too. Eq. 13 divides by zero
        there; it is given the weight of a class of one pixel, which keeps all weights near 1/N.
    half: whether maximum squares carries the 1/2 of Eq. 13; the released code does not.

    Raises UserError on any other value.
    Source: paper Eq. 13; MaxSquareLoss ``utils/loss.py`` (``IW_MaxSquareloss``).
    """

    alpha: float = 0.2
    index: str = "pixel"
    half: bool = False

    def __post_init__(self) -> None:
        number = isinstance(self.alpha, int | float) and not isinstance(self.alpha, bool)
        if not number or not math.isfinite(self.alpha) or abs(self.alpha) > 1:
            raise UserError(f"ImageWeight.alpha is {self.alpha!r}; give a number from -1 to 1.")
        if self.index not in INDICES:
            raise UserError(f'ImageWeight.index is {self.index!r}; give "pixel" or "class".')
        if not isinstance(self.half, bool):
            raise UserError(f"ImageWeight.half is {self.half!r}; give True or False.")


def check_image_weight(image_weight: ImageWeight | None) -> None:
    """UserError unless it is an ImageWeight or None."""
    if image_weight is not None and not isinstance(image_weight, ImageWeight):
        raise UserError(f"image_weight is {image_weight!r}; give a segadapt.losses.ImageWeight or None.")


def class_counts(top_B1HW: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Pixels of each image per class: int64 (B, C), exact and in no order that could matter.

    ``bincount`` would wait for the device to learn its output's length.
    """
    class_BN = top_B1HW.flatten(1)
    counts_BC = class_BN.new_zeros(class_BN.shape[0], num_classes)
    return counts_BC.scatter_add_(1, class_BN, torch.ones_like(class_BN))


def class_weights(counts_BC: torch.Tensor, alpha: float, dtype: torch.dtype) -> torch.Tensor:
    """w_c of :class:`ImageWeight` from one image's counts a row: (B, C) of ``dtype``."""
    counts_BC = counts_BC.to(dtype)
    total_B1 = counts_BC.sum(dim=1, keepdim=True)
    return (counts_BC.clamp(min=1).pow(alpha) * total_B1.pow(1 - alpha)).clamp(min=1).reciprocal()


def pick(weight_BC: torch.Tensor, class_B1HW: torch.Tensor) -> torch.Tensor:
    """The weight of each pixel's class: (B, 1, H, W)."""
    return weight_BC.gather(1, class_B1HW.flatten(1)).view_as(class_B1HW)

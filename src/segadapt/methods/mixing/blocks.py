"""Block masks: square parts of an image that the network does not see (MIC, Hoyer et al., CVPR 2023)."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from segadapt.core.seeding import generator


def draw_blocks(count: int, size: tuple[int, int], block: int, ratio: float, *key: int | str) -> np.ndarray:
    """kept_Bhw, float32 of 0 and 1: of each of ``count`` images of ``size``, which blocks of about ``block`` pixels
    square stay; each goes with probability ``ratio``. A pure function of ``key``.
    """
    grid = [round(side / block) for side in size]
    kept = [generator(*key, "blocks", index).random(grid) > ratio for index in range(count)]
    return np.stack(kept).astype(np.float32)


def masked(image_BHWC: Tensor, kept_Bhw: Tensor, colour_3: Tensor) -> Tensor:
    """Float images whose blocks that are not kept are of one colour."""
    kept_B1HW = F.interpolate(kept_Bhw[:, None], size=image_BHWC.shape[1:3], mode="nearest")
    return torch.where(kept_B1HW[:, 0, :, :, None] > 0, image_BHWC, colour_3)

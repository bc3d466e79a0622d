"""Which pixels of a prediction become pseudo-labels."""

import torch
from torch import Tensor

from segadapt.labels import IGNORE_INDEX


def confident_labels(probability_CHW: Tensor, threshold_C: Tensor) -> Tensor:
    """The class whose probability is largest in units of its threshold, where it reaches it; else ``IGNORE_INDEX``.

    Args:
        probability_CHW: Float, at least 0, perhaps multiplied by a spatial prior; at most 255 classes.
        threshold_C: k_c in (0, 1], of the same dtype and device. With one number for all classes this is plain
            self-training.

    Returns:
        uint8 (H, W). Of equals the lowest class id is taken. p / k >= 1 holds exactly where p >= k does.
    """
    weighted_HW, label_HW = (probability_CHW / threshold_C[:, None, None]).max(dim=0)
    return torch.where(weighted_HW >= 1, label_HW, IGNORE_INDEX).to(torch.uint8)

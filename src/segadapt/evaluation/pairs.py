"""How many pixels have which label and which prediction, counted on the device where the prediction is."""

import torch
from torch import Tensor

from segadapt.evaluation.waiting import on_host

LABELS = 256
"""Every byte may be a label: which of them are none is for the caller to see."""


def count_pairs(label: Tensor, prediction: Tensor, num_classes: int) -> Tensor:
    """int64 (256, C) counts of (label, prediction) pairs; a GPU is not waited for.

    Args:
        label: uint8 of any shape, any values.
        prediction: uint8 of as many elements on any device, all below ``num_classes``.
        num_classes: C, at most 255.
    """
    bins = LABELS * num_classes
    label, prediction = label.to(prediction.device, non_blocking=True).reshape(-1), prediction.reshape(-1)
    if not on_host(prediction):
        # bincount would ask the GPU for the extremes.
        pairs = label.long().mul_(num_classes).add_(prediction)
        counts = torch.zeros(bins, dtype=torch.int64, device=pairs.device)
        return counts.scatter_add_(0, pairs, counts.new_ones(1).expand(pairs.shape)).view(LABELS, num_classes)
    # As few bytes as the pairs need: this is bound by memory.
    pairs = label.to(torch.int16 if bins <= 1 << 15 else torch.int32).mul_(num_classes).add_(prediction)
    return torch.bincount(pairs, minlength=bins).view(LABELS, num_classes)

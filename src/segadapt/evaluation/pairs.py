"""How many pixels have which label and which prediction, counted on the device where the prediction is.

A GPU works while the program goes on, until the program looks at a value or at how many values there are.
"""

import torch
from torch import Tensor

LABELS = 256
"""Every byte may be a label: which of them are none is for the caller to see."""

PIECE = 1 << 18
"""Pixels whose pairs, of as few bytes as they need, a core's second-level cache holds."""

LANES = 4
"""Neighbours are mostly alike, and to count one pair again a core waits for the last time: so they take turns."""


def on_host(tensor: Tensor) -> bool:
    """Whether looking at the values costs nothing."""
    return tensor.device.type == "cpu"


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
    kind = torch.int16 if LANES * bins <= 1 << 15 else torch.int32
    lane = torch.arange(LANES, dtype=kind).mul_(bins).repeat(PIECE // LANES)
    pairs, counts = torch.empty(PIECE, dtype=kind), torch.zeros(LANES * bins, dtype=torch.int64)
    for some_labels, some_predictions in zip(label.split(PIECE), prediction.split(PIECE), strict=True):
        number = len(some_labels)
        some_pairs = pairs[:number].copy_(some_labels).mul_(num_classes).add_(some_predictions).add_(lane[:number])
        counts += torch.bincount(some_pairs, minlength=LANES * bins)
    return counts.view(LANES, LABELS, num_classes).sum(0)

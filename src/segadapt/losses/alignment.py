"""Alignment of features cell by cell, of all classes together or of each: Cross City (Chen et al., ICCV 2017).

A cell is a place of the features' map. Facts: the authors' ``Adapt_Road_Scene``.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from segadapt.labels import IGNORE_INDEX

SOURCE, TARGET = 0, 1
EMPTY = 5e-6
"""What a class that is nowhere is divided by."""


def label_shares(label_BHW: Tensor, num_classes: int, cells: tuple[int, int], ignored_is_first: bool) -> Tensor:
    """share_BChw: of the labels in each of (h, w) cells, those of each class; ignored ones count, and have no class.

    ``ignored_is_first``: as the released code has it, they are of the class 0.
    """
    train_id_BHW = label_BHW.long()
    other = 0 if ignored_is_first else num_classes
    train_id_BHW = torch.where(train_id_BHW == IGNORE_INDEX, other, train_id_BHW)
    map_BCHW = F.one_hot(train_id_BHW, num_classes + 1)[..., :num_classes].permute(0, 3, 1, 2)
    return cell_means(map_BCHW.float(), cells)


def cell_means(map_BCHW: Tensor, cells: tuple[int, int]) -> Tensor:
    """Means over (h, w) cells: of 8x8 pixels where an image is 8 times as large, overlapping where it does not fit."""
    return F.adaptive_avg_pool2d(map_BCHW, cells)


def without_moving(probability_BCHW: Tensor, static_BHW: Tensor, moving: Sequence[int]) -> Tensor:
    """Probabilities of which, where ``static_BHW``, those of the ``moving`` classes are 0 and the others sum to 1."""
    stays_C = torch.ones(probability_BCHW.shape[1], device=probability_BCHW.device)
    stays_C[list(moving)] = 0
    kept_BCHW = probability_BCHW * torch.where(static_BHW[:, None], stays_C[:, None, None], 1.0)
    return kept_BCHW / kept_BCHW.sum(dim=1, keepdim=True).clamp(min=torch.finfo(kept_BCHW.dtype).tiny)


def alignment_loss(score_BC2HW: Tensor, domain: int, share_BCHW: Tensor | None) -> Tensor:
    """How far the scores of C discriminators are from ``domain``: cross-entropies of a pair of scores.

    The mean over all cells; with ``share_BCHW`` of each image the mean weighted by a class's share of each cell,
    Σ share · CE / (Σ share + 5e-6), summed over the classes.
    """
    cost_BCHW = -score_BC2HW.log_softmax(dim=2)[:, :, domain]
    if share_BCHW is None:
        return cost_BCHW.mean()
    share_BCHW = share_BCHW.to(cost_BCHW.dtype)
    weighted_BC = (share_BCHW * cost_BCHW).sum(dim=(2, 3)) / (share_BCHW.sum(dim=(2, 3)) + EMPTY)
    return weighted_BC.sum(dim=1).mean()

"""Predicted labels from low-resolution logits with work only where classes meet, and not a label changed.

Inside one cell of the grid every class is a convex combination of its values at the four corners. So a class that is
below another one at all four is below it in the whole cell; if one class is the largest at all four, the whole cell
is that class. In the other cells, most classes are below the mean of the corners' winners at all four corners and
drop out; the few that are left, two or three mostly, are interpolated and compared.

Rounding does not change this, for a class only counts as below by more than what rounding can do: a share of the
largest logit, ``SURE``, for what is computed here, ``NEAR`` for what ``interpolate`` computes. Pixels whose best two
classes are closer than that, a few in a million, ties above all, are left to ``interpolate`` itself. Hence the labels
are those of ``predict.plain_labels``, bit for bit, whatever the logits; ``tests/test_cells.py`` compares them.

The bounds, u being half of ``finfo.eps`` and M the largest absolute logit: ``interpolate`` takes five roundings at
most on the way of each product, 5uM, and its weights add up to 1 within u a direction. Here the difference of two
classes (2M at most, off by 2uM) goes through two interpolations across (8uM), their difference (20uM), a product
and a sum: 34uM. Two of these and their difference are 72uM, and two of ``interpolate``'s 14uM: 86uM = 43 eps M.
"""

import numpy
import torch
from torch import Tensor

from segadapt.evaluation.cell_grid import CellGrid

SURE = 64
NEAR = 16
"""Times eps times the largest absolute logit: differences that no rounding turns round, here and in interpolate."""

_CHUNK = 1 << 16
"""Pixels held at a time: four bytes each in half a dozen buffers, which second- and third-level caches keep."""

_UNDECIDED = 255
_MOST_UNDECIDED = 1 << 14
_MOST_EXACT = 1 << 11
"""Pixels, and pairs of pixel and class, beyond which interpolating all is the shorter way."""


def labels_by_cells(logits_CHW: Tensor, grid: CellGrid) -> Tensor | None:
    """uint8 labels (H, W) of float logits (C, h, w) on the CPU, at most 255 classes, or None where it does not pay.

    That is where most cells are undecided, as in noise, many pixels tie, or a logit is not finite or nearly infinite.
    """
    num_classes = len(logits_CHW)
    logits_CHW = logits_CHW.contiguous()
    limits = torch.finfo(logits_CHW.dtype)
    largest = float(logits_CHW.abs().max())
    if not largest < limits.max / 16:
        return None
    margin = SURE * limits.eps * largest + limits.tiny
    class_GG, cell_M, winner_4M = _whole_cells(logits_CHW, margin)
    corner_4M = _corners(cell_M, class_GG.shape[1])
    alive_CM = _alive(logits_CHW, corner_4M, winner_4M, margin)
    count_M = alive_CM.sum(dim=0)
    if int(count_M.sum()) > num_classes * class_GG.numel() / 2:
        return None
    label_HW = class_GG.index_select(1, grid.columns.cell_N).index_select(0, grid.rows.cell_N)
    order = count_M.argsort(stable=True)
    alive_MC, cell_M, corner_4M = alive_CM.T[order], cell_M[order], corner_4M[:, order]
    start = 0
    for count, cells in enumerate(torch.bincount(count_M).tolist()):
        group = slice(start, start + cells)
        if cells:
            class_KM = alive_MC[group].nonzero()[:, 1].view(cells, count).T.contiguous()
            _label_cells(label_HW, logits_CHW, grid, cell_M[group], corner_4M[:, group], class_KM, margin)
        start = group.stop
    # numpy finds the few pixels in a fraction of torch's time.
    undecided_N = torch.from_numpy(numpy.flatnonzero(label_HW.numpy() == _UNDECIDED))
    return _decide(label_HW, logits_CHW, grid, undecided_N)


def _whole_cells(logits_CHW: Tensor, margin: float) -> tuple[Tensor, Tensor, Tensor]:
    """The class of each cell that has one; the other cells' numbers (M,), and the classes that win their corners."""
    top_HW, winner_HW = logits_CHW.max(dim=0)
    alone_HW = (logits_CHW >= top_HW - margin).sum(dim=0, dtype=torch.uint8) == 1
    clear_HW = torch.where(alone_HW, winner_HW.to(torch.uint8), _UNDECIDED)
    class_GG, *others = (clear_HW[top : -1 + top or None, left : -1 + left or None] for top, left in _CORNERS)
    mixed_GG = class_GG == _UNDECIDED
    for each in others:
        mixed_GG |= each != class_GG
    cell_M = mixed_GG.flatten().nonzero()[:, 0]
    return class_GG.contiguous(), cell_M, winner_HW.flatten()[_corners(cell_M, class_GG.shape[1])]


_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def _corners(cell_M: Tensor, columns: int) -> Tensor:
    """The grid points (4, M) at the corners of cells in a grid of so many columns of cells."""
    first_M = cell_M + cell_M // columns
    return torch.stack([first_M + top * (columns + 1) + left for top, left in _CORNERS])


def _alive(logits_CHW: Tensor, corner_4M: Tensor, winner_4M: Tensor, margin: float) -> Tensor:
    """Which classes may be the largest somewhere in each cell, bool (C, M)."""
    points_CP = logits_CHW.flatten(1)
    own_44M = points_CP.flatten()[winner_4M * points_CP.shape[1] + corner_4M[:, None]]
    # Who is below a mean of others is below one of them. Twice the margin, so that no class that came close to a
    # corner's winner drops out: at least two are left.
    bar_4M = own_44M.mean(dim=1) - 2 * margin
    alive_CM = points_CP.index_select(1, corner_4M[0]) >= bar_4M[0]
    for corner_M, bar_M in zip(corner_4M[1:], bar_4M[1:], strict=True):
        alive_CM |= points_CP.index_select(1, corner_M) >= bar_M
    return alive_CM


def _label_cells(
    label_HW: Tensor, logits_CHW: Tensor, grid: CellGrid, cell_M: Tensor, corner_4M: Tensor, class_KM: Tensor,
    margin: float,
) -> None:  # fmt: skip
    """Writes the labels of the pixels of cells that all have K classes left; ``_UNDECIDED`` where two are close."""
    row_M = cell_M // grid.shape[1]
    column_M = cell_M - row_M * grid.shape[1]
    points = logits_CHW.flatten()
    value_4KM = points[class_KM * (logits_CHW.shape[1] * logits_CHW.shape[2]) + corner_4M[:, None]]
    # Of each class less the first one: one plane less to interpolate.
    over_4KM = value_4KM[:, 1:] - value_4KM[:, :1]
    across_XM = grid.columns.second_KG.index_select(1, column_M)
    down_YM = grid.rows.second_KG.index_select(1, row_M)
    top_KXM = torch.lerp(over_4KM[0][:, None], over_4KM[1][:, None], across_XM)
    slope_KXM = torch.lerp(over_4KM[2][:, None], over_4KM[3][:, None], across_XM).sub_(top_KXM)
    place_YM = (grid.rows.pixel_KG * grid.size[1]).index_select(1, row_M)
    place_XM = grid.columns.pixel_KG.index_select(1, column_M)
    label_KM = class_KM.to(logits_CHW.dtype)
    for part in torch.arange(len(cell_M)).split(max(_CHUNK // grid.pixels_of_cell, 1)):
        cells = slice(int(part[0]), int(part[-1]) + 1)
        label_YXM = _winners(
            label_KM[:, cells], top_KXM[:, :, cells], slope_KXM[:, :, cells], down_YM[:, cells], margin
        )
        place_YXM = place_YM[:, None, cells] + place_XM[None, :, cells]
        label_HW.view(-1).scatter_(0, place_YXM.view(-1), label_YXM.view(-1))


def _winners(label_KM: Tensor, top_KXM: Tensor, slope_KXM: Tensor, down_YM: Tensor, margin: float) -> Tensor:
    """uint8 (Y, X, M). Comparisons give floats and labels are selected by arithmetic, which torch does ten times as
    fast as with masks."""
    best = torch.zeros((), dtype=label_KM.dtype)
    label_YXM = near_YXM = label_KM[0]
    for number, (top_XM, slope_XM) in enumerate(zip(top_KXM, slope_KXM, strict=True)):
        over_YXM = torch.addcmul(top_XM, down_YM[:, None], slope_XM)
        lead_YXM = over_YXM - best
        best = over_YXM.clamp_(min=0) if number == 0 else torch.maximum(best, over_YXM, out=best)
        wins_YXM = torch.gt(lead_YXM, 0, out=torch.empty_like(lead_YXM))
        label_YXM = torch.addcmul(label_YXM, wins_YXM, label_KM[number + 1] - label_YXM)
        close_YXM = lead_YXM.abs_().le_(margin)
        near_YXM = close_YXM if number == 0 else torch.maximum(near_YXM, close_YXM, out=near_YXM)
    undecided_YXM = near_YXM.mul_(_UNDECIDED)
    # By way of int32, whose bytes torch takes at once; from floats it takes five times as long.
    return torch.maximum(label_YXM, undecided_YXM, out=undecided_YXM).to(torch.int32).to(torch.uint8)


def _decide(label_HW: Tensor, logits_CHW: Tensor, grid: CellGrid, pixel_N: Tensor) -> Tensor | None:
    """Labels the undecided pixels: in float64 with ``interpolate``'s weights, then by ``interpolate``."""
    if len(pixel_N) > _MOST_UNDECIDED:
        return None
    row_N, column_N = pixel_N // grid.size[1], pixel_N % grid.size[1]
    corners_22CN = grid.corners(logits_CHW, row_N, column_N)
    value_CN = grid.weighted(corners_22CN.to(torch.float64), row_N, column_N)
    limits = torch.finfo(logits_CHW.dtype)
    margin_N = NEAR * limits.eps * corners_22CN.abs().amax(dim=(0, 1, 2)) + limits.tiny
    close_CN = value_CN >= value_CN.amax(dim=0) - margin_N
    class_P, number_P = (close_CN & (close_CN.sum(dim=0) > 1)).nonzero(as_tuple=True)
    if len(class_P) > _MOST_EXACT:
        return None
    value_CN.masked_fill_(~close_CN, -torch.inf)
    for part in torch.arange(len(class_P)).split(_MOST_EXACT // 8):
        class_R, number_R = class_P[part], number_P[part]
        exact_R = grid.exact(corners_22CN[:, :, class_R, number_R], row_N[number_R], column_N[number_R])
        value_CN[class_R, number_R] = exact_R.to(torch.float64)
    label_HW.view(-1)[pixel_N] = value_CN.argmax(dim=0).to(torch.uint8)
    return label_HW

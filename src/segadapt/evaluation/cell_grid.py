"""Where the pixels of an upsampled map lie between the points of its low-resolution grid, and with which weights.

A cell is the square of four neighbouring grid points; every pixel lies in one. The weights are read off
``torch.nn.functional.interpolate`` itself (bilinear, ``align_corners=True``) by upsampling unit vectors, so they are
its own to the last bit. How it adds the four products is another matter: that depends on the processor it was
compiled for. So a pixel's exact value is obtained from it as well, across and then down. That this gives the bits that
upsampling the whole plane gives is checked for every pair of sizes before it is relied on.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LARGE = 129
"""Planes of so many rows or columns are never small: for small ones torch takes another kernel, which rounds
otherwise."""

_PROBES = 256


class Axis(NamedTuple):
    """One direction, from G + 1 grid points to N pixels; K pixels at most lie in a cell."""

    cell_N: Tensor
    """The cell of each pixel, int64."""
    weight_2N: Tensor
    """Of the cell's first and second grid point."""
    pixel_KG: Tensor
    """The pixels of each cell, int64; the last one is repeated where there are fewer than K."""
    second_KG: Tensor
    """The weight of the second grid point at these pixels."""


class CellGrid:
    """Both axes of an upsampling from (h, w) to (H, W), on the CPU."""

    def __init__(self, rows: Axis, columns: Axis) -> None:
        self.rows = rows
        self.columns = columns
        self.shape = rows.pixel_KG.shape[1], columns.pixel_KG.shape[1]
        self.size = len(rows.cell_N), len(columns.cell_N)
        self.pixels_of_cell = len(rows.pixel_KG) * len(columns.pixel_KG)

    def weighted(self, corners_22N: Tensor, row_N: Tensor, column_N: Tensor) -> Tensor:
        """The values (..., N) of pixels from the corners (2, 2, ..., N) of their cells, [below][right]."""
        down_2N, across_2N = self.rows.weight_2N[:, row_N], self.columns.weight_2N[:, column_N]
        left_N, right_N = (corners_22N[0] * down_2N[0] + corners_22N[1] * down_2N[1]).unbind()
        return left_N * across_2N[0] + right_N * across_2N[1]

    def exact(self, corners_22N: Tensor, row_N: Tensor, column_N: Tensor) -> Tensor:
        """The bits that ``upsample_plane`` gives at these pixels of a plane with these corners about each."""
        count, numbers = len(row_N), torch.arange(len(row_N))
        cell_N = self.columns.cell_N[column_N]
        narrow = corners_22N.new_zeros(max(2 * count, LARGE), self.shape[1] + 1)
        for below in range(2):
            for right in range(2):
                narrow[below * count + numbers, cell_N + right] = corners_22N[below, right]
        wide = upsample_plane(narrow, (len(narrow), self.size[1]))
        low = corners_22N.new_zeros(self.shape[0] + 1, max(count, LARGE))
        for below in range(2):
            low[self.rows.cell_N[row_N] + below, numbers] = wide[below * count + numbers, column_N]
        return upsample_plane(low, (self.size[0], low.shape[1]))[row_N, numbers]

    def corners(self, logits_CHW: Tensor, row_N: Tensor, column_N: Tensor) -> Tensor:
        """The values (2, 2, C, N) at the corners of the cells that the pixels lie in."""
        top_N, left_N = self.rows.cell_N[row_N], self.columns.cell_N[column_N]
        pairs = [[logits_CHW[:, top_N + below, left_N + right] for right in range(2)] for below in range(2)]
        return torch.stack([torch.stack(each) for each in pairs])


def upsample_plane(plane_HW: Tensor, size: tuple[int, int]) -> Tensor:
    """One plane at ``size`` = (H, W): the arithmetic that all predicted labels follow."""
    # A plane of a channels-last tensor has strides for which interpolate takes another kernel.
    plane_11HW = plane_HW.contiguous()[None, None]
    return F.interpolate(plane_11HW, size=tuple(size), mode="bilinear", align_corners=True)[0, 0]


@lru_cache(maxsize=16)
def cell_grid(low: tuple[int, int], size: tuple[int, int], dtype: torch.dtype) -> CellGrid | None:
    """The grid, or None where there is no use for one.

    That is for a grid of one row or column, where a cell has no pixel, and where ``CellGrid.exact`` is not.
    """
    if min(low) < 2:
        return None
    rows, columns = (_axis(*each, dtype) for each in zip(low, size, strict=True))
    if rows is None or columns is None:
        return None
    grid = CellGrid(rows, columns)
    return grid if _is_exact(grid, dtype) else None


def _axis(points: int, pixels: int, dtype: torch.dtype) -> Axis | None:
    units = torch.zeros(points, max(points, LARGE), dtype=dtype)
    units[:, :points] = torch.eye(points, dtype=dtype)
    weight_NP = upsample_plane(units, (pixels, units.shape[1]))[:, :points]
    cell_N = (weight_NP > 0).to(torch.uint8).argmax(dim=1).clamp(max=points - 2)
    weight_2N = torch.stack([weight_NP.gather(1, cell_N[:, None] + each)[:, 0] for each in range(2)])
    count_G = torch.bincount(cell_N, minlength=points - 1)
    if not count_G.all():
        return None
    within_K = torch.arange(int(count_G.max()))
    pixel_KG = (count_G.cumsum(0) - count_G) + torch.minimum(within_K[:, None], count_G - 1)
    return Axis(cell_N, weight_2N, pixel_KG, weight_2N[1][pixel_KG])


def _is_exact(grid: CellGrid, dtype: torch.dtype) -> bool:
    """Whether pixels in all parts of a random plane, its edges among them, get the bits of the whole one."""
    random = torch.Generator().manual_seed(0)
    plane_HW = torch.randn(grid.shape[0] + 1, grid.shape[1] + 1, generator=random, dtype=torch.float64).to(dtype)
    row_N, column_N = (torch.linspace(0, each - 1, _PROBES).round().long() for each in grid.size)
    column_N = column_N[torch.randperm(_PROBES, generator=random)]
    row_N = torch.cat([row_N, torch.full_like(row_N, grid.size[0] - 1), row_N])
    column_N = torch.cat([column_N, column_N, torch.full_like(column_N, grid.size[1] - 1)])
    corners_22N = grid.corners(plane_HW[None], row_N, column_N)[:, :, 0]
    whole_N = upsample_plane(plane_HW, grid.size)[row_N, column_N]
    weighted_N = grid.weighted(corners_22N, row_N, column_N)
    near = torch.allclose(weighted_N, whole_N, rtol=0, atol=64 * torch.finfo(dtype).eps)
    return near and torch.equal(grid.exact(corners_22N, row_N, column_N), whole_N)

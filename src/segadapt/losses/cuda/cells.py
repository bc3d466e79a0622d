"""Where kernels get their pixels from and where gradients go: the cells between four neighbouring low logits.

Every output pixel lies in one cell. A program owns some cells of one row: it forms their pixels from the four
corners, sums the loss and each corner's gradient over them, and writes these sums to places of its own; a second
kernel adds up the up to four cells around each low logit. So nothing exists at the size of the loss, nothing is added
in an order that may change, and two runs are equal bit for bit.

Position of pixel x of W between low columns of w: x (w - 1) / (W - 1), in whole numbers until the last division.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl

LANES = 32
CORNERS = 4
"""Of a cell, in this order: above left, above right, below left, below right."""


class CellGrid(NamedTuple):
    """How one batch of logits (B, C, h, w) is cut for a loss at (H, W)."""

    batch: int
    classes: int
    low: tuple[int, int]
    size: tuple[int, int]

    @property
    def columns(self) -> int:
        """Columns of a cell that are looked at together."""
        return min(triton.next_power_of_2(_most(self.low[1], self.size[1])), LANES)

    @property
    def programs(self) -> tuple[int, int, int]:
        """Blocks of cells side by side, rows of cells, images."""
        return triton.cdiv(self.low[1] - 1, LANES // self.columns), self.low[0] - 1, self.batch

    @property
    def lengths(self) -> tuple[int, int, int, int]:
        """h, w, H, W as kernels take them."""
        return *self.low, *self.size

    @property
    def constants(self) -> dict[str, int]:
        """What is compiled into a kernel, and that one warp runs a program: a thread for each column."""
        return {
            "CLASSES": self.classes,
            "FILLED": triton.next_power_of_2(self.classes),
            "CELLS": LANES // self.columns,
            "COLUMNS": self.columns,
            "CHUNKS": triton.cdiv(_most(self.low[1], self.size[1]), self.columns),
            "ROWS": _most(self.low[0], self.size[0]),
            "num_warps": 1,
        }

    def empty(self, *trailing: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """A place of shape ``trailing`` for every program."""
        blocks, rows, batch = self.programs
        return torch.empty(batch, rows, blocks, *trailing, dtype=dtype, device=device)

    def empty_corners(self, device: torch.device) -> torch.Tensor:
        """A place for the gradient of every cell's corners: (B, h - 1, 4, C, w - 1)."""
        rows, columns = (length - 1 for length in self.low)
        return torch.empty(self.batch, rows, CORNERS, self.classes, columns, device=device)


def _most(low: int, size: int) -> int:
    """Pixels of the longest cell of an axis: the last one ends with a pixel on its far corner."""
    return (size - 1) // (low - 1) + 1


def gather(corners: torch.Tensor, scale: torch.Tensor, like_BCHW: torch.Tensor) -> torch.Tensor:
    """``scale`` (0-dim float32) times the gradient in the low logits, laid out as ``like_BCHW``."""
    gradient_BCHW = torch.empty_like(like_BCHW)
    batch, classes, height, width = like_BCHW.shape
    programs = (triton.cdiv(classes * width, 128), height, batch)
    _gather_kernel[programs](
        corners, scale, gradient_BCHW, *gradient_BCHW.stride(), height, width, CLASSES=classes, BLOCK=128, num_warps=4
    )
    return gradient_BCHW


@triton.jit
def _gather_kernel(
    corners, scale, gradient, stride_b, stride_c, stride_y, stride_x, low_height, low_width, CLASSES: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    y = tl.program_id(1)
    image = tl.program_id(2)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    class_of = place // low_width
    x = place % low_width
    real = class_of < CLASSES
    cells_x = low_width - 1
    plane = CLASSES * cells_x
    above = corners + (image * (low_height - 1) + y - 1) * 4 * plane + class_of * cells_x + x
    below = above + 4 * plane
    has_above = real & (y > 0)
    has_below = real & (y < low_height - 1)
    has_left = x > 0
    has_right = x < cells_x
    total = tl.load(above + 3 * plane - 1, mask=has_above & has_left, other=0.0)
    total += tl.load(above + 2 * plane, mask=has_above & has_right, other=0.0)
    total += tl.load(below + plane - 1, mask=has_below & has_left, other=0.0)
    total += tl.load(below, mask=has_below & has_right, other=0.0)
    target = gradient + image * stride_b + class_of * stride_c + y * stride_y + x * stride_x
    tl.store(target, total * tl.load(scale), mask=real)


@triton.jit
def first_pixel(cell, low, length):
    """The first pixel of a cell, which the last pixel of the axis, on a corner, doesn't open a cell of its own."""
    return tl.where(cell < low - 1, tl.cdiv(cell * (length - 1), low - 1), length)


@triton.jit
def own_cells(CLASSES: tl.constexpr, FILLED: tl.constexpr, CELLS: tl.constexpr):
    """What a program looks at: its image, row of cells and cells (N,); the classes, (C,) and (C, 1, 1), and which are
    no filling."""
    cell_N = tl.program_id(0) * CELLS + tl.arange(0, CELLS)
    class_C = tl.arange(0, FILLED)
    class_C11 = class_C[:, None, None]
    return tl.program_id(2), tl.program_id(1), cell_N, class_C, class_C11, class_C11 < CLASSES


@triton.jit
def columns_of(cell_N, chunk, low_width, width, COLUMNS: tl.constexpr):
    """(x_NX, right_NX: the share of the right corners in [0, 1], inside_NX: whether it is a pixel of the cell)."""
    x_NX = first_pixel(cell_N, low_width, width)[:, None] + chunk * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    end_N = first_pixel(cell_N + 1, low_width, width)
    inside_NX = (cell_N < low_width - 1)[:, None] & (x_NX < end_N[:, None])
    right_NX = (x_NX * (low_width - 1) - cell_N[:, None] * (width - 1)).to(tl.float32) / (width - 1)
    return x_NX, right_NX, inside_NX


@triton.jit
def row_of(cell, step, low_height, height):
    """(y, the share of the lower corners, whether it is a row of the cell) of the ``step``-th row of a cell."""
    y = first_pixel(cell, low_height, height) + step
    lower = (y * (low_height - 1) - cell * (height - 1)).to(tl.float32) / (height - 1)
    return y, lower, y < first_pixel(cell + 1, low_height, height)


@triton.jit
def load_columns(logits, stride_c, stride_y, stride_x, class_C11, cell_N, right_NX, mask_CNX):
    """(above_CNX, below_CNX): both low rows of a cell at the columns of the loss; ``logits`` points to the upper one.

    Outside of the mask 0.
    """
    left = logits + class_C11 * stride_c + cell_N[None, :, None] * stride_x + tl.zeros_like(right_NX).to(tl.int32)[None]
    above_CNX = tl.load(left, mask=mask_CNX, other=0.0) * (1 - right_NX)[None]
    above_CNX += tl.load(left + stride_x, mask=mask_CNX, other=0.0) * right_NX[None]
    below_CNX = tl.load(left + stride_y, mask=mask_CNX, other=0.0) * (1 - right_NX)[None]
    below_CNX += tl.load(left + stride_y + stride_x, mask=mask_CNX, other=0.0) * right_NX[None]
    return above_CNX, below_CNX


@triton.jit
def zero_corners(FILLED: tl.constexpr, CELLS: tl.constexpr):
    """Four sums (C, N) that nothing has been added to."""
    zero_CN = tl.zeros((FILLED, CELLS), tl.float32)
    return zero_CN, zero_CN, zero_CN, zero_CN


@triton.jit
def store_corners(corners, sums_4CN, row, cells_x, class_C, cell_N, CLASSES: tl.constexpr):
    """Writes the gradient of the corners of some cells of the ``row``-th row of cells of the batch."""
    mask_CN = (class_C < CLASSES)[:, None] & (cell_N < cells_x)[None, :]
    plane = CLASSES * cells_x
    place_CN = corners + row * 4 * plane + class_C[:, None] * cells_x + cell_N[None, :]
    for corner in tl.static_range(4):
        tl.store(place_CN + corner * plane, sums_4CN[corner], mask=mask_CN)

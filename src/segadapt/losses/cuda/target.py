"""Entropy and maximum squares on a CUDA device: from low logits to the loss and their gradient in one pass."""

import torch
import triton
import triton.language as tl

from segadapt.losses.cuda.cells import (
    CellGrid,
    columns_of,
    gather,
    load_columns,
    own_cells,
    row_of,
    store_corners,
    zero_corners,
)  # fmt: skip
from segadapt.losses.cuda.softmax import expm1_of_offset, first_class, log1p_of_others, top_softmax
from segadapt.losses.image_weight import ImageWeight, class_weights


def target_in_cells(
    objective: str,
    logits_BCHW: torch.Tensor,
    size: tuple[int, int],
    image_weight: ImageWeight | None,
    scale: float,
    wants_gradient: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """``scale`` times the (weighted) sum over pixels at ``size``, a 0-dim tensor, and its gradient (B, C, h, w).

    objective: "max_squares" or "entropy". logits_BCHW: float32, smaller than ``size`` on both axes. Nothing waits
    for the device.
    """
    batch, classes, *low = logits_BCHW.shape
    grid, device = CellGrid(batch, classes, tuple(low), size), logits_BCHW.device
    value = grid.empty(dtype=torch.float32, device=device)
    corners = grid.empty_corners(device) if wants_gradient else value
    with torch.cuda.device_of(logits_BCHW):
        weight_BC = None if image_weight is None else _image_weights(grid, logits_BCHW, image_weight.alpha)
        _target_kernel[grid.programs](
            logits_BCHW,
            *logits_BCHW.stride(),
            logits_BCHW if weight_BC is None else weight_BC,
            value,
            corners,
            *grid.lengths,
            OBJECTIVE=objective,
            WEIGHT="none" if image_weight is None else image_weight.index,
            GRADIENT=wants_gradient,
            **grid.constants,
        )
        loss = (value.sum(dtype=torch.float64) * scale).to(torch.float32)
        if not wants_gradient:
            return loss, None
        return loss, gather(corners, torch.full((), scale, device=device), logits_BCHW)


def _image_weights(grid: CellGrid, logits_BCHW: torch.Tensor, alpha: float) -> torch.Tensor:
    """w_c of every image (B, C), the pixels of each class counted on the device."""
    counts = grid.empty(grid.classes, dtype=torch.int32, device=logits_BCHW.device)
    _histogram_kernel[grid.programs](logits_BCHW, *logits_BCHW.stride(), counts, *grid.lengths, **grid.constants)
    return class_weights(counts.sum(dim=(1, 2)), alpha, torch.float32)


@triton.jit
def _histogram_kernel(
    logits, stride_b, stride_c, stride_y, stride_x, counts, low_height, low_width, height, width,
    CLASSES: tl.constexpr, FILLED: tl.constexpr, CELLS: tl.constexpr, COLUMNS: tl.constexpr, CHUNKS: tl.constexpr,
    ROWS: tl.constexpr,
):  # fmt: skip
    image, cell_y, cell_N, class_C, class_C11, real_C11 = own_cells(CLASSES, FILLED, CELLS)
    logits += image * stride_b + cell_y * stride_y
    count_C = tl.zeros((FILLED,), tl.int32)
    for chunk in range(CHUNKS):
        _x_NX, right_NX, inside_NX = columns_of(cell_N, chunk, low_width, width, COLUMNS)
        mask_CNX = real_C11 & inside_NX[None]
        above_CNX, below_CNX = load_columns(logits, stride_c, stride_y, stride_x, class_C11, cell_N, right_NX, mask_CNX)
        found_CNX = tl.zeros((FILLED, CELLS, COLUMNS), tl.int32)
        for step in range(ROWS):
            _y, lower, is_row = row_of(cell_y, step, low_height, height)
            logits_CNX = tl.where(real_C11, above_CNX * (1 - lower) + below_CNX * lower, float("-inf"))
            top_NX = first_class(logits_CNX == tl.max(logits_CNX, axis=0)[None], class_C11, CLASSES)
            found_CNX += ((class_C11 == top_NX[None]) & (inside_NX & is_row)[None]).to(tl.int32)
        count_C += tl.sum(tl.sum(found_CNX, axis=2), axis=1)
    program = (image * (low_height - 1) + cell_y) * tl.num_programs(0) + tl.program_id(0)
    tl.store(counts + program * CLASSES + class_C, count_C, mask=class_C < CLASSES)


@triton.jit
def _target_kernel(
    logits, stride_b, stride_c, stride_y, stride_x, weights, values, corners, low_height, low_width, height, width,
    CLASSES: tl.constexpr, FILLED: tl.constexpr, CELLS: tl.constexpr, COLUMNS: tl.constexpr, CHUNKS: tl.constexpr,
    ROWS: tl.constexpr, OBJECTIVE: tl.constexpr, WEIGHT: tl.constexpr, GRADIENT: tl.constexpr,
):  # fmt: skip
    image, cell_y, cell_N, class_C, class_C11, real_C11 = own_cells(CLASSES, FILLED, CELLS)
    logits += image * stride_b + cell_y * stride_y
    weights += image * CLASSES
    value_NX = tl.zeros((CELLS, COLUMNS), tl.float32)
    above_left_CN, above_right_CN, below_left_CN, below_right_CN = zero_corners(FILLED, CELLS)
    for chunk in range(CHUNKS):
        _x_NX, right_NX, inside_NX = columns_of(cell_N, chunk, low_width, width, COLUMNS)
        mask_CNX = real_C11 & inside_NX[None]
        above_CNX, below_CNX = load_columns(logits, stride_c, stride_y, stride_x, class_C11, cell_N, right_NX, mask_CNX)
        to_above_CNX = tl.zeros((FILLED, CELLS, COLUMNS), tl.float32)
        to_below_CNX = tl.zeros((FILLED, CELLS, COLUMNS), tl.float32)
        for step in range(ROWS):
            _y, lower, is_row = row_of(cell_y, step, low_height, height)
            counted_NX = inside_NX & is_row
            logits_CNX = above_CNX * (1 - lower) + below_CNX * lower
            offset_CNX, raised_CNX, others_NX = top_softmax(logits_CNX, real_C11)
            top_probability_NX = 1 / (1 + others_NX)
            probability_CNX = raised_CNX * top_probability_NX[None]
            if WEIGHT == "class":
                weight_C11 = tl.load(weights + class_C11, mask=real_C11, other=0.0)
                top_NX = first_class((offset_CNX == 0) & real_C11, class_C11, CLASSES)
                weight_top_NX = tl.load(weights + top_NX)
                if OBJECTIVE == "max_squares":
                    pixel_NX, slope_CNX = _weighted_squares(
                        offset_CNX, raised_CNX, probability_CNX, top_probability_NX, weight_C11, weight_top_NX
                    )
                else:
                    pixel_NX, slope_CNX = _weighted_entropy(
                        offset_CNX, probability_CNX, others_NX, weight_C11, weight_top_NX
                    )
            elif OBJECTIVE == "max_squares":
                pixel_NX, slope_CNX = _squares(offset_CNX, raised_CNX, probability_CNX, top_probability_NX)
            else:
                pixel_NX, slope_CNX = _entropy(offset_CNX, probability_CNX, others_NX)
            # As in segadapt.losses.stable_softmax.logit_gradient: the slope of the top class is 0.
            gradient_CNX = probability_CNX * (slope_CNX - tl.sum(probability_CNX * slope_CNX, axis=0)[None])
            if WEIGHT == "pixel":
                top_NX = first_class((offset_CNX == 0) & real_C11, class_C11, CLASSES)
                weight_NX = tl.load(weights + top_NX)
                pixel_NX *= weight_NX
                gradient_CNX *= weight_NX[None]
            value_NX += tl.where(counted_NX, pixel_NX, 0.0)
            if GRADIENT:
                gradient_CNX = tl.where(real_C11 & counted_NX[None], gradient_CNX, 0.0)
                to_above_CNX += gradient_CNX * (1 - lower)
                to_below_CNX += gradient_CNX * lower
        if GRADIENT:
            above_left_CN += tl.sum(to_above_CNX * (1 - right_NX)[None], axis=2)
            above_right_CN += tl.sum(to_above_CNX * right_NX[None], axis=2)
            below_left_CN += tl.sum(to_below_CNX * (1 - right_NX)[None], axis=2)
            below_right_CN += tl.sum(to_below_CNX * right_NX[None], axis=2)
    row = image * (low_height - 1) + cell_y
    tl.store(values + row * tl.num_programs(0) + tl.program_id(0), tl.sum(tl.sum(value_NX, axis=1), axis=0))
    if GRADIENT:
        sums_4CN = (above_left_CN, above_right_CN, below_left_CN, below_right_CN)
        store_corners(corners, sums_4CN, row, low_width - 1, class_C, cell_N, CLASSES)


@triton.jit
def _squares(offset_CNX, raised_CNX, probability_CNX, top_probability_NX):
    """``pixel_squares`` of :mod:`segadapt.losses.max_squares` without weights."""
    value_NX = tl.sum(probability_CNX * probability_CNX, axis=0)
    return value_NX, expm1_of_offset(offset_CNX, raised_CNX) * (2 * top_probability_NX)[None]


@triton.jit
def _weighted_squares(offset_CNX, raised_CNX, probability_CNX, top_probability_NX, weight_C11, weight_top_NX):
    """``pixel_squares`` of :mod:`segadapt.losses.max_squares` with a weight of each class."""
    value_NX = tl.sum(probability_CNX * probability_CNX * weight_C11, axis=0)
    near_CNX = (weight_C11 - weight_top_NX[None]) + weight_C11 * expm1_of_offset(offset_CNX, raised_CNX)
    far_CNX = weight_C11 * raised_CNX - weight_top_NX[None]
    slope_CNX = tl.where(offset_CNX > -0.6931472, near_CNX, far_CNX)
    return value_NX, slope_CNX * (2 * top_probability_NX)[None]


@triton.jit
def _entropy(offset_CNX, probability_CNX, others_NX):
    """``pixel_entropy`` of :mod:`segadapt.losses.entropy` without weights."""
    value_NX = log1p_of_others(others_NX) - tl.sum(probability_CNX * offset_CNX, axis=0)
    return value_NX, -offset_CNX


@triton.jit
def _weighted_entropy(offset_CNX, probability_CNX, others_NX, weight_C11, weight_top_NX):
    """``pixel_entropy`` of :mod:`segadapt.losses.entropy` with a weight of each class."""
    log_partition_NX = log1p_of_others(others_NX)
    value_NX = tl.sum((log_partition_NX[None] - offset_CNX) * probability_CNX * weight_C11, axis=0)
    slope_CNX = (weight_top_NX[None] - weight_C11) * (1 - log_partition_NX)[None]
    return value_NX, slope_CNX - weight_C11 * offset_CNX

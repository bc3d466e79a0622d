"""Cross-entropy on a CUDA device, with given labels, with guidance's and with the prediction's own."""

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
from segadapt.losses.cuda.softmax import at_class, expm1_of_offset, first_class, log1p_of_others, top_softmax
from segadapt.losses.weighting import UNWEIGHTED, Weighting


def given_in_cells(
    logits_BCHW: torch.Tensor,
    label_BHW: torch.Tensor,
    ignore_index: int,
    wants_gradient: bool,
    weighting: Weighting = UNWEIGHTED,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(weighted mean of -log p(label) over pixels that are not ignored, its gradient in the low logits (B, C, h, w)).

    logits_BCHW: float32, smaller than the labels on both axes. An id that is neither a class nor ignored makes the
    loss not a number. Nothing waits for the device, here and below.
    """
    label_BHW = label_BHW.contiguous()
    return _labelled("given", logits_BCHW, logits_BCHW, label_BHW, ignore_index, 0.0, wants_gradient, weighting)


def guided_in_cells(
    low_BCHW: torch.Tensor,
    final_BCHW: torch.Tensor,
    size: tuple[int, int],
    threshold: float,
    mask: str,
    wants_gradient: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The same with the labels of :func:`segadapt.losses.guidance`; both heads float32 and of one shape."""
    return _labelled(f"guided {mask}", low_BCHW, final_BCHW, size, 0, threshold, wants_gradient)


def own_in_cells(
    logits_BCHW: torch.Tensor, size: tuple[int, int], threshold: float, wants_gradient: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The same with the labels of :func:`segadapt.losses.hard_pseudo_label`."""
    return _labelled("own", logits_BCHW, logits_BCHW, size, 0, threshold, wants_gradient)


def _labelled(
    source: str,
    logits_BCHW: torch.Tensor,
    final_BCHW: torch.Tensor,
    label_or_size: torch.Tensor | tuple[int, int],
    ignore_index: int,
    threshold: float,
    wants_gradient: bool,
    weighting: Weighting = UNWEIGHTED,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    weighted = weighting.factor_BHW is not None
    given = isinstance(label_or_size, torch.Tensor)
    size = tuple(label_or_size.shape[1:]) if given else label_or_size
    batch, classes, *low = logits_BCHW.shape
    grid, device = CellGrid(batch, classes, tuple(low), size), logits_BCHW.device
    value = grid.empty(dtype=torch.float32, device=device)
    count = grid.empty(dtype=torch.int32, device=device)
    corners = grid.empty_corners(device) if wants_gradient else value
    with torch.cuda.device_of(logits_BCHW):
        _labelled_kernel[grid.programs](
            logits_BCHW,
            *logits_BCHW.stride(),
            final_BCHW,
            *final_BCHW.stride(),
            label_or_size if given else value,
            weighting.factor_BHW.contiguous() if weighted else value,
            value,
            count,
            corners,
            *grid.lengths,
            ignore_index,
            threshold,
            SOURCE=source,
            WEIGHTED=weighted,
            GRADIENT=wants_gradient,
            **grid.constants,
        )
        scale = count.sum().clamp(min=1).to(torch.float64).reciprocal()
        if weighting.denominator == "all":
            scale.fill_(1 / (batch * size[0] * size[1]))
        loss = (value.sum(dtype=torch.float64) * scale).to(torch.float32)
        return loss, gather(corners, scale.to(torch.float32), logits_BCHW) if wants_gradient else None


@triton.jit
def _labelled_kernel(
    logits, stride_b, stride_c, stride_y, stride_x, final, final_stride_b, final_stride_c, final_stride_y,
    final_stride_x, labels, weights, values, counts, corners, low_height, low_width, height, width, ignore_index,
    threshold, CLASSES: tl.constexpr, FILLED: tl.constexpr, CELLS: tl.constexpr, COLUMNS: tl.constexpr,
    CHUNKS: tl.constexpr, ROWS: tl.constexpr, SOURCE: tl.constexpr, WEIGHTED: tl.constexpr, GRADIENT: tl.constexpr,
):  # fmt: skip
    GUIDED: tl.constexpr = (SOURCE == "guided own") or (SOURCE == "guided winner")
    image, cell_y, cell_N, class_C, class_C11, real_C11 = own_cells(CLASSES, FILLED, CELLS)
    logits += image * stride_b + cell_y * stride_y
    final += image * final_stride_b + cell_y * final_stride_y
    value_NX = tl.zeros((CELLS, COLUMNS), tl.float32)
    count_NX = tl.zeros((CELLS, COLUMNS), tl.int32)
    above_left_CN, above_right_CN, below_left_CN, below_right_CN = zero_corners(FILLED, CELLS)
    for chunk in range(CHUNKS):
        x_NX, right_NX, inside_NX = columns_of(cell_N, chunk, low_width, width, COLUMNS)
        mask_CNX = real_C11 & inside_NX[None]
        above_CNX, below_CNX = load_columns(logits, stride_c, stride_y, stride_x, class_C11, cell_N, right_NX, mask_CNX)
        if GUIDED:
            final_above_CNX, final_below_CNX = load_columns(
                final, final_stride_c, final_stride_y, final_stride_x, class_C11, cell_N, right_NX, mask_CNX
            )
        to_above_CNX = tl.zeros((FILLED, CELLS, COLUMNS), tl.float32)
        to_below_CNX = tl.zeros((FILLED, CELLS, COLUMNS), tl.float32)
        for step in range(ROWS):
            y, lower, is_row = row_of(cell_y, step, low_height, height)
            counted_NX = inside_NX & is_row
            logits_CNX = above_CNX * (1 - lower) + below_CNX * lower
            offset_CNX, raised_CNX, others_NX = top_softmax(logits_CNX, real_C11)
            top_probability_NX = 1 / (1 + others_NX)
            probability_CNX = raised_CNX * top_probability_NX[None]
            if SOURCE == "given":
                place_NX = labels + (image * height + y) * width + x_NX
                id_NX = tl.load(place_NX, mask=counted_NX, other=0).to(tl.int64)
                kept_NX = id_NX != ignore_index
                foreign_NX = kept_NX & ((id_NX < 0) | (id_NX >= CLASSES))
                label_NX = tl.where(kept_NX & (foreign_NX == 0), id_NX, 0).to(tl.int32)
            elif SOURCE == "own":
                label_NX = first_class((offset_CNX == 0) & real_C11, class_C11, CLASSES)
                kept_NX = (top_probability_NX <= threshold) == 0
            else:
                final_CNX = final_above_CNX * (1 - lower) + final_below_CNX * lower
                _final_offset_CNX, final_raised_CNX, final_others_NX = top_softmax(final_CNX, real_C11)
                label_NX, kept_NX = _guided(
                    probability_CNX,
                    top_probability_NX,
                    final_raised_CNX,
                    final_others_NX,
                    class_C11,
                    threshold,
                    CLASSES,
                    SOURCE,
                )
            counted_NX = counted_NX & kept_NX
            offset_at_label_NX = at_class(offset_CNX, class_C11, label_NX)
            pixel_NX = log1p_of_others(others_NX) - offset_at_label_NX
            if SOURCE == "given":
                pixel_NX = tl.where(foreign_NX, float("nan"), pixel_NX)
            if WEIGHTED:
                weight_NX = tl.load(weights + (image * height + y) * width + x_NX, mask=counted_NX, other=0.0)
                pixel_NX *= weight_NX
            value_NX += tl.where(counted_NX, pixel_NX, 0.0)
            count_NX += counted_NX.to(tl.int32)
            if GRADIENT:
                # 1 - p_label is the share of the other classes: summed, not subtracted.
                missing_NX = expm1_of_offset(offset_at_label_NX, tl.exp(offset_at_label_NX))
                at_label_NX = (missing_NX - others_NX) * top_probability_NX
                gradient_CNX = tl.where(class_C11 == label_NX[None], at_label_NX[None], probability_CNX)
                if WEIGHTED:
                    gradient_CNX *= weight_NX[None]
                gradient_CNX = tl.where(real_C11 & counted_NX[None], gradient_CNX, 0.0)
                to_above_CNX += gradient_CNX * (1 - lower)
                to_below_CNX += gradient_CNX * lower
        if GRADIENT:
            above_left_CN += tl.sum(to_above_CNX * (1 - right_NX)[None], axis=2)
            above_right_CN += tl.sum(to_above_CNX * right_NX[None], axis=2)
            below_left_CN += tl.sum(to_below_CNX * (1 - right_NX)[None], axis=2)
            below_right_CN += tl.sum(to_below_CNX * right_NX[None], axis=2)
    row = image * (low_height - 1) + cell_y
    program = row * tl.num_programs(0) + tl.program_id(0)
    tl.store(values + program, tl.sum(tl.sum(value_NX, axis=1), axis=0))
    tl.store(counts + program, tl.sum(tl.sum(count_NX, axis=1), axis=0))
    if GRADIENT:
        sums_4CN = (above_left_CN, above_right_CN, below_left_CN, below_right_CN)
        store_corners(corners, sums_4CN, row, low_width - 1, class_C, cell_N, CLASSES)


@triton.jit
def _guided(
    probability_CNX, top_probability_NX, final_raised_CNX, final_others_NX, class_C11, threshold,
    CLASSES: tl.constexpr, SOURCE: tl.constexpr,
):  # fmt: skip
    """``pseudo_label`` of :mod:`segadapt.losses.guidance`: (label_NX, kept_NX)."""
    final_top_NX = 1 / (1 + final_others_NX)
    final_probability_CNX = final_raised_CNX * final_top_NX[None]
    sum_CNX = tl.where(class_C11 < CLASSES, probability_CNX + final_probability_CNX, -1.0)
    label_NX = first_class(sum_CNX == tl.max(sum_CNX, axis=0)[None], class_C11, CLASSES)
    sure_NX = top_probability_NX
    final_sure_NX = final_top_NX
    if SOURCE == "guided winner":
        sure_NX = at_class(probability_CNX, class_C11, label_NX)
        final_sure_NX = at_class(final_probability_CNX, class_C11, label_NX)
    # Written as "not below" in order that a NaN is kept and stops the training.
    return label_NX, ((sure_NX <= threshold) & (final_sure_NX <= threshold)) == 0

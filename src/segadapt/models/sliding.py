"""Windows that slide over an image: one batch, and what is said of them averaged where they overlap."""

from collections.abc import Callable

import torch
from torch import Tensor


def starts(side: int, window: int, stride: int) -> list[int]:
    """Where windows begin along a side: ``stride`` apart, the last one moved back so that it ends with the side.

    Source: mmsegmentation 0.16, ``EncoderDecoder.slide_inference``.
    """
    assert 0 < stride <= window <= side, f"windows of {window}, {stride} apart, on {side} pixels"
    count = max(side - window + stride - 1, 0) // stride + 1
    return [min(index * stride, side - window) for index in range(count)]


def slide(
    image_BCHW: Tensor, window: tuple[int, int], stride: tuple[int, int], predict: Callable[[Tensor], Tensor],
    cell: int = 1,
) -> Tensor:  # fmt: skip
    """The mean, at every place, of what ``predict`` says of the windows that hold it: (B, K, H / cell, W / cell).

    All windows go through ``predict`` as one batch, window by window: (N B, C, h, w) to (N B, K, h / cell, w / cell).
    ``cell`` is how many pixels each way one place of the result has; sides, windows and strides are multiples of it.
    """
    height, width = image_BCHW.shape[2:]
    corners = [
        (top, left) for top in starts(height, window[0], stride[0]) for left in starts(width, window[1], stride[1])
    ]
    cut_NBCHW = [image_BCHW[:, :, top : top + window[0], left : left + window[1]] for top, left in corners]
    said_NBKhw = predict(torch.cat(cut_NBCHW)).unflatten(0, (len(corners), len(image_BCHW)))
    if len(corners) == 1:
        return said_NBKhw[0]
    said_NBKhw = said_NBKhw.to(torch.promote_types(said_NBKhw.dtype, torch.float32))
    total_BKHW = said_NBKhw.new_zeros((*said_NBKhw.shape[1:3], height // cell, width // cell))
    count_HW = said_NBKhw.new_zeros(total_BKHW.shape[2:])
    high, wide = said_NBKhw.shape[3:]
    for (top, left), said_BKhw in zip(corners, said_NBKhw, strict=True):
        rows, columns = slice(top // cell, top // cell + high), slice(left // cell, left // cell + wide)
        total_BKHW[:, :, rows, columns] += said_BKhw
        count_HW[rows, columns] += 1
    return total_BKHW / count_HW

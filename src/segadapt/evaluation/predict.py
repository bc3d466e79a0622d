"""Predicted labels at any size from low-resolution logits.

The arithmetic that decides is bilinear ``interpolate`` (``align_corners=True``) of one class plane at a time;
``plain_labels`` writes it out. (Of several planes at once torch may round otherwise, by their number and memory
format.) On a CPU ``cells`` gives the same labels, all of them, for a small part of the work.
"""

import torch
from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.evaluation.cell_grid import cell_grid, upsample_plane
from segadapt.evaluation.cells import labels_by_cells
from segadapt.evaluation.pairs import on_host

NOT_FINITE = "the model's logits hold a value that is not finite; its weights have diverged, train it again"

_FEW_VALUES = 1 << 18
"""Upsampled logits: fewer are compared one by one before the cells are sorted out."""


@torch.no_grad()
def predict_labels(logits_BCHW: Tensor, size: tuple[int, int]) -> Tensor:
    """The most likely class of every pixel after bilinear upsampling (``align_corners=True``).

    Logits of the output size are never held. The lowest class id wins a tie.

    Args:
        logits_BCHW: Float logits at network resolution, any device, at most 255 classes; half
            precision is upsampled in float32, for bfloat16 arithmetic flips labels.
        size: (H, W) of the labels.

    Returns:
        uint8 labels of shape (B, H, W) on the logits' device, those of ``plain_labels`` for any logits.

    Raises:
        UserError: if a logit is not finite, or there are more than 255 classes.
    """
    if not torch.isfinite(logits_BCHW).all():
        raise UserError(NOT_FINITE)
    return unchecked_labels(logits_BCHW, size)


@torch.no_grad()
def unchecked_labels(logits_BCHW: Tensor, size: tuple[int, int]) -> Tensor:
    """As ``predict_labels``; what is not finite gives some label. A GPU is given work and not waited for."""
    if logits_BCHW.shape[1] > 255:
        raise UserError(f"at most 255 classes can be predicted, the logits hold {logits_BCHW.shape[1]}")
    logits_BCHW = logits_BCHW.to(torch.promote_types(logits_BCHW.dtype, torch.float32))
    return torch.stack([_labels(each, tuple(size)) for each in logits_BCHW])


def _labels(logits_CHW: Tensor, size: tuple[int, int]) -> Tensor:
    # A GPU has to be asked, and waited for, which cells are to be looked at, and takes all pixels as easily.
    if on_host(logits_CHW) and len(logits_CHW) * size[0] * size[1] >= _FEW_VALUES:
        grid = cell_grid(tuple(logits_CHW.shape[1:]), size, logits_CHW.dtype)
        label_HW = None if grid is None else labels_by_cells(logits_CHW, grid)
        if label_HW is not None:
            return label_HW
    return plain_labels(logits_CHW, size)


def plain_labels(logits_CHW: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 labels (H, W) from one class plane after the other; the lowest class id wins a tie.

    Each is upsampled and compared with the best so far: 8 bytes a pixel instead of 4 C.
    """

    def upsampled(plane_HW: Tensor) -> Tensor:
        return plane_HW if tuple(plane_HW.shape) == size else upsample_plane(plane_HW, size)

    best_HW = upsampled(logits_CHW[0]).clone()
    label_HW = torch.zeros(size, dtype=torch.uint8, device=logits_CHW.device)
    for class_id in range(1, len(logits_CHW)):
        plane_HW = upsampled(logits_CHW[class_id])
        label_HW.masked_fill_(plane_HW > best_HW, class_id)
        torch.maximum(best_HW, plane_HW, out=best_HW)
    return label_HW

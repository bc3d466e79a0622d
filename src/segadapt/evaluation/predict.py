"""Predicted labels at any size from low-resolution logits."""

import torch
import torch.nn.functional as F

from segadapt.core.errors import UserError


@torch.no_grad()
def predict_labels(logits_BCHW: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The most likely class of every pixel after bilinear upsampling (``align_corners=True``).

    One class plane at a time is upsampled and compared with the best so far, hence logits of the
    output size are never held: 8 bytes a pixel instead of 4 C. A pixel's label is that of
    the whole upsampled tensor's argmax (the lowest class id wins a tie), whatever its memory format.

    Args:
        logits_BCHW: Float logits at network resolution, any device, at most 255 classes; half
            precision is upsampled in float32, for bfloat16 arithmetic flips labels.
        size: (H, W) of the labels.

    Returns:
        uint8 labels of shape (B, H, W) on the logits' device.

    Raises:
        UserError: if a logit is not finite, or there are more than 255 classes.
    """
    if logits_BCHW.shape[1] > 255:
        raise UserError(f"at most 255 classes can be predicted, the logits hold {logits_BCHW.shape[1]}")
    if not torch.isfinite(logits_BCHW).all():
        raise UserError("the model's logits hold a value that is not finite; its weights have diverged, train it again")
    logits_BCHW = logits_BCHW.to(torch.promote_types(logits_BCHW.dtype, torch.float32))
    best_B1HW = _upsampled(logits_BCHW[:, :1], size)
    label_B1HW = torch.zeros(best_B1HW.shape, dtype=torch.uint8, device=logits_BCHW.device)
    for class_id in range(1, logits_BCHW.shape[1]):
        plane_B1HW = _upsampled(logits_BCHW[:, class_id : class_id + 1], size)
        label_B1HW.masked_fill_(plane_B1HW > best_B1HW, class_id)
        torch.maximum(best_B1HW, plane_B1HW, out=best_B1HW)
    return label_B1HW[:, 0]


def _upsampled(plane_B1HW: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    # A plane of a channels-last tensor has strides for which interpolate takes a slower kernel.
    plane_B1HW = plane_B1HW.contiguous(memory_format=torch.contiguous_format)
    return F.interpolate(plane_B1HW, size=tuple(size), mode="bilinear", align_corners=True)

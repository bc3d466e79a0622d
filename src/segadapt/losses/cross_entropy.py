"""Cross-entropy with labels, and the part of it that guidance shares."""

import torch

from segadapt.core.errors import UserError
from segadapt.labels import IGNORE_INDEX
from segadapt.losses.exact_gradient import exact_gradient_loss
from segadapt.losses.stable_softmax import TopSoftmax, top_softmax
from segadapt.losses.upsample import upsample


def cross_entropy(
    logits_BCHW: torch.Tensor,
    label_BHW: torch.Tensor,
    size: tuple[int, int] | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> torch.Tensor:
    """Mean of -log p(label) over the pixels that are not ignored, in nats; 0 if all are ignored.

    logits_BCHW: float, any device; computed in float32, or in float64 if given so.
    label_BHW: train ids of any integer dtype, at the loss's size: in [0, C), or ``ignore_index``.
    size: (H, W) the loss is defined at (bilinear, aligned corners); None for the logits' own.

    Returns a 0-dim tensor, once differentiable, 0 or more. UserError on a bad argument. Labels are
    validated when a data set is prepared; here any other id is a UserError on a CPU, where looking
    is free, and the device's own index assertion elsewhere, where looking would stall the step.
    Source: MaxSquareLoss ``tools/train_source.py`` (``nn.CrossEntropyLoss``, no class weights).
    """
    upsampled_BCHW = upsample(logits_BCHW, size)
    _check_label(label_BHW, upsampled_BCHW.shape)
    label_B1HW = label_BHW.long()[:, None]
    kept_B1HW = label_B1HW != ignore_index
    label_B1HW = torch.where(kept_B1HW, label_B1HW, 0)
    if label_B1HW.device.type == "cpu":
        _check_ids(label_B1HW, upsampled_BCHW.shape[1], ignore_index)

    def formula(logits_BCHW: torch.Tensor, wants_gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        return masked_cross_entropy(top_softmax(logits_BCHW), label_B1HW, kept_B1HW, wants_gradient)

    return exact_gradient_loss(upsampled_BCHW, formula)


def masked_cross_entropy(
    softmax: TopSoftmax, label_B1HW: torch.Tensor, kept_B1HW: torch.Tensor, wants_gradient: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(mean over kept pixels, d mean / d logits), both 0 if none is kept; overwrites the probabilities.

    label_B1HW: int64 in [0, C) everywhere, also where it is not kept. kept_B1HW: bool.
    """
    count = kept_B1HW.sum().clamp(min=1).to(softmax.offset_BCHW.dtype)
    offset_B1HW = softmax.offset_BCHW.gather(1, label_B1HW)
    value_B1HW = softmax.log_partition_B1HW - offset_B1HW
    loss = value_B1HW.where(kept_B1HW, 0).sum() / count
    if not wants_gradient:
        return loss, None
    # p_label - 1 is minus the share of the other classes: summed, not subtracted, when the label is the top class.
    others_B1HW = torch.where(
        label_B1HW == softmax.top_B1HW, softmax.others_B1HW, 1 + softmax.others_B1HW - offset_B1HW.exp()
    )
    at_label_B1HW = -others_B1HW / (1 + softmax.others_B1HW)
    gradient_BCHW = softmax.probability_BCHW.scatter_(1, label_B1HW, at_label_B1HW).div_(count)
    return loss, gradient_BCHW.masked_fill_(~kept_B1HW, 0)


def _check_label(label_BHW: torch.Tensor, shape_BCHW: torch.Size) -> None:
    batch, _, height, width = shape_BCHW
    if tuple(label_BHW.shape) != (batch, height, width):
        raise UserError(
            f"label_BHW has shape {tuple(label_BHW.shape)} but the loss is defined at {(batch, height, width)}; "
            "resize the labels or give their height and width as size."
        )
    if label_BHW.is_floating_point() or label_BHW.is_complex() or label_BHW.dtype == torch.bool:
        raise UserError(f"label_BHW has dtype {label_BHW.dtype}; give integer train ids.")


def _check_ids(label_B1HW: torch.Tensor, num_classes: int, ignore_index: int) -> None:
    lowest, highest = (int(each) for each in label_B1HW.aminmax())
    if lowest < 0 or highest >= num_classes:
        foreign = lowest if lowest < 0 else highest
        raise UserError(
            f"label_BHW holds the id {foreign}, which is neither a class of 0 to {num_classes - 1} nor the ignored "
            f"id {ignore_index}; map the label file's ids to train ids first."
        )

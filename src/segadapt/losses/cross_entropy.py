"""Cross-entropy with labels, and the part of it that guidance shares."""

import torch

from segadapt.core.errors import UserError
from segadapt.labels import IGNORE_INDEX
from segadapt.losses.cpu.labelled_bands import LabelOfBand, labelled_bands
from segadapt.losses.dispatch import in_bands, in_cells
from segadapt.losses.exact_gradient import exact_gradient_loss
from segadapt.losses.stable_softmax import TopSoftmax, top_softmax
from segadapt.losses.upsample import upsample, widen
from segadapt.losses.weighting import UNWEIGHTED, Weighting


def cross_entropy(
    logits_BCHW: torch.Tensor,
    label_BHW: torch.Tensor,
    size: tuple[int, int] | None = None,
    ignore_index: int = IGNORE_INDEX,
    pixel_weight_BHW: torch.Tensor | None = None,
    denominator: str = "valid",
) -> torch.Tensor:
    """Mean of -log p(label), each pixel by its weight, over the pixels that are not ignored, in nats; 0 if all are.

    logits_BCHW: float, any device; computed in float32, or in float64 if given so.
    label_BHW: train ids of any integer dtype, at the loss's size: in [0, C), or ``ignore_index``.
    size: (H, W) the loss is defined at (bilinear, aligned corners); None for the logits' own.
    pixel_weight_BHW: float factors at the loss's size, on the logits' device, without a gradient; None for ones.
    denominator: the weighted sum is divided by the number of pixels that are not ignored ("valid"), whatever their
        weights, or by that of all pixels of the batch ("all").

    Returns a 0-dim tensor, once differentiable in the logits. UserError on a bad argument. Labels are
    validated when a data set is prepared; here any other id is a UserError on a CPU, where looking
    is free. Elsewhere, where looking would stall the step, it makes the loss not a number in Triton's
    kernels and is the device's own index assertion in the plain form.
    Source: MaxSquareLoss ``tools/train_source.py`` (``nn.CrossEntropyLoss``, no class weights); DACS divides the loss
    of mixed images by all pixels (``trainUDA.py``).
    """
    wide_BCHW, size = widen(logits_BCHW, size)
    _check_label(label_BHW, (len(wide_BCHW), *size))
    num_classes = wide_BCHW.shape[1]
    weighting = Weighting.of(pixel_weight_BHW, denominator, label_BHW, wide_BCHW.dtype)

    def in_one_piece(logits_BCHW: torch.Tensor, wants_gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        label_B1HW, kept_B1HW = _ids(label_BHW[:, None], num_classes, ignore_index)
        return masked_cross_entropy(top_softmax(logits_BCHW), label_B1HW, kept_B1HW, wants_gradient, weighting)

    def label_of_image(index: int) -> LabelOfBand:
        return lambda band, _: _ids(label_BHW[index, band.output, None], num_classes, ignore_index)

    def by_bands(logits_BCHW: torch.Tensor, wants_gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        return labelled_bands(logits_BCHW, size, label_of_image, wants_gradient, weighting)

    def by_cells(logits_BCHW: torch.Tensor, wants_gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        from segadapt.losses.cuda.labelled import given_in_cells

        return given_in_cells(logits_BCHW, label_BHW, ignore_index, wants_gradient, weighting)

    if in_cells(size, wide_BCHW):
        return exact_gradient_loss(wide_BCHW, by_cells)
    if in_bands(wide_BCHW):
        return exact_gradient_loss(wide_BCHW, by_bands)
    return exact_gradient_loss(upsample(wide_BCHW, size), in_one_piece)


def masked_cross_entropy(
    softmax: TopSoftmax,
    label_B1HW: torch.Tensor,
    kept_B1HW: torch.Tensor,
    wants_gradient: bool,
    weighting: Weighting = UNWEIGHTED,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(mean over kept pixels, d mean / d logits), both 0 if none is kept; overwrites the probabilities.

    label_B1HW: int64 in [0, C) everywhere, also where it is not kept. kept_B1HW: bool.
    """
    count = kept_B1HW.sum().clamp(min=1).to(softmax.offset_BCHW.dtype)
    if weighting.denominator == "all":
        count = kept_B1HW.numel()
    offset_B1HW = softmax.offset_BCHW.gather(1, label_B1HW)
    value_B1HW = softmax.log_partition_B1HW - offset_B1HW
    if weighting.factor_BHW is not None:
        value_B1HW = value_B1HW * weighting.factor_BHW[:, None]
    loss = value_B1HW.where(kept_B1HW, 0).sum() / count
    if not wants_gradient:
        return loss, None
    # p_label - 1 is minus the share of the other classes: summed, not subtracted, when the label is the top class.
    others_B1HW = torch.where(
        label_B1HW == softmax.top_B1HW, softmax.others_B1HW, 1 + softmax.others_B1HW - offset_B1HW.exp()
    )
    at_label_B1HW = -others_B1HW / (1 + softmax.others_B1HW)
    gradient_BCHW = softmax.probability_BCHW.scatter_(1, label_B1HW, at_label_B1HW).div_(count)
    if weighting.factor_BHW is not None:
        gradient_BCHW.mul_(weighting.factor_BHW[:, None])
    return loss, gradient_BCHW.masked_fill_(~kept_B1HW, 0)


def _check_label(label_BHW: torch.Tensor, shape_BHW: tuple[int, int, int]) -> None:
    if tuple(label_BHW.shape) != shape_BHW:
        raise UserError(
            f"label_BHW has shape {tuple(label_BHW.shape)} but the loss is defined at {shape_BHW}; "
            "resize the labels or give their height and width as size."
        )
    if label_BHW.is_floating_point() or label_BHW.is_complex() or label_BHW.dtype == torch.bool:
        raise UserError(f"label_BHW has dtype {label_BHW.dtype}; give integer train ids.")


def _ids(label: torch.Tensor, num_classes: int, ignore_index: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(int64 label with 0 where it is ignored, whether it is kept); on a CPU a UserError for any other id."""
    label = label.long()
    kept = label != ignore_index
    label = torch.where(kept, label, 0)
    if label.device.type == "cpu":
        lowest, highest = (int(each) for each in label.aminmax())
        if lowest < 0 or highest >= num_classes:
            foreign = lowest if lowest < 0 else highest
            raise UserError(
                f"label_BHW holds the id {foreign}, which is neither a class of 0 to {num_classes - 1} nor the "
                f"ignored id {ignore_index}; map the label file's ids to train ids first."
            )
    return label, kept

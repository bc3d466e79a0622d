"""Cross-entropy against the prediction's own confident labels: the "hard" target loss of the released code."""

import torch

from segadapt.core.errors import UserError
from segadapt.losses.cpu.band_softmax import BandSoftmax, top_class
from segadapt.losses.cpu.interpolation import Span
from segadapt.losses.cpu.labelled_bands import labelled_bands
from segadapt.losses.cross_entropy import masked_cross_entropy
from segadapt.losses.dispatch import in_bands, in_cells
from segadapt.losses.exact_gradient import exact_gradient_loss
from segadapt.losses.stable_softmax import top_softmax
from segadapt.losses.upsample import upsample, widen


def hard_pseudo_label(
    logits_BCHW: torch.Tensor, size: tuple[int, int] | None = None, threshold: float = 0.95
) -> torch.Tensor:
    """Mean of -log p_top over the pixels whose largest probability exceeds ``threshold``; 0 if none does.

    logits_BCHW: float, any device; computed in float32, or in float64 if given so.
    size: (H, W) the loss is defined at (bilinear, aligned corners); None for the logits' own.
    threshold: in (0, 1), exceeded strictly.

    Returns a 0-dim tensor in nats, once differentiable, in [0, -log threshold]. UserError on a bad argument.
    Source: MaxSquareLoss ``tools/solve_gta5.py`` (target mode "hard"); not in the paper's tables.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold < 1:
        raise UserError(f"threshold is {threshold!r}; give a probability between 0 and 1.")

    wide_BCHW, size = widen(logits_BCHW, size)

    def in_one_piece(logits_BCHW: torch.Tensor, wants_gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        softmax = top_softmax(logits_BCHW)
        # Written as "not below" in order that a NaN is kept and stops the training.
        kept_B1HW = ~(softmax.probability_top_B1HW <= threshold)
        return masked_cross_entropy(softmax, softmax.top_B1HW, kept_B1HW, wants_gradient)

    def label_of_band(band: Span, softmax: BandSoftmax) -> tuple[torch.Tensor, torch.Tensor]:
        label_R1W = top_class(softmax.scratch_RCW.copy_(softmax.offset_RCW))
        return label_R1W, softmax.top_R1W > threshold

    def by_bands(logits_BCHW: torch.Tensor, wants_gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        return labelled_bands(logits_BCHW, size, lambda index: label_of_band, wants_gradient)

    def by_cells(logits_BCHW: torch.Tensor, wants_gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        from segadapt.losses.cuda.labelled import own_in_cells

        return own_in_cells(logits_BCHW, size, threshold, wants_gradient)

    if in_cells(size, wide_BCHW):
        return exact_gradient_loss(wide_BCHW, by_cells)
    if in_bands(wide_BCHW):
        return exact_gradient_loss(wide_BCHW, by_bands)
    return exact_gradient_loss(upsample(wide_BCHW, size), in_one_piece)

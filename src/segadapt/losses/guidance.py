"""Multi-level self-produced guidance: Eq. 14-15 of the paper."""

import torch

from segadapt.core.errors import UserError
from segadapt.losses.cpu.band_image import BandImage, Buffers
from segadapt.losses.cpu.band_softmax import BandSoftmax, band_softmax, top_class
from segadapt.losses.cpu.interpolation import Span
from segadapt.losses.cpu.labelled_bands import LabelOfBand, LabelOfImage, labelled_bands
from segadapt.losses.cross_entropy import masked_cross_entropy
from segadapt.losses.dispatch import in_bands, in_cells
from segadapt.losses.exact_gradient import exact_gradient_loss
from segadapt.losses.stable_softmax import TopSoftmax, top_softmax
from segadapt.losses.upsample import check_logits, upsample, widen

MASKS = ("own", "winner")


def guidance(
    logits_low_BCHW: torch.Tensor,
    logits_final_BCHW: torch.Tensor,
    size: tuple[int, int] | None = None,
    threshold: float = 0.95,
    mask: str = "own",
) -> torch.Tensor:
    """Cross-entropy of the low head against the labels that both heads agree on together.

    The label of a pixel is the most probable class of the average of both soft-max maps, the first
    one of several. A pixel counts if either map exceeds ``threshold``. The mean runs over the
    counted pixels of all images together; without any the loss is 0 with a zero gradient. A pixel
    that is not a number counts, so that it reaches the loss.

    logits_low_BCHW, logits_final_BCHW: float, equal batch and classes, any device; computed in
        float32, or in float64 if given so. The gradient goes into the low logits only.
    size: (H, W) the loss is defined at (bilinear, aligned corners); None for the logits' own.
    threshold: in (0, 1), exceeded strictly.
    mask: "own" looks at each map's own largest probability (released code), "winner" at its
        probability of the label (Eq. 15).

    Returns a 0-dim tensor in nats, once differentiable, 0 or more. UserError on a bad argument.
    Source: paper Eq. 14-15; MaxSquareLoss ``tools/solve_gta5.py`` (``train_one_epoch``).
    """
    _check(logits_low_BCHW, logits_final_BCHW, size, threshold, mask)
    wide_low_BCHW, size = widen(logits_low_BCHW, size)
    with torch.no_grad():
        wide_final_BCHW, _ = widen(logits_final_BCHW, size)

    def in_one_piece(logits_BCHW: torch.Tensor, wants_gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        low, final = top_softmax(logits_BCHW), top_softmax(upsample(wide_final_BCHW, size))
        label_B1HW, kept_B1HW = pseudo_label(low, final, threshold, mask)
        return masked_cross_entropy(low, label_B1HW, kept_B1HW, wants_gradient)

    def by_bands(logits_BCHW: torch.Tensor, wants_gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        labels = _bands_of_labels(wide_final_BCHW, size, threshold, mask)
        return labelled_bands(logits_BCHW, size, labels, wants_gradient)

    def by_cells(logits_BCHW: torch.Tensor, wants_gradient: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        from segadapt.losses.cuda.labelled import guided_in_cells

        return guided_in_cells(logits_BCHW, wide_final_BCHW, size, threshold, mask, wants_gradient)

    if in_cells(size, wide_low_BCHW, wide_final_BCHW):
        return exact_gradient_loss(wide_low_BCHW, by_cells)
    if in_bands(wide_low_BCHW, wide_final_BCHW):
        return exact_gradient_loss(wide_low_BCHW, by_bands)
    return exact_gradient_loss(upsample(wide_low_BCHW, size), in_one_piece)


def pseudo_label(low: TopSoftmax, final: TopSoftmax, threshold: float, mask: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(label_B1HW int64 in [0, C), kept_B1HW bool) by the rule of :func:`guidance`."""
    # The sum of the maps has the arg-max of their average.
    label_B1HW = (low.probability_BCHW + final.probability_BCHW).max(dim=1, keepdim=True).indices
    if mask == "own":
        sure_low_B1HW, sure_final_B1HW = low.probability_top_B1HW, final.probability_top_B1HW
    else:
        sure_low_B1HW = low.probability_BCHW.gather(1, label_B1HW)
        sure_final_B1HW = final.probability_BCHW.gather(1, label_B1HW)
    # Written as "not below" in order that a NaN is kept and stops the training.
    return label_B1HW, ~((sure_low_B1HW <= threshold) & (sure_final_B1HW <= threshold))


def _bands_of_labels(final_BCHW: torch.Tensor, size: tuple[int, int], threshold: float, mask: str) -> LabelOfImage:
    """:func:`pseudo_label` a band at a time, the final head's logits in buffers of their own."""
    buffers = Buffers(2, (final_BCHW.shape[1], *size), final_BCHW.dtype)

    def label_of_image(index: int) -> LabelOfBand:
        image = BandImage(final_BCHW[index], size)

        def label_of_band(band: Span, low: BandSoftmax) -> tuple[torch.Tensor, torch.Tensor]:
            logits_RCW, raised_RCW = buffers.of(band)
            final = band_softmax(image.form(image.band_of(band.output), logits_RCW), raised_RCW, logits_RCW)
            top_low_R1W, top_final_R1W = low.top_R1W, final.top_R1W
            sum_RCW = torch.mul(low.raised_RCW, top_low_R1W, out=low.scratch_RCW)
            label_R1W = top_class(sum_RCW.addcmul_(final.raised_RCW, top_final_R1W))
            if mask == "winner":
                top_low_R1W *= low.raised_RCW.gather(1, label_R1W)
                top_final_R1W *= final.raised_RCW.gather(1, label_R1W)
            return label_R1W, (top_low_R1W > threshold) | (top_final_R1W > threshold)

        return label_of_band

    return label_of_image


def _check(
    low_BCHW: torch.Tensor, final_BCHW: torch.Tensor, size: tuple[int, int] | None, threshold: float, mask: str
) -> None:
    check_logits(low_BCHW, "logits_low_BCHW")
    check_logits(final_BCHW, "logits_final_BCHW")
    if low_BCHW.shape[:2] != final_BCHW.shape[:2]:
        raise UserError(
            f"logits_low_BCHW has batch and classes {tuple(low_BCHW.shape[:2])} but logits_final_BCHW has "
            f"{tuple(final_BCHW.shape[:2])}; give both heads' logits of the same images and classes."
        )
    if size is None and low_BCHW.shape != final_BCHW.shape:
        raise UserError(
            f"logits_low_BCHW is {tuple(low_BCHW.shape[2:])} and logits_final_BCHW {tuple(final_BCHW.shape[2:])} "
            "in height and width; give the size the loss is defined at."
        )
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold < 1:
        raise UserError(f"threshold is {threshold!r}; give a probability between 0 and 1.")
    if mask not in MASKS:
        raise UserError(f'mask is {mask!r}; give "own" or "winner".')

"""One image's logits at the size of a loss, formed a band of rows at a time, and the gradient's way back."""

import torch

from segadapt.losses.cpu.interpolation import Span, spans

BAND_BYTES = 768 * 1024
"""A band's logits: with the two other buffers of a loss they stay in a core's second-level cache, or nearly."""

COLUMNS = 128
"""Columns interpolated by one matrix product: few enough that the matrix is dense, enough to fill the product."""


class BandImage:
    """Logits (C, h, w) of one image, seen at ``size``; only (h, C, W) and one band are ever held.

    ``gradient_CHW``, if given, receives the sum of what :meth:`add` was given, on a call of :meth:`finish`.
    """

    def __init__(
        self, logits_CHW: torch.Tensor, size: tuple[int, int], gradient_CHW: torch.Tensor | None = None
    ) -> None:
        num_classes, height, width = logits_CHW.shape
        self.shape = num_classes, *size
        self.rows = band_rows(self.shape, logits_CHW.dtype)
        self.bands = spans(height, size[0], self.rows, logits_CHW.dtype)
        self._columns = spans(width, size[1], COLUMNS, logits_CHW.dtype)
        self._copies = (height, width) == size
        logits_HCW = logits_CHW.permute(1, 0, 2)
        self._wide_HCW = logits_HCW if self._copies else self._widen(logits_HCW)
        self._gradient_HCW = None if gradient_CHW is None else gradient_CHW.permute(1, 0, 2)
        if gradient_CHW is not None and not self._copies:
            self._wide_gradient_HCW = torch.zeros_like(self._wide_HCW)

    def band_of(self, output: slice) -> Span:
        """The band of these output rows, which are those of a band of another image of this shape."""
        return self.bands[output.start // self.rows]

    def form(self, band: Span, out_RCW: torch.Tensor) -> torch.Tensor:
        """The logits of a band of rows, written over ``out_RCW``."""
        if band.weight_OI is None:
            return out_RCW.copy_(self._wide_HCW[band.input])
        torch.mm(band.weight_OI, self._wide_HCW[band.input].flatten(1), out=out_RCW.flatten(1))
        return out_RCW

    def add(self, band: Span, gradient_RCW: torch.Tensor) -> None:
        """Takes d loss / d logits of a band of rows."""
        if self._copies:
            self._gradient_HCW[band.output] = gradient_RCW
        elif band.weight_OI is None:
            self._wide_gradient_HCW[band.input] += gradient_RCW
        else:
            self._wide_gradient_HCW[band.input].flatten(1).addmm_(band.weight_OI.T, gradient_RCW.flatten(1))

    def finish(self) -> None:
        """Writes the gradient with respect to the logits given."""
        if self._copies:
            return
        if self._columns[0].weight_OI is None:
            self._gradient_HCW.copy_(self._wide_gradient_HCW)
            return
        wide_NW = self._wide_gradient_HCW.flatten(0, 1)
        narrow_NW = wide_NW.new_zeros(len(wide_NW), self._gradient_HCW.shape[2])
        for span in self._columns:
            narrow_NW[:, span.input].addmm_(wide_NW[:, span.output], span.weight_OI)
        self._gradient_HCW.copy_(narrow_NW.view(self._gradient_HCW.shape))

    def _widen(self, logits_HCW: torch.Tensor) -> torch.Tensor:
        narrow_HCW = logits_HCW.contiguous()
        if self._columns[0].weight_OI is None:
            return narrow_HCW
        height, num_classes, _ = narrow_HCW.shape
        wide_HCW = narrow_HCW.new_empty(height, num_classes, self.shape[2])
        narrow_NW, wide_NW = narrow_HCW.flatten(0, 1), wide_HCW.flatten(0, 1)
        for span in self._columns:
            torch.mm(narrow_NW[:, span.input], span.weight_OI.T, out=wide_NW[:, span.output])
        return wide_HCW


class Buffers:
    """The working memory of one call: ``number`` tensors of a band's shape for an image of ``shape_CHW``."""

    def __init__(self, number: int, shape_CHW: tuple[int, int, int], dtype: torch.dtype) -> None:
        num_classes, _, width = shape_CHW
        rows = band_rows(shape_CHW, dtype)
        self._all = [torch.empty(rows, num_classes, width, dtype=dtype) for _ in range(number)]

    def of(self, band: Span) -> list[torch.Tensor]:
        """The buffers cut to a band's height."""
        return [each[: band.output.stop - band.output.start] for each in self._all]


def band_rows(shape_CHW: tuple[int, int, int], dtype: torch.dtype) -> int:
    """Rows of a band: as many as ``BAND_BYTES`` hold, at least one, all bands of nearly equal height."""
    num_classes, height, width = shape_CHW
    most = min(max(BAND_BYTES // (num_classes * width * dtype.itemsize), 1), height)
    bands = -(-height // most)
    return -(-height // bands)

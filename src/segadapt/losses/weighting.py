"""How a labelled loss weighs its pixels, and what it divides their sum by."""

from typing import NamedTuple

import torch

from segadapt.core.errors import UserError

DENOMINATORS = ("valid", "all")


class Weighting(NamedTuple):
    """``factor_BHW``: of each pixel, in the dtype of the logits; None for ones. ``denominator``: the sum over pixels
    is divided by the number of those that are not ignored ("valid"), at least 1, or of all in the batch ("all").
    """

    factor_BHW: torch.Tensor | None = None
    denominator: str = "valid"

    @classmethod
    def of(
        cls, weight_BHW: torch.Tensor | None, denominator: str, label_BHW: torch.Tensor, dtype: torch.dtype
    ) -> "Weighting":
        """That of a loss with these labels; UserError for weights that don't fit them, or an unknown denominator."""
        if denominator not in DENOMINATORS:
            raise UserError(f'denominator is {denominator!r}; give "valid" or "all".')
        if weight_BHW is None:
            return cls(None, denominator)
        if weight_BHW.shape != label_BHW.shape or not weight_BHW.is_floating_point():
            raise UserError(
                f"pixel_weight_BHW is {weight_BHW.dtype} of shape {tuple(weight_BHW.shape)}; give a float for each "
                f"pixel of the labels, {tuple(label_BHW.shape)}."
            )
        return cls(weight_BHW.detach().to(dtype), denominator)


UNWEIGHTED = Weighting()

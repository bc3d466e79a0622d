"""From network logits to logits at the size a loss is defined at."""

import torch
import torch.nn.functional as F

from segadapt.core.errors import UserError


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """float64 stays float64; every other float is computed in float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def check_logits(logits_BCHW: torch.Tensor, name: str = "logits_BCHW") -> None:
    """UserError unless the tensor is floating point with four axes, none of them empty."""
    if logits_BCHW.dim() != 4 or 0 in logits_BCHW.shape:
        raise UserError(
            f"{name} has shape {tuple(logits_BCHW.shape)}; give a tensor of shape (batch, classes, height, width) "
            "with no empty axis."
        )
    if not logits_BCHW.is_floating_point():
        raise UserError(f"{name} has dtype {logits_BCHW.dtype}; give floating-point logits.")


def check_size(size: tuple[int, int] | None) -> None:
    """UserError unless ``size`` is None or two positive whole numbers (height, width)."""
    if size is None:
        return
    if len(size) != 2 or not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in size):
        raise UserError(f"size is {size!r}; give (height, width) as two positive whole numbers, or None.")


def widen(logits_BCHW: torch.Tensor, size: tuple[int, int] | None) -> tuple[torch.Tensor, tuple[int, int]]:
    """The logits in float32 or float64, at their own size, and the (H, W) the loss is defined at.

    Half-precision logits are widened before anything is computed. Differentiable. UserError on a wrong shape, dtype
    or size.
    """
    check_logits(logits_BCHW)
    check_size(size)
    return logits_BCHW.to(compute_dtype(logits_BCHW.dtype)), tuple(size or logits_BCHW.shape[2:])


def upsample(logits_BCHW: torch.Tensor, size: tuple[int, int] | None) -> torch.Tensor:
    """Logits at ``size`` (H, W), bilinear with aligned corners, in float32 or float64.

    ``size=None`` keeps the logits' own size. Half-precision logits are widened before they are
    interpolated. Differentiable. UserError on a wrong shape, dtype or size.

    Source: MaxSquareLoss ``tools/solve_gta5.py`` (``F.interpolate(..., align_corners=True)``).
    """
    wide_BCHW, size = widen(logits_BCHW, size)
    if size == tuple(wide_BCHW.shape[2:]):
        return wide_BCHW
    return F.interpolate(wide_BCHW, size=size, mode="bilinear", align_corners=True)

"""One autograd function for every loss whose logit gradient is known in closed form."""

from collections.abc import Callable

import torch
from torch.autograd.function import once_differentiable

Formula = Callable[[torch.Tensor, bool], tuple[torch.Tensor, torch.Tensor | None]]
"""(logits_BCHW, wants_gradient) -> (0-dim loss, d loss / d logits_BCHW or None if not wanted)."""


class _ExactGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits_BCHW: torch.Tensor, formula: Formula) -> torch.Tensor:
        loss, gradient_BCHW = formula(logits_BCHW, True)
        ctx.save_for_backward(gradient_BCHW)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        (gradient_BCHW,) = ctx.saved_tensors
        return gradient_BCHW * upstream, None


def exact_gradient_loss(logits_BCHW: torch.Tensor, formula: Formula) -> torch.Tensor:
    """The 0-dim loss of ``formula``, once differentiable in the logits.

    The loss is a scalar, so its gradient is formed in the forward pass and the backward pass only
    scales it; that one tensor is all that is kept, and nothing when no gradient is asked for.
    """
    if torch.is_grad_enabled() and logits_BCHW.requires_grad:
        return _ExactGradient.apply(logits_BCHW, formula)
    with torch.no_grad():
        return formula(logits_BCHW, False)[0]

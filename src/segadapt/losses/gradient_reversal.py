"""Gradient reversal: what minimises a loss behind it maximises that loss before it (Ganin and Lempitsky 2015)."""

import math

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features: Tensor, coefficient: float) -> Tensor:
        ctx.coefficient = coefficient
        return features.view_as(features)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, None]:
        return upstream * -ctx.coefficient, None


def reverse_gradient(features: Tensor, coefficient: float) -> Tensor:
    """The features as they are; their gradient is that behind them times ``-coefficient``."""
    return _Reversal.apply(features, coefficient)


def ramp(progress: float, steepness: float = 10.0) -> float:
    """The coefficient at ``progress`` in [0, 1] of training: from 0 to almost 1, 2 / (1 + exp(-steepness p)) - 1.

    Source: Ganin et al., JMLR 2016, section 5.2.2 (steepness 10).
    """
    return 2.0 / (1.0 + math.exp(-steepness * progress)) - 1.0

"""Bilinear interpolation with aligned corners as small matrices, one axis and one span of outputs at a time.

The interpolation is linear and separable, so that a span of output rows is a (rows, 2 to a few) matrix times the
input rows it lies between, and the gradient's way back is the transposed matrix.
"""

import functools
from typing import NamedTuple

import torch
import torch.nn.functional as F


class Span(NamedTuple):
    """Neighbouring outputs of one axis, the inputs that they are made of, and how.

    weight_OI: (outputs, inputs); None where the axis keeps its length.
    """

    output: slice
    input: slice
    weight_OI: torch.Tensor | None


@functools.lru_cache(maxsize=64)
def spans(length_in: int, length_out: int, longest: int, dtype: torch.dtype) -> tuple[Span, ...]:
    """The outputs of one axis in spans of at most ``longest``, in order. On the CPU, in float32 or float64."""
    pieces = [slice(start, min(start + longest, length_out)) for start in range(0, length_out, longest)]
    if length_in == length_out:
        return tuple(Span(piece, piece, None) for piece in pieces)
    weight_OI = interpolation_matrix(length_in, length_out, dtype)
    made = []
    for piece in pieces:
        used = weight_OI[piece].any(dim=0).nonzero().flatten().tolist()
        inputs = slice(used[0], used[-1] + 1)
        made.append(Span(piece, inputs, weight_OI[piece, inputs].clone()))
    return tuple(made)


def interpolation_matrix(length_in: int, length_out: int, dtype: torch.dtype) -> torch.Tensor:
    """(length_out, length_in): what ``F.interpolate`` makes of the unit vectors, so that its rounding is kept too."""
    unit_vectors = torch.eye(length_in, dtype=dtype)[None]
    return F.interpolate(unit_vectors, length_out, mode="linear", align_corners=True)[0].T

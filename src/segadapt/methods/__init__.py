"""One file a method: what a model minimises on target images.

A method's file defines ``build(method, protocol) -> Objective``. ``method`` is the entry of
``params.yaml`` (with the file's own ``options``), ``protocol`` the active switches. The objective gets
a ``Prediction`` on a batch of target images and the size its losses are defined at, and returns a scalar
that the trainer multiplies by ``lambda_target``. Where target images carry pseudo-labels, these are a third argument.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Prediction:
    """Logits at network resolution; ``logits_low_BCHW`` is None without the auxiliary head."""

    logits_final_BCHW: Tensor
    logits_low_BCHW: Tensor | None


Objective = Callable[..., Tensor]

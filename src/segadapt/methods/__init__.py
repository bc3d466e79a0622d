"""One file a method: what a model minimises on target images.

A method's file defines ``build(method, protocol) -> Objective``. ``method`` is the entry of
``params.yaml`` (with the file's own ``options``), ``protocol`` the active switches. The objective gets
a ``Prediction`` on a batch of target images and the size its losses are defined at, and returns a scalar
that the trainer multiplies by ``lambda_target``. Where target images carry pseudo-labels, these are a third argument.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Prediction:
    """Logits at network resolution; ``logits_low_BCHW`` is None without the auxiliary head.

    ``features_BFHW``, which only classifiers give, are what their logits are a linear function of.
    """

    logits_final_BCHW: Tensor
    logits_low_BCHW: Tensor | None
    features_BFHW: Tensor | None = None

    def split(self, first: int) -> tuple["Prediction", "Prediction"]:
        """Those on the first images of the batch, and those on the others."""
        tensors = (self.logits_final_BCHW, self.logits_low_BCHW, self.features_BFHW)
        return (
            Prediction(*(None if each is None else each[:first] for each in tensors)),
            Prediction(*(None if each is None else each[first:] for each in tensors)),
        )


Objective = Callable[..., Tensor]


class Adversary(Protocol):
    """What the trainer knows of a method's adversary; it learns beside the network, by its own optimiser.

    ``columns`` name the losses that ``learn`` returns; ``learning_rate`` is the adversary's at step 0. A size is the
    (H, W) of the images that a prediction was made for.
    """

    columns: tuple[str, ...]
    learning_rate: float

    def generator_loss(self, target: Prediction, size: tuple[int, int]) -> Tensor: ...

    def learn(
        self, source: Prediction, source_size: tuple[int, int], target: Prediction, target_size: tuple[int, int],
        learning_rate: float,
    ) -> tuple[Tensor, ...]: ...  # fmt: skip

    def tensors(self) -> dict[str, Tensor]: ...

    def load(self, stored: Mapping[str, Tensor]) -> None: ...


class FeatureAdversary(Protocol):
    """What the trainer knows of an adversary that learns with the network, on joint batches (``methods/dann.py``)."""

    columns: tuple[str, ...]

    def loss(self, source: Prediction, target: Prediction, progress: float) -> tuple[Tensor, Tensor]: ...

    def tensors(self) -> dict[str, Tensor]: ...

    def load(self, stored: Mapping[str, Tensor]) -> None: ...


AnyAdversary = Adversary | FeatureAdversary

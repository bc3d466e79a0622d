"""What a method is told of its job."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from segadapt.core.parameters import BatchNormPolicy
from segadapt.losses import ImageWeight
from segadapt.methods.passes import Prediction
from segadapt.models import Network

Guidance = Callable[[Prediction, tuple[int, int]], Tensor]
"""(prediction, the (H, W) it is for) -> a term of the loss on target images."""


@dataclass(frozen=True)
class Settings:
    """A method's entry of ``params.yaml``, the switches of the protocol, and what holds for the run.

    The network is updated every ``accumulate`` steps.
    ``options`` are the file's ``Options``, None if it has none; ``batch_norm`` is what holds for the network.
    ``initial`` makes that network with its initial weights, for a method with an option of features.
    """

    lambda_target: float = 0.0
    protocol: Mapping[str, Any] = field(default_factory=dict)
    options: Any = None
    image_weight: ImageWeight | None = None
    guidance: Guidance | None = None
    adversarial: Mapping[str, Any] | None = None
    auxiliary_weight: float = 0.1
    accumulate: int = 1
    joint_batch: bool = False
    batch_norm: BatchNormPolicy = field(default_factory=BatchNormPolicy)
    seed: int = 0
    initial: Callable[[], Network] | None = None

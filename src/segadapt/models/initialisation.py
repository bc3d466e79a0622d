"""Initial weights that depend on the seed and the parameter's name only."""

import hashlib
import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from segadapt.core.errors import UserError
from segadapt.models.network import Network

SCHEMES = ("released", "kaiming", "torch")
RELEASED_STD = 0.01
HIDDEN = ".hidden"
"""How a head's convolution is named that a ReLU follows; only the last one makes logits."""
LINEAR_STD = 0.02
_NORMALISATIONS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm)
TRUNCATED_AT = 2.0
"""Standard deviations at which a truncated normal ends."""

Model = TypeVar("Model", bound=nn.Module)


class Draws:
    """One stream a tensor, by its name: adding a head or changing the class count leaves every other draw alone."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def normal(self, tensor: Tensor, name: str, std: float) -> None:
        """Fills the tensor from N(0, std²)."""
        self._fill(tensor, std * torch.randn(tensor.shape, generator=self._generator(name)))

    def truncated_normal(self, tensor: Tensor, name: str, std: float) -> None:
        """Fills the tensor from N(0, std²) between -2 and 2 standard deviations."""
        area = math.erf(TRUNCATED_AT / math.sqrt(2.0))
        uniform = 2.0 * torch.rand(tensor.shape, generator=self._generator(name), dtype=torch.float64) - 1.0
        self._fill(tensor, std * math.sqrt(2.0) * torch.erfinv(area * uniform))

    def uniform(self, tensor: Tensor, name: str, fan_in: int) -> None:
        """Fills the tensor uniformly in ±1/sqrt(fan_in)."""
        self._fill(tensor, (2.0 * torch.rand(tensor.shape, generator=self._generator(name)) - 1.0) / math.sqrt(fan_in))

    def _generator(self, name: str) -> torch.Generator:
        digest = hashlib.sha256(f"{self._seed}:{name}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    @staticmethod
    def _fill(tensor: Tensor, draw: Tensor) -> None:
        with torch.no_grad():
            tensor.copy_(draw)


def _convolution(module: nn.Conv2d, name: str, draws: Draws, scheme: str, is_head: bool) -> None:
    fan_in = module.weight[0].numel()
    if scheme == "torch":
        for kind, tensor in module.named_parameters():
            draws.uniform(tensor, f"{name}.{kind}", fan_in)
        return
    is_last = is_head and not name.endswith(HIDDEN)
    std = RELEASED_STD if scheme == "released" or is_last else math.sqrt(2.0 / fan_in)
    draws.normal(module.weight, f"{name}.weight", std)
    if module.bias is None:
        return
    if scheme == "released":
        draws.uniform(module.bias, f"{name}.bias", fan_in)
    else:
        nn.init.zeros_(module.bias)


def _linear(module: nn.Linear, name: str, draws: Draws) -> None:
    draws.truncated_normal(module.weight, f"{name}.weight", LINEAR_STD)
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def initialise(model: Model, seed: int, scheme: str = "released") -> Model:
    """Sets every parameter and every batch-norm statistic of ``model`` in place and returns it.

    Normalisation starts at weight 1, bias 0, mean 0, variance 1 in all schemes. ``released`` is what the authors' code
    does before it loads pre-trained weights over it: every convolution N(0, 0.01²), its bias uniform in
    ±1/sqrt(fan_in) (MaxSquareLoss ``graphs/models/deeplab_multi.py``; PyTorch's default biases). It is meant
    to be loaded over; for training from scratch ``kaiming`` draws the backbone's convolutions and a head's hidden
    one from N(0, 2/fan_in) (He et al. 2015), other head weights from N(0, 0.01²) and sets biases to 0. Both draw
    linear layers as vision transformers do: N(0, 0.02²) cut off at two standard deviations, biases 0.
    ``torch``, for discriminators, is what PyTorch's convolutions start from: weights and biases uniform in
    ±1/sqrt(fan_in). A network has the last word (:meth:`segadapt.models.Network.start`).

    The draws depend on ``seed`` and on each parameter's name and shape, on nothing else; torch's global random state
    is neither read nor moved. UserError for an unknown scheme.
    """
    if scheme not in SCHEMES:
        raise UserError(f"initialisation scheme {scheme!r} is unknown; use one of {', '.join(SCHEMES)}")
    draws, network = Draws(seed), model if isinstance(model, Network) else None
    for name, module in model.named_modules():
        ruled = True
        if isinstance(module, nn.Conv2d):
            _convolution(module, name, draws, scheme, network is not None and network.is_of_head(name))
        elif isinstance(module, nn.Linear):
            _linear(module, name, draws)
        elif isinstance(module, _NORMALISATIONS):
            module.reset_parameters()
        else:
            ruled = False
        for each, parameter in module.named_parameters(prefix=name, recurse=False):
            ruled_by_network = network is not None and network.start(each, parameter, draws)
            assert ruled or ruled_by_network, f"no rule to initialise {each}: its network's start() must have one"
    return model

"""Initial weights that depend on the seed and the parameter's name only."""

import hashlib
import math
from typing import TypeVar

import torch
from torch import Tensor, nn

from segadapt.core.errors import UserError

SCHEMES = ("released", "kaiming", "torch")
RELEASED_STD = 0.01
HIDDEN = ".hidden"
"""How a head's convolution is named that a ReLU follows; only the last one makes logits."""

Model = TypeVar("Model", bound=nn.Module)


def _generator(seed: int, name: str) -> torch.Generator:
    """One stream a tensor: adding a head or changing the class count leaves every other tensor's draw alone."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _fill(tensor: Tensor, draw: Tensor) -> None:
    with torch.no_grad():
        tensor.copy_(draw)


def _fill_uniform(tensor: Tensor, fan_in: int, seed: int, name: str) -> None:
    """Uniform in ±1/sqrt(fan_in)."""
    uniform = 2.0 * torch.rand(tensor.shape, generator=_generator(seed, name)) - 1.0
    _fill(tensor, uniform / math.sqrt(fan_in))


def _initialise_convolution(module: nn.Conv2d, name: str, seed: int, scheme: str) -> None:
    fan_in = module.weight[0].numel()
    if scheme == "torch":
        for kind, tensor in module.named_parameters():
            _fill_uniform(tensor, fan_in, seed, f"{name}.{kind}")
        return
    is_head = module.bias is not None
    is_last = is_head and not name.endswith(HIDDEN)
    std = RELEASED_STD if scheme == "released" or is_last else math.sqrt(2.0 / fan_in)
    _fill(module.weight, std * torch.randn(module.weight.shape, generator=_generator(seed, f"{name}.weight")))
    if not is_head:
        return
    if scheme == "released":
        _fill_uniform(module.bias, fan_in, seed, f"{name}.bias")
    else:
        nn.init.zeros_(module.bias)


def initialise(model: Model, seed: int, scheme: str = "released") -> Model:
    """Sets every parameter and every batch-norm statistic of ``model`` in place and returns it.

    Batch norm starts at weight 1, bias 0, mean 0, variance 1 in both schemes. ``released`` is what the authors' code
    does before it loads pre-trained weights over it: every convolution N(0, 0.01²), head biases uniform in
    ±1/sqrt(fan_in) (MaxSquareLoss ``graphs/models/deeplab_multi.py``; PyTorch's default biases). It is meant
    to be loaded over; for training from scratch ``kaiming`` draws bias-free (backbone) convolutions and a head's hidden
    one from N(0, 2/fan_in) (He et al. 2015), other head weights from N(0, 0.01²) and sets head biases to 0.
    ``torch``, for discriminators, is what PyTorch's convolutions start from: weights and biases uniform in
    ±1/sqrt(fan_in).

    The draws depend on ``seed`` and on each parameter's name and shape, on nothing else; torch's global random state
    is neither read nor moved. UserError for an unknown scheme.
    """
    if scheme not in SCHEMES:
        raise UserError(f"initialisation scheme {scheme!r} is unknown; use one of {', '.join(SCHEMES)}")
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            _initialise_convolution(module, name, seed, scheme)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        else:
            own = [each for each, _ in module.named_parameters(recurse=False)]
            assert not own, f"no rule to initialise {name}.{own[0]}"
    return model

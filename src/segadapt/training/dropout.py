"""Dropout whose draws are a function of what they are for, as all others here: seed, pass and step."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from segadapt.core.seeding import torch_seed


def dropouts(model: nn.Module) -> list[nn.Module]:
    """The modules of a network that draw in training."""
    return [module for module in model.modules() if isinstance(module, _DropoutNd) and module.p > 0]


def has_dropout(model: nn.Module) -> bool:
    """Whether something in the network draws in training."""
    return bool(dropouts(model))


@contextmanager
def drawing(device: torch.device, *key: int | str) -> Iterator[None]:
    """Within it torch draws from the start of the stream for ``key``; afterwards its generators are as they were.

    So a run that was killed draws what it would have drawn.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(torch_seed(*key, "dropout"))
        yield

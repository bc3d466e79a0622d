"""Which form of the losses runs: bands on the CPU, kernels on a CUDA device with Triton, else plain autograd tensors.

Equal results, other costs.
"""

import contextlib
import contextvars
import functools
import importlib.util
from collections.abc import Iterator

import torch

_forced: contextvars.ContextVar[str | None] = contextvars.ContextVar("segadapt_losses_form", default=None)

OLDEST_CAPABILITY = (8, 0)
"""What Triton's own list of supported devices starts with."""

CROWD = 8
"""Images a pixel of their maps; where a batch has more, going through it one by one costs more than it saves."""

MOST_CLASSES = 64
"""A kernel keeps all classes of a pixel in registers; of more it would keep them in slow memory."""


def in_bands(*logits_BCHW: torch.Tensor) -> bool:
    """Whether a loss of these logits goes through :mod:`segadapt.losses.cpu.bands`.

    The plain form is the definition of every loss and takes what bands can't: another device than the CPU (for which
    see :func:`in_cells`), heads of two precisions, and logits that are not finite or so far apart that their
    difference is not, which a matrix product would spread to other pixels. It also takes large batches of maps of
    a pixel or so, which is what classified images are: bands go through a batch image by image.
    """
    if _forced.get() is not None or any(each.device.type != "cpu" for each in logits_BCHW):
        return False
    if len({each.dtype for each in logits_BCHW}) > 1:
        return False
    if all(len(each) > CROWD * each.shape[2] * each.shape[3] for each in logits_BCHW):
        return False
    extremes = (each.detach().aminmax() for each in logits_BCHW)
    return all(bool((highest - lowest).isfinite()) for lowest, highest in extremes)


def in_cells(size: tuple[int, int], *logits_BCHW: torch.Tensor) -> bool:
    """Whether a loss at ``size`` of these logits goes through the kernels of :mod:`segadapt.losses.cuda.cells`.

    They take float32 logits of one shape on one CUDA device, of at most 64 classes, that grow on both axes. Whether
    these are finite is not asked, which would stall the step: what is not a number reaches the loss.
    """
    first, *others = logits_BCHW
    _, classes, height, width = first.shape
    grows = 1 < height < size[0] and 1 < width < size[1]
    if not grows or classes > MOST_CLASSES or first.dtype != torch.float32:
        return False
    if any((each.shape, each.dtype, each.device) != (first.shape, first.dtype, first.device) for each in others):
        return False
    return _forced.get() == "cells" or (_forced.get() is None and _has_triton(first.device))


@functools.cache
def _has_triton(device: torch.device) -> bool:
    if device.type != "cuda" or importlib.util.find_spec("triton") is None:
        return False
    return torch.cuda.get_device_capability(device) >= OLDEST_CAPABILITY


@contextlib.contextmanager
def use_plain_form() -> Iterator[None]:
    """Within it every loss runs in its plain form: to compare both."""
    with _force("plain"):
        yield


@contextlib.contextmanager
def use_cells() -> Iterator[None]:
    """Within it kernels run wherever they can by shape and dtype, on any device: for Triton's interpreter."""
    with _force("cells"):
        yield


@contextlib.contextmanager
def _force(form: str) -> Iterator[None]:
    token = _forced.set(form)
    try:
        yield
    finally:
        _forced.reset(token)

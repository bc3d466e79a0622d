"""Which form of the losses runs: bands on the CPU, plain autograd tensors elsewhere. Equal results, other costs."""

import contextlib
import contextvars
from collections.abc import Iterator

import torch

_forced: contextvars.ContextVar[str | None] = contextvars.ContextVar("segadapt_losses_form", default=None)


def in_bands(*logits_BCHW: torch.Tensor) -> bool:
    """Whether a loss of these logits goes through :mod:`segadapt.losses.bands`.

    The plain form is the definition of every loss and takes what bands can't: another device than the CPU (on which
    a kernel of its own may be chosen here), heads of two precisions, and logits that are not finite or so far apart
    that their difference is not, which a matrix product would spread to other pixels. It also takes classified images,
    each a single pixel: bands go through a batch image by image.
    """
    if _forced.get() == "plain" or any(each.device.type != "cpu" for each in logits_BCHW):
        return False
    if len({each.dtype for each in logits_BCHW}) > 1 or all(each.shape[2:] == (1, 1) for each in logits_BCHW):
        return False
    extremes = (each.detach().aminmax() for each in logits_BCHW)
    return all(bool((highest - lowest).isfinite()) for lowest, highest in extremes)


@contextlib.contextmanager
def use_plain_form() -> Iterator[None]:
    """Within it every loss runs in its plain form: to compare both."""
    token = _forced.set("plain")
    try:
        yield
    finally:
        _forced.reset(token)

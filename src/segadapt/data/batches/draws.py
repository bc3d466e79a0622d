"""What is drawn for an image before anything is done to it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """Whether an image is mirrored, and the radius in [0, 1) that it is blurred with, None for not at all."""

    mirror: bool
    blur_radius: float | None


def draw(random: np.random.Generator, mirror: float, blur: float) -> Draws:
    """The next three numbers of ``random``, whatever the probabilities ``mirror`` and ``blur`` are."""
    draw_mirror, draw_blur, radius = random.random(3).tolist()
    return Draws(draw_mirror < mirror, radius if draw_blur < blur else None)


def sent(drawn: np.ndarray, device: torch.device) -> Tensor:
    """What was drawn as a tensor on a device; nobody waits for the copy."""
    tensor = torch.from_numpy(drawn)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)

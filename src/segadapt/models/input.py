"""From stored uint8 RGB to the float input that a set of weights expects."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from segadapt.core.errors import UserError


@dataclass(frozen=True)
class InputConvention:
    """``input = (image / divisor - mean) / std``, a channel each, after reversing RGB to BGR where ``bgr``.

    ``mean`` and ``std`` are in the network's channel order and in units of ``image / divisor``.
    """

    bgr: bool
    divisor: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


INPUT_CONVENTIONS = {
    # MaxSquareLoss, AdaptSegNet and ADVENT: IMG_MEAN of their data sets, for the Caffe-born initial weights.
    "caffe": InputConvention(
        bgr=True, divisor=1.0, mean=(104.00698793, 116.66876762, 122.67891434), std=(1.0, 1.0, 1.0)
    ),
    # Caffe's ImageNet networks as VGG and Keras feed them: MSRA's ResNets went round with these means too.
    "caffe_vgg": InputConvention(bgr=True, divisor=1.0, mean=(103.939, 116.779, 123.68), std=(1.0, 1.0, 1.0)),
    # torchvision's ImageNet weights.
    "imagenet": InputConvention(bgr=False, divisor=255.0, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
}


@functools.lru_cache
def _constants(convention: InputConvention, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Offset and scale in image units, kept on the device: copying them every step would stall it."""
    mean, std = (torch.tensor(each, dtype=torch.float64) for each in (convention.mean, convention.std))
    return (mean * convention.divisor).to(device, dtype), (1.0 / (convention.divisor * std)).to(device, dtype)


def to_input(
    image_BHWC: Tensor,
    convention: str | InputConvention = "caffe",
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """RGB images ``(B, H, W, 3)``, uint8 or floats from 0 to 255, to the network's ``input_BCHW``,
    in channels-last memory.

    Bytes cross to ``device`` (default: where they are) as uint8, a quarter of the float traffic; the arithmetic
    runs there in float32 (float64 if ``dtype`` is) and is rounded to ``dtype`` once. ``convention`` is a key of
    ``INPUT_CONVENTIONS`` or an ``InputConvention``. UserError for an unknown convention, another dtype or shape.
    """
    if isinstance(convention, str):
        if convention not in INPUT_CONVENTIONS:
            known = ", ".join(sorted(INPUT_CONVENTIONS))
            raise UserError(f"input convention {convention!r} is unknown; use one of {known}")
        convention = INPUT_CONVENTIONS[convention]
    known_type = image_BHWC.dtype == torch.uint8 or image_BHWC.is_floating_point()
    if not known_type or image_BHWC.ndim != 4 or image_BHWC.shape[-1] != 3:
        raise UserError(
            f"images are {image_BHWC.dtype} of shape {tuple(image_BHWC.shape)}; pass RGB of shape (B, H, W, 3), uint8 "
            "or floats from 0 to 255"
        )
    image_BHWC = image_BHWC.to(device or image_BHWC.device, non_blocking=True)
    working = torch.float64 if dtype == torch.float64 else torch.float32
    if convention.bgr:
        image_BHWC = image_BHWC.flip(-1)
    offset, scale = _constants(convention, image_BHWC.device, working)
    return ((image_BHWC.to(working) - offset) * scale).permute(0, 3, 1, 2).to(dtype)


def mean_colour(convention: str, device: torch.device) -> Tensor:
    """RGB, from 0 to 255, of what is 0 in the network's input."""
    known = INPUT_CONVENTIONS[convention]
    offset_3, _ = _constants(known, device, torch.float32)
    return offset_3.flip(0) if known.bgr else offset_3

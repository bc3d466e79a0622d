"""A batch of one domain, on the host or on a device."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from segadapt.data.batches.device_augment import augment_on_device
from segadapt.data.batches.draws import Draws
from segadapt.labels import ONE_LABEL


@dataclass(frozen=True)
class Batch:
    """image_BHWC RGB, uint8 or floats from 0 to 255, and label_BHW uint8 train ids (None for a domain without labels).

    ``is_classification``: an image has one label, or would have one, and ``label_BHW`` is of shape (B, 1, 1).
    ``draws``: what is still to be done to each image on the device; None if there is nothing.
    """

    image_BHWC: Tensor
    label_BHW: Tensor | None
    is_classification: bool = False
    draws: tuple[Draws, ...] | None = None

    def copy(self) -> "Batch":
        """The same in memory of its own."""
        return self.changed(Tensor.clone)

    def changed(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """With images and labels changed."""
        label_BHW = None if self.label_BHW is None else change(self.label_BHW)
        return replace(self, image_BHWC=change(self.image_BHWC), label_BHW=label_BHW)

    def on(self, device: torch.device) -> "Batch":
        """The batch on a device, augmented there if that is still to be done; nobody waits for the copy."""
        image_BHWC = self.image_BHWC.to(device, non_blocking=True)
        label_BHW = None if self.label_BHW is None else self.label_BHW.to(device, non_blocking=True)
        if self.draws is not None:
            image_BHWC, label_BHW = augment_on_device(image_BHWC, label_BHW, self.draws)
        return Batch(image_BHWC, label_BHW, self.is_classification)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) that losses are defined at: that of the labels, hence (1, 1) in classification, else the images'."""
        height, width = self.image_BHWC.shape[1:3]
        return ONE_LABEL if self.is_classification else (height, width)

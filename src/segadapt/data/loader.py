"""Batches as a pure function of the step, read ahead by threads.

The number of threads changes nothing but the speed: a batch depends on (seed, domain, step) alone.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from segadapt.core.seeding import generator
from segadapt.data.augment import Augmentation, Draws, augment, draw
from segadapt.data.cache import PackedCache
from segadapt.data.device_augment import augment_on_device
from segadapt.data.sampling import sample_index
from segadapt.labels import ONE_LABEL


@dataclass(frozen=True)
class Batch:
    """image_BHWC uint8 RGB and label_BHW uint8 train ids (None for a domain without labels).

    ``is_classification``: an image has one label, or would have one, and ``label_BHW`` is of shape (B, 1, 1).
    ``draws``: what is still to be done to each image on the device; None if there is nothing.
    """

    image_BHWC: Tensor
    label_BHW: Tensor | None
    is_classification: bool = False
    draws: tuple[Draws, ...] | None = None

    def copy(self) -> "Batch":
        """The same in memory of its own."""
        label_BHW = None if self.label_BHW is None else self.label_BHW.clone()
        return replace(self, image_BHWC=self.image_BHWC.clone(), label_BHW=label_BHW)

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


@dataclass(frozen=True)
class BatchSource:
    """All batches of one domain of one run.

    ``on_device``: they leave mirror and blur to :meth:`Batch.on`, unless ``augmentation`` has more than these two.
    """

    cache: PackedCache
    domain: str
    seed: int
    batch_size: int
    augmentation: Augmentation
    with_labels: bool
    pin_memory: bool = False
    on_device: bool = False

    def batch(self, step: int) -> Batch:
        """The batch of training step ``step``, counted from 0."""
        later = self.on_device and self.augmentation.only_mirrors_and_blurs
        images, labels, draws = [], [], []
        for position in range(step * self.batch_size, (step + 1) * self.batch_size):
            index = sample_index(self.seed, self.domain, position, len(self.cache))
            image_HWC, label_HW = self.cache.image(index), self.cache.label(index) if self.with_labels else None
            random = generator(self.seed, self.domain, "augment", position)
            if later:
                draws.append(draw(random, self.augmentation))
            else:
                image_HWC, label_HW = augment(image_HWC, label_HW, random, self.augmentation)
            images.append(image_HWC)
            labels.append(label_HW)
        return Batch(
            self._tensor(images),
            self._tensor(labels) if self.with_labels else None,
            is_classification=self.cache.label_size == ONE_LABEL,
            draws=tuple(draws) if later else None,
        )

    def _tensor(self, arrays: list[np.ndarray]) -> Tensor:
        tensor = torch.from_numpy(np.stack(arrays))
        return tensor.pin_memory() if self.pin_memory else tensor


def batches(source: BatchSource, first: int, end: int, threads: int) -> Iterator[Batch]:
    """The batches of steps ``first`` to ``end - 1`` in order, prepared by ``threads`` threads ahead."""
    if threads == 0:
        yield from map(source.batch, range(first, end))
        return
    with ThreadPoolExecutor(threads, thread_name_prefix=f"{source.domain}-loader") as pool:
        waiting = deque(pool.submit(source.batch, step) for step in range(first, min(first + 2 * threads, end)))
        for step in range(first, end):
            following = step + 2 * threads
            if following < end:
                waiting.append(pool.submit(source.batch, following))
            yield waiting.popleft().result()

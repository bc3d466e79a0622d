"""Batches as a pure function of the step, read ahead by threads.

The number of threads changes nothing but the speed: a batch depends on (seed, domain, step) alone.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from segadapt.core.seeding import generator
from segadapt.data.augment import Augmentation, augment
from segadapt.data.cache import PackedCache
from segadapt.data.sampling import sample_index
from segadapt.labels import ONE_LABEL


@dataclass(frozen=True)
class Batch:
    """image_BHWC uint8 RGB and label_BHW uint8 train ids (None for a domain without labels).

    ``is_classification``: an image has one label, or would have one, and ``label_BHW`` is of shape (B, 1, 1).
    """

    image_BHWC: Tensor
    label_BHW: Tensor | None
    is_classification: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) that losses are defined at: that of the labels, hence (1, 1) in classification, else the images'."""
        height, width = self.image_BHWC.shape[1:3]
        return ONE_LABEL if self.is_classification else (height, width)


@dataclass(frozen=True)
class BatchSource:
    """All batches of one domain of one run."""

    cache: PackedCache
    domain: str
    seed: int
    batch_size: int
    augmentation: Augmentation
    with_labels: bool
    pin_memory: bool = False

    def batch(self, step: int) -> Batch:
        """The batch of training step ``step``, counted from 0."""
        images, labels = [], []
        for position in range(step * self.batch_size, (step + 1) * self.batch_size):
            index = sample_index(self.seed, self.domain, position, len(self.cache))
            label_HW = self.cache.label(index) if self.with_labels else None
            random = generator(self.seed, self.domain, "augment", position)
            image_HWC, label_HW = augment(self.cache.image(index), label_HW, random, self.augmentation)
            images.append(image_HWC)
            labels.append(label_HW)
        is_classification = self.cache.label_size == ONE_LABEL
        return Batch(self._tensor(images), self._tensor(labels) if self.with_labels else None, is_classification)

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

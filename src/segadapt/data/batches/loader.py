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
from segadapt.data.batches.augment import Augmentation, augment
from segadapt.data.batches.batch import Batch
from segadapt.data.batches.draws import draw
from segadapt.data.batches.sampling import sample_index
from segadapt.data.batches.windows import Windows
from segadapt.data.packed.cache import PackedCache
from segadapt.labels import IGNORE_INDEX, ONE_LABEL


@dataclass(frozen=True)
class BatchSource:
    """All batches of one domain of one run.

    ``windows``, if there are any, says which parts of which images come; without them all are alike.
    ``margins``, of images without labels, are shares of their height at the top and the bottom and of their width at
    the left and the right: there labels are ``IGNORE_INDEX``, elsewhere 0.
    ``on_device``: they leave mirror and blur to :meth:`Batch.on`, unless ``augmentation`` has more than these two.
    ``part`` of ``parts``: of every batch, that one of as many equal parts comes alone.
    """

    cache: PackedCache
    domain: str
    seed: int
    batch_size: int
    augmentation: Augmentation
    with_labels: bool
    pin_memory: bool = False
    on_device: bool = False
    windows: Windows | None = None
    margins: tuple[float, float, float, float] | None = None
    part: int = 0
    parts: int = 1

    def batch(self, step: int) -> Batch:
        """The batch of training step ``step``, counted from 0."""
        later = self.on_device and self.augmentation.only_mirrors_and_blurs
        images, labels, draws = [], [], []
        size = self.batch_size // self.parts
        first = step * self.batch_size + self.part * size
        for position in range(first, first + size):
            drawn, window = self.windows.draw(self.seed, self.domain, position) if self.windows else (None, None)
            index = sample_index(self.seed, self.domain, position, len(self.cache)) if drawn is None else drawn
            image_HWC, label_HW = self.cache.image(index), self.cache.label(index) if self.with_labels else None
            if self.margins is not None:
                label_HW = within_margins(image_HWC.shape[:2], self.margins)
            random = generator(self.seed, self.domain, "augment", position)
            if later:
                draws.append(draw(random, self.augmentation.mirror, self.augmentation.blur))
            else:
                image_HWC, label_HW = augment(image_HWC, label_HW, random, self.augmentation, window)
            images.append(image_HWC)
            labels.append(label_HW)
        return Batch(
            self._tensor(images),
            None if labels[0] is None else self._tensor(labels),
            is_classification=self.cache.label_size == ONE_LABEL,
            draws=tuple(draws) if later else None,
        )

    def _tensor(self, arrays: list[np.ndarray]) -> Tensor:
        tensor = torch.from_numpy(np.stack(arrays))
        return tensor.pin_memory() if self.pin_memory else tensor


def within_margins(size: tuple[int, int], margins: tuple[float, float, float, float]) -> np.ndarray:
    """uint8 (H, W): 0 inside of the margins, ``IGNORE_INDEX`` in them, whole pixels rounded down."""
    (height, width), (top, bottom, left, right) = size, margins
    label_HW = np.full(size, IGNORE_INDEX, np.uint8)
    label_HW[int(top * height) : height - int(bottom * height), int(left * width) : width - int(right * width)] = 0
    return label_HW


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

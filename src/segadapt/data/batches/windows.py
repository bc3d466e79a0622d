"""Which window is cut out of a picture: where it may be, and what its labels must hold."""

from dataclasses import dataclass

import numpy as np

from segadapt.core.seeding import generator
from segadapt.data.batches.rare_classes import RareClasses
from segadapt.labels import IGNORE_INDEX

TRIES = 10
"""Windows that are tried; the last one is kept if none holds what it must (DAFormer ``uda_dataset.py``)."""


@dataclass(frozen=True)
class Window:
    """``corners_T2`` in [0, 1)² name places among all there are, in the order in which they are tried.

    One must hold more than ``pixels`` of class ``train_id``, unless that is None; and, if ``largest_share`` is below 1,
    two classes or more, none of which has that share of the labelled pixels.
    """

    corners_T2: np.ndarray
    largest_share: float = 1.0
    train_id: int | None = None
    pixels: int = 0

    def holds_enough(self, label_HW: np.ndarray) -> bool:
        """Whether the labels inside are what they must be."""
        counts = np.bincount(label_HW.ravel(), minlength=256)
        if self.train_id is not None and counts[self.train_id] <= self.pixels:
            return False
        counts[IGNORE_INDEX] = 0
        return self.largest_share == 1 or (
            np.count_nonzero(counts) > 1 and counts.max() < self.largest_share * counts.sum()
        )


@dataclass(frozen=True)
class Windows:
    """The windows, and with ``rare`` the images too, of one domain of one run.

    ``synchronised``: those of source and target are at the same place, as far as their pictures are of one size.
    """

    largest_share: float = 1.0
    synchronised: bool = False
    rare: RareClasses | None = None

    def draw(self, seed: int, domain: str, position: int) -> tuple[int | None, Window | None]:
        """(The image's index, None to leave it to the order of all; its window, None for any), of a sample position."""
        index, train_id, pixels = None, None, 0
        if self.rare is not None:
            train_id, index = self.rare.draw(generator(seed, domain, "rare class", position))
            pixels = self.rare.crop_pixels
        if self.synchronised:
            return index, Window(generator(seed, "window", position).random((1, 2)))
        if self.rare is None and self.largest_share == 1:
            return None, None
        corners_T2 = generator(seed, domain, "window", position).random((TRIES, 2))
        return index, Window(corners_T2, self.largest_share, train_id, pixels)

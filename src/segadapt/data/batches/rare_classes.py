"""Rare-class sampling: the fewer pixels a class has, the more often an image with it comes."""

from dataclasses import dataclass

import numpy as np

from segadapt.core.errors import UserError
from segadapt.core.progress import progress
from segadapt.data.packed.cache import PackedCache
from segadapt.labels import CLASS_SETS


def class_probabilities(pixels_C: np.ndarray, temperature: float) -> np.ndarray:
    """exp((1 - f) / T), as shares of their sum, of the classes' shares f of all labelled pixels; 0 without any.

    Source: DAFormer (Hoyer et al., CVPR 2022, Eq. 11 and 12).
    """
    share_C = pixels_C / pixels_C.sum()
    # From the rarest one on, so that no exponent overflows.
    weight_C = np.where(pixels_C > 0, np.exp((share_C[pixels_C > 0].min() - share_C) / temperature), 0)
    return weight_C / weight_C.sum()


@dataclass(frozen=True)
class RareClasses:
    """``images`` are, by class, the indices of those that a class may be drawn with; ``rising_C`` adds its
    probability up. A window should hold more than ``crop_pixels`` of the class.
    """

    rising_C: np.ndarray
    images: tuple[np.ndarray, ...]
    crop_pixels: int

    @classmethod
    def of(cls, cache: PackedCache, temperature: float, image_pixels: int, crop_pixels: int) -> "RareClasses":
        """Of a cache's labels, all of which are counted: a class is drawn with images of more than ``image_pixels``.

        UserError for a class that has pixels, but in no image as many.
        """
        names = CLASS_SETS[cache.class_set].classes
        indices = progress(range(len(cache)), f"classes of {cache.folder.name}", len(cache), "image")
        counts_NC = np.stack([np.bincount(cache.label(n).ravel(), minlength=256)[: len(names)] for n in indices])
        probability_C = class_probabilities(counts_NC.sum(axis=0), temperature)
        images = tuple(np.flatnonzero(counts_N > image_pixels) for counts_N in counts_NC.T)
        for name, probability, of_class, counts_N in zip(names, probability_C, images, counts_NC.T, strict=True):
            if probability > 0 and not len(of_class):
                raise UserError(
                    f"no image of {cache.folder} has more than {image_pixels} pixels of {name}, which rare-class "
                    f"sampling would draw; set rare_classes.image_pixels below {counts_N.max()}, the most there are"
                )
        return cls(probability_C.cumsum(), images, crop_pixels)

    def draw(self, random: np.random.Generator) -> tuple[int, int]:
        """(train id, index of an image)."""
        draw_class, draw_image = random.random(2)
        # Rounding may leave the last sum below 1, and the last class without pixels.
        train_id = int(np.searchsorted(self.rising_C, draw_class * self.rising_C[-1], side="right"))
        return train_id, int(self.images[train_id][int(draw_image * len(self.images[train_id]))])

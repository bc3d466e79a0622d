"""A round of self-training on the one trainer: pseudo-labelled target images, and some of the source's."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from segadapt.core.artifacts import read_json
from segadapt.core.job import Job
from segadapt.core.seeding import generator
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.labels import LabelledImages
from segadapt.training.trainer import Trainer

RARE_SHARE, RAREST = 0.001, 3
"""Classes predicted on fewer pixels come first in small-class mining; then this many rarest (CBST ``MINE_PORT``)."""


class Share:
    """A random part of a cache's samples: ``share`` of them, rounded down but at least one.

    A larger share of the same seed and ``draw`` holds the smaller one, as a round's source images grow in number.
    """

    def __init__(self, cache: PackedCache, share: float, seed: int, draw: int = 0) -> None:
        self.cache = cache
        self.width, self.height, self.class_set = cache.width, cache.height, cache.class_set
        self.label_size = cache.label_size
        order = generator(seed, "source share", *([draw] if draw else [])).permutation(len(cache))
        self.indices = order[: max(1, math.floor(share * len(cache)))]

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        """The sample's name in its data set."""
        return self.cache.name(int(self.indices[index]))

    def image(self, index: int) -> np.ndarray:
        """image_HWC, uint8 RGB."""
        return self.cache.image(int(self.indices[index]))

    def label(self, index: int) -> np.ndarray:
        """label_HW, uint8 train ids."""
        return self.cache.label(int(self.indices[index]))


def for_round(trainer: Trainer, job: Job) -> Trainer:
    """The trainer of a round's job, made from one that reads both caches as they are.

    Its configuration's ``round`` holds ``number`` (from 1), ``source_share`` and ``mining``, and ``source_redraw`` if
    its source images are drawn anew. Every round sees its samples in an order and with an augmentation of its own.
    """
    settings, source, target = job.config["round"], trainer.source, trainer.target
    labelled = LabelledImages(target.cache, PackedCache(Path(job.input("labels"))))
    draw = settings["number"] if settings.get("source_redraw") else 0
    share = Share(source.cache, settings["source_share"], job.config["seed"], draw)
    augmentation = source.augmentation
    if augmentation.crop is not None:
        rare = rare_classes(read_json(Path(job.input("selection"))))
        augmentation = replace(augmentation, rare=rare, mining=settings["mining"])
    name = f"round {settings['number']}"
    return replace(
        trainer,
        source=replace(source, cache=share, domain=f"source, {name}", augmentation=augmentation),
        target=replace(
            target, cache=labelled, domain=f"target, {name}", augmentation=augmentation, with_labels=True
        ),
    )  # fmt: skip


def rare_classes(selection: dict[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Train ids by the share of pixels predicted as them: those below ``RARE_SHARE``, and the ``RAREST`` rarest."""
    shares_C = [each["predicted_share"] for each in selection["classes"].values()]
    rising = sorted(range(len(shares_C)), key=lambda train_id: shares_C[train_id])
    return tuple(each for each in rising if shares_C[each] < RARE_SHARE), tuple(rising[:RAREST])

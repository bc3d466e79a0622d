"""Control of mixing methods: half of the source's classes on target images whose other pixels teach nothing."""

from typing import Literal

import torch
from torch import Tensor

from segadapt.data.batches.batch import Batch
from segadapt.labels import IGNORE_INDEX
from segadapt.methods import Step, source_augmented
from segadapt.methods.mixing.class_mix import class_mix

MIXES = True


class Options(source_augmented.Options):
    """``classes_of``: half of the classes of each image are pasted, or of those of the whole batch."""

    classes_of: Literal["image", "batch"] = "image"


class Mixed(source_augmented.SourceAugmented):
    """The mean is over all pixels, those of the target included."""

    def second(self, step: Step) -> tuple[Batch, Tensor | None]:
        return self.mixed(step, torch.full_like(step.source.label_BHW, IGNORE_INDEX))[0], None

    def mixed(self, step: Step, label_BHW: Tensor) -> tuple[Batch, Tensor]:
        """Source on target images with labels ``label_BHW``, and which pixels are the source's."""
        of_batch = self.settings.options.classes_of == "batch"
        return class_mix(step.source, step.target, label_BHW, self.settings.seed, step.number, of_batch)

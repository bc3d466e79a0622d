"""DACS: half of the source's classes on target images, the rest labelled by a teacher (Tranheden et al., WACV 2021).

Its options are those of its authors' code (vikolss/DACS at cc6a87f); docs/teachers.md and transformers.md: DAFormer's.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from segadapt.core.parameters.section import FeatureWeight, Rows
from segadapt.data.batches.batch import Batch
from segadapt.labels import IGNORE_INDEX
from segadapt.methods import Pass, Prediction, Settings, Step, mixed
from segadapt.methods.mixing.feature_distance import FeatureDistance
from segadapt.methods.mixing.teacher import Teacher, pseudo_labels

MIXES = True
TARGET_PASSES = ("forward", "learns")


class Options(mixed.Options):
    """``alpha`` of the teacher, which follows ``before`` the passes of a step or ``after`` its update. Target pixels
    weigh as much as the share of them, in the ``batch`` or the ``image``, of a probability from ``threshold`` on; in
    the first ``margin_top`` and last ``margin_bottom`` rows, and in the schedule's ``target_margins``, nothing.
    ``feature_weight`` is the feature distance's, taken over cells of which one thing has ``thing_share``.
    """

    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.99
    teacher_follows: Literal["before", "after"] = "after"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.968
    share_of: Literal["batch", "image"] = "batch"
    margin_top: Rows = 0
    margin_bottom: Rows = 0
    feature_weight: FeatureWeight = 0.0
    thing_share: Annotated[float, Field(gt=0.5, le=1)] = 0.75


class Dacs(mixed.Mixed):
    """``guess`` are the pseudo-labels of the step; ``averages_buffers`` says that the teacher follows buffers too."""

    measures = ("sure_share",)
    averages_buffers = False

    def __init__(self, settings: Settings, model: nn.Module) -> None:
        super().__init__(settings, model)
        self.teacher = Teacher(model, settings.options.alpha, settings.batch_norm, self.averages_buffers)
        self.distance = FeatureDistance.of(settings)
        self.columns += ("features",) if self.distance else ()

    def before(self, step: Step) -> None:
        options = self.settings.options
        if options.teacher_follows == "before":
            self.teacher.follow(step.model, step.number)
        with torch.no_grad():
            prediction = self.taught(step, step.target)
            how = (options.share_of == "image", (options.margin_top, options.margin_bottom))
            self.guess = pseudo_labels(prediction, step.target.size, options.threshold, *how)
            if step.target.label_BHW is not None:
                self.guess.weight_BHW.masked_fill_(step.target.label_BHW == IGNORE_INDEX, 0)

    def taught(self, step: Step, batch: Batch) -> Prediction:
        """What the teacher says of images."""
        return step.predict(self.teacher.network, batch.image_BHWC)

    def passes(self, step: Step) -> Sequence[Pass]:
        source, *others = super().passes(step)
        return (source if self.distance is None else self.distance.added_to(source, step), *others)

    def second(self, step: Step) -> tuple[Batch, Tensor | None]:
        batch, pasted_BHW = self.mixed(step, self.guess.label_BHW)
        return batch, torch.where(pasted_BHW, 1.0, self.guess.weight_BHW)

    def after(self, step: Step, predictions: Mapping[str, Sequence[Prediction]]) -> Mapping[str, Tensor]:
        if self.settings.options.teacher_follows == "after":
            self.teacher.follow(step.model, step.number)
        return {"sure_share": self.guess.sure_share}

"""VFM-UDA: DACS on a foundation model, and the teacher's labels for images some of whose tokens are hidden.

Source: tue-mps/vfm-uda at 598fdbc, ``training/uda_vit/uda_vit_generic.py`` (Englert et al., CVPR-W 2024).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from segadapt.core.parameters.section import Fraction
from segadapt.data.batches.batch import Batch
from segadapt.data.batches.draws import sent
from segadapt.data.batches.strong_augmentation import StrongAugmentation
from segadapt.losses.upsample import upsample
from segadapt.methods import Pass, Prediction, Settings, Step, dacs
from segadapt.methods.mixing.blocks import draw_blocks

MIXES = True
HIDES_TOKENS = True
TARGET_PASSES = ("forward", "forward", "learns", "learns")
WEAK = (32 / 255, 0.5, 0.5, 18 / 360)
"""Strengths of the weak jitter: brightness, contrast, saturation, hue."""
FORM = "torchvision"


class Options(dacs.Options):
    """``weak_chance``: of the weak jitter of source images, and of target images before they are mixed. A token is
    hidden with probability ``token_ratio``; ``mask_weight`` is λ of what is learned then.
    """

    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.999
    classes_of: Literal["image", "batch"] = "batch"
    jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    weak_chance: Fraction = 0.9
    token_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.7
    mask_weight: Annotated[float, Field(ge=0)] = 1.0


class VfmUda(dacs.Dacs):
    """The teacher looks at each image and its mirror image; what is changed, is changed for each image by itself."""

    columns = ("mixed", "masked")
    averages_buffers = True

    def __init__(self, settings: Settings, model: nn.Module) -> None:
        super().__init__(settings, model)
        options = settings.options
        self.strong = StrongAugmentation(
            options.jitter, options.jitter_chance, options.blur_chance, FORM, by_image=True
        )
        self.weak = StrongAugmentation(WEAK, options.weak_chance, 0.0, FORM, by_image=True)

    def taught(self, step: Step, batch: Batch) -> Prediction:
        sides = [batch.image_BHWC, batch.image_BHWC.flip(2)]
        logits = [step.predict(self.teacher.network, image_BHWC).logits_final_BCHW for image_BHWC in sides]
        straight_BCHW, mirrored_BCHW = (upsample(each, batch.size).softmax(dim=1) for each in logits)
        mean_BCHW = (straight_BCHW + mirrored_BCHW.flip(3)) / 2
        return Prediction(mean_BCHW.clamp_min(torch.finfo(mean_BCHW.dtype).tiny).log(), None)

    def passes(self, step: Step) -> Sequence[Pass]:
        options, number, seed = self.settings.options, step.number, self.settings.seed
        weak = replace(step, target=self.augmented(step.target, number, "weak target", self.weak))
        source, mixed = super().passes(weak)
        source = replace(source, batches=(self.augmented(step.source, number, "weak source", self.weak),))
        grid = step.model.token_grid(step.target.size)
        kept = draw_blocks(len(step.target.image_BHWC), grid, 1, options.token_ratio, seed, "tokens", number)
        hidden_Bhw = sent(kept, step.target.image_BHWC.device) == 0
        seen = replace(self.augmented(step.target, number, "masked"), label_BHW=self.guess.label_BHW)
        weight_BHW = self.guess.weight_BHW
        masked = self.labelled("masked", seen, weight_BHW, "all", options.mask_weight, hidden_Bhw=hidden_Bhw)
        return (source, mixed, masked)

    def after(self, step: Step, predictions: Mapping[str, Sequence[Prediction]]) -> Mapping[str, Tensor]:
        # Its steps count from 1: the first update does not copy.
        return super().after(replace(step, number=step.number + 1), predictions)

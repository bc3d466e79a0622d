"""MIC: DACS, and its labels for target images of which some blocks alone are seen (Hoyer et al., CVPR 2023).

Source: lhoyer/MIC at 2f932a9, ``seg/mmseg/models/uda/masking_consistency_module.py``, its mode for synthetic sources.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from torch import nn

from segadapt.core.parameters.section import Side
from segadapt.data.batches.batch import Batch
from segadapt.data.batches.draws import sent
from segadapt.methods import Pass, Settings, Step, dacs
from segadapt.methods.mixing.blocks import draw_blocks, masked
from segadapt.models.input import mean_colour

MIXES = True
TARGET_PASSES = ("forward", "learns", "learns")


class Options(dacs.Options):
    """Blocks of ``mask_block`` pixels square are hidden with probability ``mask_ratio``; ``mask_weight`` is λ."""

    mask_block: Side = 32
    mask_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.7
    mask_weight: Annotated[float, Field(ge=0)] = 1.0


class Mic(dacs.Dacs):
    """The masked images are changed in colour and sharpness too, by draws of their own."""

    columns = ("mixed", "masked")

    def __init__(self, settings: Settings, model: nn.Module) -> None:
        super().__init__(settings, model)
        self.input_convention = model.architecture.input

    def passes(self, step: Step) -> Sequence[Pass]:
        options, guess = self.settings.options, self.guess
        batch = self.augmented(step.target, step.number, "masked")
        key = (self.settings.seed, "masked", step.number)
        kept = draw_blocks(len(batch.image_BHWC), batch.size, options.mask_block, options.mask_ratio, *key)
        device = batch.image_BHWC.device
        hidden_BHWC = masked(batch.image_BHWC, sent(kept, device), mean_colour(self.input_convention, device))
        seen = Batch(hidden_BHWC, guess.label_BHW)
        return (*super().passes(step), self.labelled("masked", seen, guess.weight_BHW, "all", options.mask_weight))

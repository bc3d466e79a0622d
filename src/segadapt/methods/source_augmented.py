"""Control of mixing methods: a second pass of source images, changed as those methods change their mixed images.

No target image is seen. What is left of such a method is its colours and blur, and that labels are learned twice.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from segadapt.core.parameters.section import Fraction
from segadapt.data.batches.batch import Batch
from segadapt.data.batches.strong_augmentation import StrongAugmentation, strongly_augmented
from segadapt.methods import Method, Pass, Section, Settings, Step

SEES_TARGET = False


class Options(Section):
    """``jitter`` is the colours' strength. ``source_denominator``: the source's loss is the mean over labelled pixels
    ("valid"), or their sum over all pixels ("all"), which that of the second pass is anyway.
    """

    jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.25
    jitter_chance: Fraction = 0.8
    blur_chance: Fraction = 0.5
    source_denominator: Literal["valid", "all"] = "valid"


class SourceAugmented(Method):
    """``second`` says what the second pass is of."""

    columns = ("mixed",)
    replays = False

    def __init__(self, settings: Settings, model: nn.Module) -> None:
        super().__init__(settings, model)
        options = settings.options
        self.strong = StrongAugmentation(options.jitter, options.jitter_chance, options.blur_chance)

    def passes(self, step: Step) -> Sequence[Pass]:
        batch, weight_BHW = self.second(step)
        mixed = self.augmented(batch, step.number, "mixed")
        return (
            self.labelled("source", step.source, denominator=self.settings.options.source_denominator),
            self.labelled("mixed", mixed, weight_BHW, "all", self.settings.lambda_target),
        )

    def second(self, step: Step) -> tuple[Batch, Tensor | None]:
        """Images with labels, and the weights of their pixels."""
        return step.source, None

    def augmented(self, batch: Batch, number: int, name: str, how: StrongAugmentation | None = None) -> Batch:
        """The batch with its colours and sharpness changed, by the number of the step and the pass's name."""
        how = how or self.strong
        draws = how.draw(len(batch.image_BHWC), self.settings.seed, name, number)
        return Batch(strongly_augmented(batch.image_BHWC, draws, how.form), batch.label_BHW)

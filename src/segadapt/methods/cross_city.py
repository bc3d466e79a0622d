"""Cross City: features of both domains alike, as a whole and of each class (Chen et al., ICCV 2017).

Source: the authors' ``Adapt_Road_Scene``. Where it and the paper differ, an option says (docs/crosscity.md).
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from segadapt.core.parameters.section import Count
from segadapt.data.batches.batch import Batch
from segadapt.labels import CLASS_SETS, MOVING, STATIC
from segadapt.losses.alignment import SOURCE, cell_means, label_shares, without_moving
from segadapt.losses.domain import softmax_map
from segadapt.losses.gradient_reversal import ramp
from segadapt.methods import Prediction, Section, Settings
from segadapt.methods.adversarial.features import AlignedFeatures, Kind

OWN_GRADIENTS = True


class Options(Section):
    """Discriminators learn at ``global_factor`` and ``class_factor`` times the rate, features against them at
    ``height`` · (2 / (1 + exp(-10 t / ``ramp_steps``)) - 1) times, t steps after the first and, if ``class_wise``,
    after ``class_wise_from``. The last two are faults of the released code.
    """

    width: Count = 1024
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    global_factor: Annotated[float, Field(gt=0)] = 10.0
    class_factor: Annotated[float, Field(gt=0)] = 20.0
    height: Annotated[float, Field(ge=0)] = 0.05
    ramp_steps: Count = 1200
    class_wise: bool = True
    class_wise_from: Annotated[int, Field(ge=0)] = 1000
    static_prior: bool = False
    ignored_is_first: bool = False
    prior_without_effect: bool = False


class CrossCity(AlignedFeatures):
    """With the prior, labels of target images say what stands still."""

    def __init__(self, settings: Settings, model: nn.Module) -> None:
        its, self.moving = settings.options, ()
        kinds = {"global": Kind(1, its.global_factor)}
        if its.class_wise:
            kinds["classes"] = Kind(model.num_classes, its.class_factor, its.class_wise_from)
        super().__init__(settings, model, kinds)
        if its.static_prior:
            names = CLASS_SETS[model.architecture.class_set].classes
            self.moving = tuple(train_id for train_id, name in enumerate(names) if name in MOVING)

    def against(self, steps: int) -> float:
        return self.settings.options.height * ramp(steps / self.settings.options.ramp_steps)

    def shares(self, domain: int, prediction: Prediction, batch: Batch) -> Tensor:
        """Of labels; on target images, of what the network itself takes them for."""
        cells, its = prediction.features_BFHW.shape[2:], self.settings.options
        with torch.no_grad():
            if domain == SOURCE:
                classes = prediction.logits_final_BCHW.shape[1]
                return label_shares(batch.label_BHW, classes, cells, its.ignored_is_first)
            probability_BCHW = softmax_map(prediction.logits_final_BCHW, batch.size)
            if its.static_prior and not its.prior_without_effect:
                probability_BCHW = without_moving(probability_BCHW, batch.label_BHW == STATIC, self.moving)
            return cell_means(probability_BCHW, cells)

"""Feature distance: where a source image shows a thing, the encoder stays near what it was before (DAFormer, Eq. 8-11).

Source: lhoyer/DAFormer at e6f6e04, ``uda/dacs.py:calc_feat_dist``, ``utils/utils.py:downscale_label_ratio``.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.labels import CLASS_SETS, THINGS
from segadapt.methods.passes import Pass, Prediction, Step
from segadapt.methods.settings import Settings
from segadapt.models import Network


def thing_cells(label_BHW: Tensor, grid: tuple[int, int], things: Sequence[int], share: float) -> Tensor:
    """bool_Bhw: the cells of a grid over labels in which one of the classes ``things`` has ``share`` of all pixels.

    ``share`` is above a half, so that this class is the most frequent one. UserError unless the cells are whole pixels.
    """
    sides = [have // cells for have, cells in zip(label_BHW.shape[1:], grid, strict=True)]
    if [side * cells for side, cells in zip(sides, grid, strict=True)] != list(label_BHW.shape[1:]):
        size, cells = ("x".join(map(str, reversed(each))) for each in (label_BHW.shape[1:], grid))
        raise UserError(f"labels of {size} do not fall into {cells} cells of features; choose another training.crop")
    is_thing_BTHW = torch.stack([label_BHW == each for each in things], dim=1).float()
    return F.avg_pool2d(is_thing_BTHW, sides).amax(dim=1) >= share


def distance(features_BFhw: Tensor, reference_BFhw: Tensor, cells_Bhw: Tensor) -> Tensor:
    """The mean, over the cells, of the Euclidean distance of their features; 0, without a gradient, of no cells."""
    norm_Bhw = torch.linalg.vector_norm(features_BFhw - reference_BFhw, dim=1)
    return norm_Bhw.where(cells_Bhw, 0).sum() / cells_Bhw.sum().clamp(min=1)


class FeatureDistance:
    """Of the last stage, to that of ``reference``: the network with the initial weights, which nothing trains or saves.

    It is ``weight`` times the mean over cells of which one class of things has ``share``.
    """

    def __init__(self, reference: Network, weight: float, share: float) -> None:
        self.reference, self.weight, self.share = reference, weight, share
        classes = CLASS_SETS[reference.architecture.class_set].classes
        self.things = [train_id for train_id, name in enumerate(classes) if name in THINGS]

    @classmethod
    def of(cls, settings: Settings) -> "FeatureDistance | None":
        """As a method's options say."""
        weight, share = settings.options.feature_weight, settings.options.thing_share
        return cls(settings.initial(), weight, share) if weight > 0 else None

    def added_to(self, source: Pass, step: Step) -> Pass:
        """A pass of source images with this beside its own loss, as ``features``."""
        with torch.no_grad():
            wanted_BFhw = step.predict(self._features, step.source.image_BHWC).features_BFHW
            grid = wanted_BFhw.shape[2:]
            cells_Bhw = thing_cells(step.source.label_BHW, grid, self.things, self.share)

        def losses(prediction: Prediction) -> dict[str, Tensor]:
            found = distance(prediction.features_BFHW.to(wanted_BFhw.dtype), wanted_BFhw, cells_Bhw)
            return source.losses(prediction) | {"features": self.weight * found}

        return replace(source, losses=losses)

    def _features(self, image_BCHW: Tensor) -> tuple[None, None, Tensor]:
        return None, None, self.reference.features(image_BCHW)

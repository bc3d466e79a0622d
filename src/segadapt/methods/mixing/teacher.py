"""A teacher: the running mean of the network that is trained, and the labels that it gives target images.

Source: Tarvainen and Valpola, NeurIPS 2017; DACS ``trainUDA.py``, DAFormer ``uda/dacs.py``.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from segadapt.core.errors import UserError
from segadapt.losses.likeliest import likeliest
from segadapt.methods.passes import Prediction
from segadapt.models import BatchNormPolicy, apply_batchnorm_policy


def alpha_at(step: int, cap: float) -> float:
    """What a teacher keeps of itself in update ``step``, from 0, which copies; below the cap it is the plain mean."""
    return min(1 - 1 / (step + 1), cap)


@dataclass(frozen=True)
class PseudoLabels:
    """label_BHW uint8, weight_BHW, and sure_share (0-dim): the share of pixels of a probability above the threshold."""

    label_BHW: Tensor
    weight_BHW: Tensor
    sure_share: Tensor


def pseudo_labels(
    prediction: Prediction, size: tuple[int, int], threshold: float, by_image: bool = False,
    margins: tuple[int, int] = (0, 0),
) -> PseudoLabels:  # fmt: skip
    """The likeliest classes at ``size``, all of the batch weighted by its share of sure pixels, or each image by its
    own if ``by_image``; ``margins`` are rows at the top and at the bottom of weight 0.
    """
    label_BHW, probability_BHW = likeliest(prediction.logits_final_BCHW, size)
    sure_B11 = (probability_BHW >= threshold).to(probability_BHW.dtype).mean(dim=(1, 2), keepdim=True)
    share_B11 = sure_B11 if by_image else sure_B11.mean().expand_as(sure_B11)
    weight_BHW = share_B11.expand_as(probability_BHW).clone()
    weight_BHW[:, : margins[0]] = 0
    weight_BHW[:, size[0] - margins[1] :] = 0
    return PseudoLabels(label_BHW, weight_BHW, sure_B11.mean())


class Teacher(nn.Module):
    """``network`` begins as a copy, and has batch-norm statistics of its own, in training mode as the policy says; what
    drops units or layers is off. With ``of_buffers`` those of floats are averaged, too.
    """

    def __init__(self, model: nn.Module, alpha: float, batch_norm: BatchNormPolicy, of_buffers: bool = False) -> None:
        super().__init__()
        self.alpha, self.network, self.of_buffers = alpha, copy.deepcopy(model), of_buffers
        apply_batchnorm_policy(self.network, batch_norm, training=True)
        self.network.requires_grad_(False)
        for module in self.network.modules():
            if isinstance(module, _DropoutNd):
                module.eval()

    @torch.no_grad()
    def follow(self, model: nn.Module, step: int) -> None:
        """Moves the parameters towards a network's in update ``step``; UserError for a network of another shape."""
        mine, its = (self._averaged(network) for network in (self.network, model))
        shapes = [{name: tuple(each.shape) for name, each in named.items()} for named in (mine, its)]
        if shapes[0] != shapes[1]:
            name = next(name for name in mine | its if shapes[0].get(name) != shapes[1].get(name))
            told = " and ".join(str(each.get(name, "not there")) for each in shapes)
            raise UserError(f"{name} of teacher and network is {told}; make the teacher of this very network")
        torch._foreach_lerp_(list(mine.values()), [its[name] for name in mine], 1 - alpha_at(step, self.alpha))

    def _averaged(self, network: nn.Module) -> dict[str, Tensor]:
        buffers = network.named_buffers() if self.of_buffers else ()
        return dict(network.named_parameters()) | {name: each for name, each in buffers if each.is_floating_point()}

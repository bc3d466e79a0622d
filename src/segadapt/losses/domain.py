"""The objectives of adversarial training: a segmentation network and a discriminator of domains."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.losses.upsample import upsample

SOURCE, TARGET = 0.0, 1.0
"""What a discriminator should answer. The network trained against it wants SOURCE on target images."""
OBJECTIVES = ("vanilla", "least_squares")


def domain_loss(score_B1HW: Tensor, domain: float, objective: str = "vanilla") -> Tensor:
    """How far scores are from a domain's label, mean over all positions, as a 0-dim tensor.

    vanilla: binary cross-entropy of sigmoid(score), formed from the scores. least_squares: (score - label)².
    UserError for another ``objective``. Source: AdaptSegNet ``train_gta2cityscapes_multi.py`` (``--gan``).
    """
    if objective not in OBJECTIVES:
        raise UserError(f"objective is {objective!r}; use one of {', '.join(OBJECTIVES)}")
    label_B1HW = torch.full_like(score_B1HW, domain)
    if objective == "vanilla":
        return F.binary_cross_entropy_with_logits(score_B1HW, label_B1HW)
    return F.mse_loss(score_B1HW, label_B1HW)


def softmax_map(logits_BCHW: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Class probabilities of the logits upsampled to ``size``; differentiable. Source: AdaptSegNet, section 3."""
    return upsample(logits_BCHW, size).softmax(dim=1)


def self_information_map(logits_BCHW: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """-p log p / log C per class of the logits upsampled to ``size``; differentiable, finite also at p = 0.

    A pixel's sum is its entropy in [0, 1]. ADVENT forms -p log2(p + 1e-30) / log2 C (``advent/utils/func.py:
    prob_2_entropy``), which is the same within 1e-28: here log p comes from the logits and needs no guard.
    """
    log_probability_BCHW = upsample(logits_BCHW, size).log_softmax(dim=1)
    return log_probability_BCHW.exp() * log_probability_BCHW / -math.log(logits_BCHW.shape[1])

"""Soft neighbourhood density: are pixels that are alike predicted alike? A score without labels.

Saito et al., "Tune it the Right Way: Unsupervised Validation of Domain Adaptation via Soft Neighborhood Density",
ICCV 2021, equations 1 to 3, on the softmax outputs as their semantic segmentation experiments have it. With f_i the
softmax vector of pixel i divided by its L2 norm and t = 0.05,

    P_ij = exp(f_i . f_j / t) / sum_{k != i} exp(f_i . f_k / t)    (j != i)
    score = mean_i H(P_i),    H(q) = -sum_j q_j ln q_j             (nats)

in [0, ln(M - 1)] for M pixels; higher is better: every pixel has many near neighbours. A model that says the same
everywhere scores the highest of all, ln(M - 1), which is why the score stands beside others and chooses nothing.

All pairs of all pixels are out of reach, so ``PIXELS_PER_IMAGE`` pixels of each image are drawn, the same ones for
every model, and of these at most ``MAXIMUM``, evenly spaced.
"""

import math

import torch
from torch import Tensor

from segadapt.core.seeding import generator

TEMPERATURE = 0.05
PIXELS_PER_IMAGE = 40
MAXIMUM = 2000
_ROWS = 250
"""Rows of the M x M similarities that are held at a time: 4 MB in float64."""


class SoftNeighbourhood:
    """Collects pixels image by image, then scores them; M x C numbers are kept."""

    def __init__(self) -> None:
        self._chosen: list[Tensor] = []

    def add(self, probability_CHW: Tensor) -> None:
        """Draws the pixels of one more image from its softmax map, float64."""
        flat_CN = probability_CHW.flatten(1)
        count = flat_CN.shape[1]
        # By the image's number and size alone: no model is looked at elsewhere than another one.
        random = generator("soft neighbourhood", len(self._chosen), count)
        drawn = random.choice(count, min(count, PIXELS_PER_IMAGE), replace=False)
        self._chosen.append(flat_CN[:, torch.from_numpy(drawn).to(flat_CN.device)].T.cpu())

    def density(self) -> float:
        """The score of all images so far, in nats; NaN for fewer than two pixels."""
        pixels_MC = torch.cat(self._chosen) if self._chosen else torch.zeros(0, 1)
        pixels_MC = pixels_MC[evenly_spaced(len(pixels_MC), MAXIMUM)]
        return soft_neighbourhood_density(pixels_MC)


def soft_neighbourhood_density(probability_MC: Tensor, temperature: float = TEMPERATURE) -> float:
    """The score of M pixels' softmax vectors (M, C), computed in float64; NaN for fewer than two pixels."""
    count = len(probability_MC)
    if count < 2:
        return math.nan
    unit_MC = torch.nn.functional.normalize(probability_MC.to(torch.float64), dim=1)
    entropy = 0.0
    for start in range(0, count, _ROWS):
        similarity_RM = unit_MC[start : start + _ROWS] @ unit_MC.T / temperature
        rows = torch.arange(len(similarity_RM))
        similarity_RM[rows, start + rows] = -math.inf
        entropy += float(torch.special.entr(similarity_RM.softmax(dim=1)).sum())
    return entropy / count


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """``wanted`` indices spread over [0, count), the first one 0; all of them if there are no more."""
    wanted = min(count, wanted)
    return [position * count // wanted for position in range(wanted)]

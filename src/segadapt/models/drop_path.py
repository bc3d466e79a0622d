"""Stochastic depth: in training, a residual branch is left out for some images (Huang et al., ECCV 2016)."""

import torch
from torch import Tensor
from torch.nn.modules.dropout import _DropoutNd


class DropPath(_DropoutNd):
    """Leaves each sample of a branch out with probability ``p`` and scales those that stay by 1 / (1 - p).

    In evaluation, and in a teacher, nothing happens, as of any dropout. It draws from torch's generator, which training
    sets anew for each pass of each step (``segadapt.training.dropout``).
    """

    def forward(self, branch_BX: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return branch_BX
        shape = (len(branch_BX), *[1] * (branch_BX.dim() - 1))
        kept_BX = torch.rand(shape, device=branch_BX.device) >= self.p
        return branch_BX * kept_BX.to(branch_BX.dtype).div_(1 - self.p)

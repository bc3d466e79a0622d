"""One adaptation step the way the released code runs it, as a baseline of ``gpu.py``.

MaxSquareLoss ``tools/solve_gta5.py`` (``train_one_epoch``), in our own words: both heads of
both domains up-sampled, what nobody uses computed too, histograms on the host, every loss read back, SGD over a list
that names backbone tensors three or four times. The network is ours, which has the same layers.
"""

import warnings

import torch
import torch.nn.functional as F
from loss_baselines import IGNORED, upsample, written_both
from torch import Tensor, nn

from segadapt.training.optimiser import parameter_groups

LEARNING_RATE, LAMBDA_TARGET, AUXILIARY = 2.5e-4, 0.1, 0.1


class ReferenceStep:
    """Called with float images (B, 3, H, W) and int64 labels it trains once and returns both losses as numbers."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        rates = []
        for group in parameter_groups(model):
            listed = [each for name, each in group.parameters.items() for _ in range(group.repeats(name))]
            rates.append({"params": listed, "lr": LEARNING_RATE * group.lr_factor})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of tensors that are listed twice, which is the point
            self.optimiser = torch.optim.SGD(rates, momentum=0.9, weight_decay=5e-4, foreach=False)

    def __call__(self, source_BCHW: Tensor, label_BHW: Tensor, target_BCHW: Tensor) -> tuple[float, float]:
        self.optimiser.zero_grad()
        size = tuple(source_BCHW.shape[2:])
        final, low = (upsample(each, size) for each in self.model(source_BCHW))
        loss = F.cross_entropy(final, label_BHW, ignore_index=IGNORED)
        loss = loss + AUXILIARY * F.cross_entropy(low, label_BHW, ignore_index=IGNORED)
        loss.backward()
        source_loss = loss.item()
        final, low = self.model(target_BCHW)
        target_loss = LAMBDA_TARGET * written_both(final, low, label_BHW, tuple(target_BCHW.shape[2:]))
        target_loss.backward()
        self.optimiser.step()
        return source_loss, target_loss.item()

"""What batch normalisation does in training, as explicit switches that are set in one place."""

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from segadapt.core.errors import UserError

STEM = "bn1"


@dataclass(frozen=True)
class BatchNormPolicy:
    """Four switches that authors call "frozen batch norm" without saying which; see ``RELEASED`` and its siblings.

    ``batch_statistics``: in training, normalise by the batch's own mean and variance (else by the running ones).
    ``update_running``: in training, move the running statistics (momentum 0.1); needs ``batch_statistics``.
    ``train_affine``: the weight and bias of every batch norm get gradients.
    ``train_stem_affine``: those of the stem's ``bn1`` do too; needs ``train_affine``.

    In evaluation the running statistics are used and stay as they are, whatever the switches say.
    """

    batch_statistics: bool = True
    update_running: bool = True
    train_affine: bool = True
    train_stem_affine: bool = False

    def __post_init__(self) -> None:
        if self.update_running and not self.batch_statistics:
            raise UserError(
                "batch norm: update_running is true but batch_statistics is false; "
                "running statistics move only when the batch's own are computed, so set both or neither"
            )
        if self.train_stem_affine and not self.train_affine:
            raise UserError(
                "batch norm: train_stem_affine is true but train_affine is false; "
                "set train_affine to true, or train_stem_affine to false"
            )


RELEASED = BatchNormPolicy()
"""MaxSquareLoss (``tools/solve_gta5.py``, ``graphs/models/deeplab_multi.py`` at 2fbc18f, ``--freeze_bn False``):
batch statistics of the one image, running ones updated by source and target images alike (an AdaBN-like effect that
the source-only model lacks), affine part trained everywhere but in the stem."""

ADAPTSEGNET = BatchNormPolicy(train_affine=False)
"""AdaptSegNet and ADVENT: as released, with every affine part frozen. What their authors call "BN off" is the affine
part; the running statistics do move (AdaptSegNet issues 25 and 35)."""

CBST = BatchNormPolicy(batch_statistics=False, update_running=False)
"""CBST (``issegm/solve_ST.py``, ``bn_use_global_stats``) normalises by the running statistics in training and never
moves them; every affine part is trained, and its wide network has no stem ``bn1``."""

CRST = BatchNormPolicy(batch_statistics=False, update_running=False, train_affine=False)
"""CRST, on DeepLab, runs batch norm in evaluation mode with every affine part frozen."""

BATCHNORM_POLICIES = {"released": RELEASED, "adaptsegnet": ADAPTSEGNET, "cbst": CBST, "crst": CRST}


def _set_affine(module: _BatchNorm, trainable: bool) -> None:
    for parameter in (module.weight, module.bias):
        parameter.requires_grad_(trainable)
        if not trainable:
            # A gradient left from before the freeze would still be applied by the next optimiser step.
            parameter.grad = None


def apply_batchnorm_policy(model: nn.Module, policy: BatchNormPolicy, training: bool = True) -> None:
    """Puts ``model`` into training or evaluation mode with ``policy`` in force; call it in place of
    ``model.train()`` and ``model.eval()``, which know nothing of the policy: ``.train()`` would quietly switch the
    batch statistics on again.

    Works on every batch norm below ``model``; the stem is the one named ``bn1``.
    """
    model.train(training)
    for name, module in model.named_modules():
        if not isinstance(module, _BatchNorm):
            continue
        module.train(training and policy.batch_statistics)
        # With this off, torch normalises a training batch by its own statistics and leaves the running ones alone,
        # yet evaluation still uses them as long as the buffers exist.
        module.track_running_stats = policy.update_running or not module.training
        _set_affine(module, policy.train_stem_affine if name == STEM else policy.train_affine)

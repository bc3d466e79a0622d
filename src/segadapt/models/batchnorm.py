"""What batch normalisation does in training, as explicit switches that are set in one place."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from segadapt.core.parameters import BatchNormPolicy

STEM = "bn1"


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

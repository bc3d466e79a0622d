"""A trained model's backbone as a small file of initial weights."""

from dataclasses import replace
from pathlib import Path

import torch

from segadapt.core.errors import UserError
from segadapt.models.weights import open_model, save_tensors


def export_backbone(model_path: Path, target: Path) -> int:
    """Writes all but the heads of a model of ours in half precision and returns the file's size in bytes.

    float16 keeps 11 bits of a weight, which training from it can't tell from 24; batch norm's statistics, which may be
    large, and its counters stay as they are. The bytes depend on the model's tensors alone. UserError, with nothing
    written, for a file that is no whole model of ours or a weight that half precision can't hold.
    """
    model, _ = open_model(model_path)
    statistics = {name for name, _ in model.named_buffers()}
    tensors = {}
    for name, tensor in model.state_dict().items():
        if model.is_of_head(name):
            continue
        tensors[name] = tensor if name in statistics else tensor.to(torch.float16)
        if not torch.isfinite(tensors[name]).all():
            raise UserError(
                f"{model_path}: {name} holds {float(tensor.abs().max()):.3g}, more than half precision can; train with "
                "a lower learning rate"
            )
    backbone = replace(model.architecture, num_classes=None, class_set=None)
    save_tensors(target, tensors, backbone.as_metadata())
    return target.stat().st_size

"""torchvision, also where its compiled operators cannot be loaded.

They are compiled for one build of torch. Beside another one, torch for the CPU alone say, ``import torchvision`` fails
at the first operator that it describes without looking whether it is there, although its networks, colours and drawing
are written in Python. There the two that it describes so are declared, with nothing behind them; where the real ones
are, nothing is declared.

Import torchvision from here, and only where it is used: it takes longer than torch itself.
"""

import torch

try:
    import torchvision
except RuntimeError:
    _DECLARED = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _DECLARED.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
import torchvision.transforms.v2.functional

__all__ = ["torchvision"]

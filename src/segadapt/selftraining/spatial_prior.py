"""Where in a picture each class is found in the source domain: CBST-SP's spatial prior.

How the original's ``prior_array.mat`` was made is not published with it. Here: the share of source training images
that have the class at a pixel, smoothed by a Gaussian whose standard deviation is ``blur`` of the picture's width
(edges repeat), scaled so that each class has the maximum 1. A class that the source never shows is 0 everywhere.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.models import load_tensors, save_tensors

_NAME = "prior_CHW"


def spatial_prior(labels: Iterable[np.ndarray], num_classes: int, blur: float) -> np.ndarray:
    """float32 (C, H, W) in [0, 1] from train-id labels (H, W) of one size, one held at a time."""
    count_CHW = None
    for label_HW in labels:
        if count_CHW is None:
            count_CHW = np.zeros((num_classes, *label_HW.shape), np.int32)
        for train_id in np.unique(label_HW):
            if train_id < num_classes:
                count_CHW[train_id] += label_HW == train_id
    assert count_CHW is not None, "a prepared cache has a sample"
    prior_CHW = np.zeros(count_CHW.shape, np.float32)
    for train_id, count_HW in enumerate(count_CHW):
        smooth_HW = gaussian_filter(count_HW.astype(np.float64), blur * count_HW.shape[1], mode="nearest")
        if smooth_HW.max() > 0:
            prior_CHW[train_id] = smooth_HW / smooth_HW.max()
    return prior_CHW


def save_prior(path: Path, prior_CHW: np.ndarray, class_set: str) -> None:
    """Writes the prior with the name of its class set."""
    save_tensors(path, {_NAME: torch.from_numpy(prior_CHW)}, {"classes": class_set})


def load_prior(path: Path, class_set: str, size: tuple[int, int]) -> Tensor:
    """The prior at (H, W), bilinear with aligned corners: source and target pictures have sizes of their own.

    UserError for a damaged file and for another class set.
    """
    tensors, metadata = load_tensors(path)
    if metadata.get("classes") != class_set or _NAME not in tensors:
        raise UserError(f"{path} is no spatial prior of {class_set}; delete it and run the same command again")
    return F.interpolate(tensors[_NAME][None], size=size, mode="bilinear", align_corners=True)[0]

"""ClassMix: half of the classes of a source image are pasted onto a target image (Olsson et al., WACV 2021)."""

import numpy as np
import torch
from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.core.seeding import generator
from segadapt.data.batches.batch import Batch
from segadapt.data.batches.draws import sent

IDS = 256


def draw_scores(count: int, seed: int, step: int) -> np.ndarray:
    """Of each of ``count`` images, a number for every train id: those of the smallest are pasted."""
    return np.stack([generator(seed, "class mix", step, index).random(IDS, np.float32) for index in range(count)])


def pasted_pixels(label_BHW: Tensor, score_BI: Tensor, of_batch: bool = False) -> Tensor:
    """bool_BHW: the pixels of half of the classes, rounded up, that an image's labels hold, or those of the whole batch
    if ``of_batch``. Ignored pixels count as a class.

    Source: DACS ``utils/transformmasks.py``; whole batches: DAFormer ``dacs_transforms.py:get_class_masks``.
    """
    index_BP = label_BHW.flatten(1).long()
    there_BI = torch.zeros_like(score_BI, dtype=torch.bool).scatter_(1, index_BP, True)
    if of_batch:
        there_BI = there_BI.any(dim=0).expand_as(there_BI)
    place_BI = score_BI.masked_fill(~there_BI, 2.0).argsort(dim=1).argsort(dim=1)
    drawn_BI = place_BI < (there_BI.sum(dim=1, keepdim=True) + 1) // 2
    return drawn_BI.gather(1, index_BP).view(label_BHW.shape)


def class_mix(
    source: Batch, target: Batch, label_BHW: Tensor, seed: int, step: int, of_batch: bool = False
) -> tuple[Batch, Tensor]:
    """Source images pasted onto target images with labels ``label_BHW``, and which pixels are the source's (bool_BHW).

    UserError for batches of different sizes.
    """
    if source.image_BHWC.shape != target.image_BHWC.shape:
        shapes = (tuple(each.image_BHWC.shape[:3]) for each in (source, target))
        raise UserError("source and target batches of {} and {} cannot be mixed; set training.crop".format(*shapes))
    score_BI = sent(draw_scores(len(source.label_BHW), seed, step), source.label_BHW.device)
    pasted_BHW = pasted_pixels(source.label_BHW, score_BI, of_batch)
    image_BHWC = torch.where(pasted_BHW[..., None], source.image_BHWC, target.image_BHWC)
    return Batch(image_BHWC, torch.where(pasted_BHW, source.label_BHW, label_BHW)), pasted_BHW

"""What ``losses.py`` and the steps compare with: the released code's losses and a careful user's, in our own words.

All take both heads' logits at the network's size, labels, and the size (H, W) of the loss; they return a scalar.

* as written: MaxSquareLoss's sequence (``utils/loss.py``, ``tools/solve_gta5.py``): both heads up-sampled and
  soft-maxed, the largest probability and the mean of all taken whether needed or not, a four-dimensional mask that is
  true everywhere as an index, histograms on the host.
* plain vectorised: one head where one is enough, no mask, one histogram by ``bincount``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

CLASSES, THRESHOLD, ALPHA, GUIDANCE, IGNORED = 19, 0.95, 0.2, 0.1, 255


def upsample(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(logits, size, mode="bilinear", align_corners=True)


def prepare_as_written(final: Tensor, low: Tensor, size: tuple[int, int]) -> tuple[Tensor, ...]:
    """Both heads' logits and probabilities at full size, the certain class, and what nobody uses."""
    final, low = upsample(final, size), upsample(low, size)
    p_final, p_low = final.softmax(1), low.softmax(1)
    p_final.detach().mean(dim=(0, 2, 3))
    _, top = p_final.detach().max(dim=1)
    return final, low, p_final, p_low, top


def written_max_squares(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    _, _, p, _, _ = prepare_as_written(final, low, size)
    return -p.pow(2)[p != IGNORED].mean() / 2


def written_entropy(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    logits, _, p, _, _ = prepare_as_written(final, low, size)
    return -(logits.log_softmax(1) * p)[p != IGNORED].mean()


def written_image_weighted(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    _, _, p, _, top = prepare_as_written(final, low, size)
    return _written_image_weighted(p, top)


def _written_image_weighted(p: Tensor, top: Tensor) -> Tensor:
    maps = []
    for each in top:
        counts = torch.histc(each.cpu().float(), bins=CLASSES, min=0, max=CLASSES - 1).to(p.dtype)
        weights = 1 / (counts.pow(ALPHA) * counts.sum().pow(1 - ALPHA)).clamp(min=1)
        maps.append(weights[each.cpu()])
    weighted = p.pow(2) * torch.stack(maps).to(p.device)[:, None]
    return -weighted[p != IGNORED].sum() / (len(p) * CLASSES)


def written_guidance(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    return _written_guidance(*prepare_as_written(final, low, size)[1:4])


def _written_guidance(logits_low: Tensor, p_final: Tensor, p_low: Tensor) -> Tensor:
    p_final, p_low = p_final.detach(), p_low.detach()
    pseudo = ((p_final + p_low) / 2).argmax(dim=1)
    unsure = (p_final.max(dim=1).values <= THRESHOLD) & (p_low.max(dim=1).values <= THRESHOLD)
    pseudo[unsure] = IGNORED
    return F.cross_entropy(logits_low, pseudo, ignore_index=IGNORED)


def written_both(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    _, logits_low, p_final, p_low, top = prepare_as_written(final, low, size)
    return _written_image_weighted(p_final, top) + GUIDANCE * _written_guidance(logits_low, p_final, p_low)


def vectorised_max_squares(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    return -upsample(final, size).softmax(1).square().mean() / 2


def vectorised_entropy(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    log_p = upsample(final, size).log_softmax(1)
    return -(log_p.exp() * log_p).mean()


def vectorised_image_weighted(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    return _vectorised_image_weighted(upsample(final, size).softmax(1))


def _vectorised_image_weighted(p: Tensor) -> Tensor:
    image_and_top = p.detach().max(dim=1).indices + CLASSES * torch.arange(len(p), device=p.device)[:, None, None]
    counts = torch.bincount(image_and_top.flatten(), minlength=len(p) * CLASSES).to(p.dtype)
    weights = 1 / (counts.pow(ALPHA) * (p.shape[2] * p.shape[3]) ** (1 - ALPHA)).clamp(min=1)
    return -(p.square().sum(1) * weights[image_and_top]).sum() / (len(p) * CLASSES)


def vectorised_guidance(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    return _vectorised_guidance(upsample(low, size), upsample(final.detach(), size).softmax(1))


def _vectorised_guidance(logits_low: Tensor, p_final: Tensor) -> Tensor:
    p_low = logits_low.detach().softmax(1)
    sure = torch.maximum(p_final.amax(1), p_low.amax(1)) > THRESHOLD
    pseudo = (p_final + p_low).max(dim=1).indices.masked_fill_(~sure, IGNORED)
    return F.cross_entropy(logits_low, pseudo, ignore_index=IGNORED)


def vectorised_both(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    p_final = upsample(final, size).softmax(1)
    guide = _vectorised_guidance(upsample(low, size), p_final.detach())
    return _vectorised_image_weighted(p_final) + GUIDANCE * guide


def both_cross_entropy(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    """Both baselines: the library's own loss."""
    return F.cross_entropy(upsample(final, size), label, ignore_index=IGNORED)


def pixel_weight(label: Tensor) -> Tensor:
    """Of the shape of the labels, as mixed images have it: 1 in one half, a share in the other."""
    weight = torch.full(label.shape, 0.4, device=label.device)
    weight[:, :, : label.shape[2] // 2] = 1
    return weight


def weighted_cross_entropy(final: Tensor, low: Tensor, label: Tensor, size: tuple[int, int]) -> Tensor:
    """Both baselines: the library's own loss of every pixel, weighted, and the mean over all of them."""
    each = F.cross_entropy(upsample(final, size), label, ignore_index=IGNORED, reduction="none")
    return (each * pixel_weight(label)).mean()

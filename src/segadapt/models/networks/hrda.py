"""HRDA: one network sees the context of an image small and a detail of it large, and an attention fuses the two.

Facts: lhoyer/HRDA at c370b5b, ``mmseg/models/segmentors/hrda_encoder_decoder.py``, ``decode_heads/hrda_head.py`` (Hoyer
et al., ECCV 2022), on the Mix Transformer; names of tensors are the originals'.
"""

import torch
from torch import Tensor, nn

from segadapt.core.errors import UserError
from segadapt.models.architecture import Architecture
from segadapt.models.networks.mit import BACKBONES as ENCODER_SIZES
from segadapt.models.networks.mit import ConvNormRelu, FusionHead, SeparableAspp, Sizes, TransformerNetwork, resize
from segadapt.models.sliding import slide

BACKBONES = {"hrda_mit_b5": "mit_b5", "hrda_mit_streets": "mit_streets"}
"""By the encoder."""
LEAST_SIZES = {"hrda_mit_b5": (512, 512), "hrda_mit_streets": (64, 128)}
"""Height and width of a detail; twice as high and wide are the windows of a whole image, hence those to train on."""
SWITCHES = ()
FEATURE_CELL = 64
SIDES = {"hrda_mit_b5": 16, "hrda_mit_streets": 16}
"""Pixels that sides are multiples of: a detail, half an image, is cut out of a map that is eight times coarser."""
CELL = 4
"""Pixels each way of a detail's logits; the context's have twice as many."""
STEP = 8
"""Pixels between two places of a detail in training."""


class ScaleHeads(nn.Module):
    """The head of both scales, and the attention, a map a class, that says where the detail is to be trusted."""

    def __init__(self, sizes: Sizes, num_classes: int) -> None:
        super().__init__()
        self.head = FusionHead(sizes, num_classes, SeparableAspp)
        self.scale_attention = FusionHead(sizes, num_classes, ConvNormRelu)


class Hrda(TransformerNetwork):
    """Trained on one detail of each image; whole images are seen in windows, and each in details, that overlap by half.

    Images have sides of multiples of 16, at least those of a detail.
    """

    multiple = 4 * CELL

    def __init__(self, sizes: Sizes, num_classes: int, detail: tuple[int, int]) -> None:
        super().__init__(sizes, num_classes, ScaleHeads(sizes, num_classes))
        self.detail = detail

    def forward(self, image_BCHW: Tensor) -> tuple[Tensor, None, Tensor, Tensor, tuple[slice, slice]]:
        """``(logits_BCHW, None, features_BFhw of the context, logits_detail_BCHW, box)``.

        The detail is at the same place in all images, drawn from torch's generator, which training sets anew for each
        pass of each step: a multiple of 8 pixels from the top and from the left, and, as in the original, never at the
        bottom or the right. ``box`` are its rows and columns.
        """
        self._check(image_BCHW)
        logits_BChw, attention_BChw, features_BFhw = self._context(image_BCHW)
        corner = [self._place(side, own) for side, own in zip(image_BCHW.shape[2:], self.detail, strict=True)]
        box = tuple(slice(start, start + side) for start, side in zip(corner, self.detail, strict=True))
        detail_BChw = self._detailed(image_BCHW[:, :, *box])
        placed_BChw = detail_BChw.new_zeros((*detail_BChw.shape[:2], *(side // CELL for side in image_BCHW.shape[2:])))
        placed_BChw[:, :, *_coarser(box, CELL)] = detail_BChw
        inside_hw = torch.zeros_like(attention_BChw[0, 0])
        inside_hw[_coarser(box, 2 * CELL)] = 1
        fused_BChw = _fused(logits_BChw, attention_BChw * inside_hw, placed_BChw)
        logits_BCHW = resize(fused_BChw, image_BCHW.shape[2:])
        return logits_BCHW, None, features_BFhw, resize(detail_BChw, self.detail), box

    def whole(self, image_BCHW: Tensor) -> tuple[Tensor, None]:
        """Logits of the image's size: the mean over windows, in each of which details are averaged and then fused."""
        self._check(image_BCHW)
        window = tuple(min(2 * own, side) for own, side in zip(self.detail, image_BCHW.shape[2:], strict=True))
        return slide(image_BCHW, window, self.detail, self._in_details), None

    def features(self, image_BCHW: Tensor) -> Tensor:
        """Of the context."""
        return self.backbone(_halved(image_BCHW))[-1]

    def _in_details(self, image_BCHW: Tensor) -> Tensor:
        logits_BChw, attention_BChw, _ = self._context(image_BCHW)
        stride = tuple(side // 2 for side in self.detail)
        detail_BChw = slide(image_BCHW, self.detail, stride, self._detailed, CELL)
        return resize(_fused(logits_BChw, attention_BChw, detail_BChw), image_BCHW.shape[2:])

    def _context(self, image_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = self.backbone(_halved(image_BCHW))
        return self.decode_head.head(maps), self.decode_head.scale_attention(maps).sigmoid(), maps[-1]

    def _detailed(self, image_BCHW: Tensor) -> Tensor:
        return self.decode_head.head(self.backbone(image_BCHW))

    @staticmethod
    def _place(side: int, own: int) -> int:
        return STEP * int(torch.randint(max((side - own) // STEP, 1), (), device="cpu"))

    def _check(self, image_BCHW: Tensor) -> None:
        for side, own in zip(image_BCHW.shape[2:], self.detail, strict=True):
            if side % self.multiple or side < own:
                height, width = image_BCHW.shape[2:]
                raise UserError(
                    f"images of {width}x{height} do not go through this network of HRDA: sides are multiples "
                    f"of {self.multiple} and no smaller than a detail's {self.detail[1]}x{self.detail[0]}; give others"
                )


def _halved(image_BCHW: Tensor) -> Tensor:
    return resize(image_BCHW, [side // 2 for side in image_BCHW.shape[2:]])


def _coarser(box: tuple[slice, slice], cell: int) -> tuple[slice, slice]:
    return tuple(slice(each.start // cell, each.stop // cell) for each in box)


def _fused(context_BChw: Tensor, attention_BChw: Tensor, detail_BCHW: Tensor) -> Tensor:
    """On the detail's grid; what the context says is weighed before it is enlarged."""
    size = detail_BCHW.shape[2:]
    return resize(attention_BChw, size) * detail_BCHW + resize((1 - attention_BChw) * context_BChw, size)


def segmentation(architecture: Architecture) -> Hrda:
    """HRDA on a Mix Transformer."""
    name = architecture.backbone
    return Hrda(ENCODER_SIZES[BACKBONES[name]], architecture.num_classes, LEAST_SIZES[name])

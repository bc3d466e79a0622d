"""SegFormer's encoder, the Mix Transformer, with DAFormer's head; names of tensors are the originals'.

Facts: NVlabs/SegFormer ``mmseg/models/backbones/mix_transformer.py`` at 65fa8cf (Xie et al., NeurIPS 2021; four times
the width within every block, where the paper's table says eight in the first two stages; two different epsilons),
lhoyer/DAFormer ``mmseg/models/decode_heads/daformer_head.py`` at e6f6e04 (Hoyer et al., CVPR 2022).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segadapt.models.architecture import Architecture
from segadapt.models.drop_path import DropPath
from segadapt.models.initialisation import Draws
from segadapt.models.network import HEADS, NORMS, Network

ATTENTION_HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)
"""By how much each stage's keys and values are coarser, each way, than its queries."""
EXPANSION = 4
DROP_PATH = 0.1
"""Of the last block; it rises linearly from 0 at the first."""
BLOCK_EPSILON = 1e-6
"""Of a block's and a stage's layer norms; those of patches and of coarser keys have torch's 1e-5."""
ASPP_DILATIONS = (1, 6, 12, 18)
DROPOUT = 0.1
CLASSES_STD = 0.01


@dataclass(frozen=True)
class Sizes:
    """Channels and blocks of the four stages, and of the head."""

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    head_width: int = 256


_WIDE = (64, 128, 320, 512)
BACKBONES = {
    "mit_b0": Sizes((32, 64, 160, 256), (2, 2, 2, 2)),
    "mit_b1": Sizes(_WIDE, (2, 2, 2, 2)),
    "mit_b2": Sizes(_WIDE, (3, 4, 6, 3)),
    "mit_b3": Sizes(_WIDE, (3, 4, 18, 3)),
    "mit_b4": Sizes(_WIDE, (3, 8, 27, 3)),
    "mit_b5": Sizes(_WIDE, (3, 6, 40, 3)),
    # For the built-in street scenes: B0 at half its width.
    "mit_streets": Sizes((16, 32, 80, 128), (2, 2, 2, 2), head_width=64),
}
SWITCHES = ()
FEATURE_CELL = 32
LEAST_SIZES = {
    "mit_b0": (32, 32), "mit_b1": (32, 32), "mit_b2": (32, 32), "mit_b3": (32, 32), "mit_b4": (32, 32),
    "mit_b5": (32, 32), "mit_streets": (32, 32),
}  # fmt: skip
"""Keys and values of the first stage are one place of 32x32 pixels."""


class PatchEmbed(nn.Module):
    """Overlapping patches of a map as normed tokens."""

    def __init__(self, in_channels: int, width: int, side: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, width, side, stride=stride, padding=side // 2)
        self.norm = nn.LayerNorm(width)

    def forward(self, map_BCHW: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Tokens (B, N, D), row by row, and their grid (H, W)."""
        map_BDHW = self.proj(map_BCHW)
        return self.norm(as_tokens(map_BDHW)), tuple(map_BDHW.shape[2:])


class Attention(nn.Module):
    """Of every token to those of a grid that is ``reduction`` times coarser each way."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.sr = self.norm = None
        if reduction > 1:
            self.sr = nn.Conv2d(width, width, reduction, stride=reduction)
            self.norm = nn.LayerNorm(width)

    def forward(self, tokens_BND: Tensor, grid: tuple[int, int]) -> Tensor:
        coarse_BMD = tokens_BND
        if self.sr is not None:
            coarse_BMD = self.norm(as_tokens(self.sr(as_map(tokens_BND, grid))))
        query_BhNd = self.q(tokens_BND).unflatten(2, (self.heads, -1)).transpose(1, 2)
        key_BhMd, value_BhMd = self.kv(coarse_BMD).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed_BhNd = F.scaled_dot_product_attention(query_BhNd, key_BhMd, value_BhMd)
        return self.proj(mixed_BhNd.transpose(1, 2).flatten(2))


class DepthWise(nn.Module):
    """A 3x3 convolution of each channel of a map by itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 3, padding=1, groups=width)


class MixFeedForward(nn.Module):
    """Two linear layers; what lies between them sees its neighbours, which tells it where it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, EXPANSION * width)
        self.dwconv = DepthWise(EXPANSION * width)
        self.fc2 = nn.Linear(EXPANSION * width, width)

    def forward(self, tokens_BND: Tensor, grid: tuple[int, int]) -> Tensor:
        hidden_BCHW = self.dwconv.dwconv(as_map(self.fc1(tokens_BND), grid))
        return self.fc2(F.gelu(as_tokens(hidden_BCHW)))


class Block(nn.Module):
    """Attention and feed-forward, each on normed tokens and added to them."""

    def __init__(self, width: int, heads: int, reduction: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=BLOCK_EPSILON)
        self.attn = Attention(width, heads, reduction)
        self.norm2 = nn.LayerNorm(width, eps=BLOCK_EPSILON)
        self.mlp = MixFeedForward(width)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens_BND: Tensor, grid: tuple[int, int]) -> Tensor:
        tokens_BND = tokens_BND + self.drop_path(self.attn(self.norm1(tokens_BND), grid))
        return tokens_BND + self.drop_path(self.mlp(self.norm2(tokens_BND), grid))


class MixTransformer(nn.Module):
    """Four stages of blocks on ever coarser grids of tokens."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        rates = iter(torch.linspace(0, DROP_PATH, sum(sizes.depths), device="cpu").tolist())
        before = 3
        for stage, (width, depth) in enumerate(zip(sizes.widths, sizes.depths, strict=True)):
            patches = PatchEmbed(before, width, *((7, 4) if stage == 0 else (3, 2)))
            shape = width, ATTENTION_HEADS[stage], REDUCTIONS[stage]
            setattr(self, f"patch_embed{stage + 1}", patches)
            setattr(self, f"block{stage + 1}", nn.ModuleList(Block(*shape, next(rates)) for _ in range(depth)))
            setattr(self, f"norm{stage + 1}", nn.LayerNorm(width, eps=BLOCK_EPSILON))
            before = width

    def forward(self, image_BCHW: Tensor) -> list[Tensor]:
        """The maps of the four stages, at a quarter, an eighth, a sixteenth and a 32nd of the sides, rounded up."""
        maps, map_BCHW = [], image_BCHW
        for stage in range(1, 5):
            tokens_BND, grid = getattr(self, f"patch_embed{stage}")(map_BCHW)
            for block in getattr(self, f"block{stage}"):
                tokens_BND = block(tokens_BND, grid)
            map_BCHW = as_map(getattr(self, f"norm{stage}")(tokens_BND), grid)
            maps.append(map_BCHW)
        return maps


def as_map(tokens_BND: Tensor, grid: tuple[int, int]) -> Tensor:
    """Tokens (B, N, D) as a map (B, D, H, W), in channels-last memory."""
    return tokens_BND.transpose(1, 2).unflatten(2, grid)


def as_tokens(map_BDHW: Tensor) -> Tensor:
    """The inverse of :func:`as_map`."""
    return map_BDHW.flatten(2).transpose(1, 2)


class ConvNormRelu(nn.Module):
    """A convolution that keeps the map's size, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, side: int = 1, dilation: int = 1, groups: int = 1) -> None:
        super().__init__()
        padding = side // 2 * dilation
        self.conv = nn.Conv2d(
            in_channels, out_channels, side, padding=padding, dilation=dilation, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        return self.bn(self.conv(map_BCHW)).relu()


class SeparableConv(nn.Module):
    """A dilated 3x3 convolution of each channel by itself, then one across channels."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__()
        self.depthwise_conv = ConvNormRelu(in_channels, in_channels, 3, dilation, in_channels)
        self.pointwise_conv = ConvNormRelu(in_channels, out_channels)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        return self.pointwise_conv(self.depthwise_conv(map_BCHW))


class SeparableAspp(nn.Module):
    """DAFormer's fusion: views of four widths side by side, and a 3x3 convolution of them; no pooled image."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.aspp_modules = nn.ModuleList(
            ConvNormRelu(in_channels, out_channels)
            if dilation == 1
            else SeparableConv(in_channels, out_channels, dilation)
            for dilation in ASPP_DILATIONS
        )
        self.bottleneck = ConvNormRelu(len(ASPP_DILATIONS) * out_channels, out_channels, 3)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        return self.bottleneck(torch.cat([module(map_BCHW) for module in self.aspp_modules], dim=1))


class StageEmbed(nn.Module):
    """A linear layer on each place of a stage's map."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.proj = nn.Linear(in_channels, out_channels)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        return self.proj(map_BCHW.movedim(1, -1)).movedim(-1, 1)


class FusionHead(nn.Module):
    """All stages' maps on the grid of the first, fused, and mapped to classes."""

    def __init__(self, sizes: Sizes, num_classes: int, fusion: type[nn.Module]) -> None:
        super().__init__()
        width = sizes.head_width
        self.embed_layers = nn.ModuleList(StageEmbed(each, width) for each in sizes.widths)
        self.fuse_layer = fusion(len(sizes.widths) * width, width)
        self.dropout = nn.Dropout2d(DROPOUT)
        self.conv_seg = nn.Conv2d(width, num_classes, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """The stages' maps to logits (B, C, H/4, W/4)."""
        embedded = [layer(each) for layer, each in zip(self.embed_layers, maps, strict=True)]
        resized = [embedded[0], *(resize(each, embedded[0].shape[2:]) for each in embedded[1:])]
        return self.conv_seg(self.dropout(self.fuse_layer(torch.cat(resized, dim=1))))


def resize(map_BCHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, corners not aligned, as all of DAFormer's family; at least in single precision."""
    wide_BCHW = map_BCHW.to(torch.promote_types(map_BCHW.dtype, torch.float32))
    return F.interpolate(wide_BCHW, size=tuple(size), mode="bilinear", align_corners=False)


class TransformerNetwork(Network):
    """A Mix Transformer named ``backbone`` and a head on it; how they start and learn."""

    heads = ("decode_head",)
    aligned = False
    # DAFormer's: batch norm and biases of the head, and biases of the encoder, do decay.
    groups = (("head", HEADS), ("norm", NORMS))

    def __init__(self, sizes: Sizes, num_classes: int, decode_head: nn.Module) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.backbone = MixTransformer(sizes)
        self.decode_head = decode_head

    def features(self, image_BCHW: Tensor) -> Tensor:
        """The last stage's map, (B, F, H/32, W/32): what the feature distance is of."""
        return self.backbone(image_BCHW)[-1]

    def start(self, name: str, parameter: Tensor, draws: Draws) -> bool:
        """Convolutions: N(0, 2 / fan_out), a channel's own fan in the encoder; the head's linear layers as torch's.

        Linear layers of the encoder, and all norms, go by the common rules.
        """
        is_of_head, is_bias = self.is_of_head(name), name.endswith(".bias")
        if parameter.dim() == 4:
            out_channels, groups = len(parameter), len(parameter) if parameter.shape[1] == 1 and not is_of_head else 1
            fan_out = out_channels * parameter[0, 0].numel() // groups
            is_last = is_of_head and "conv_seg" in name
            draws.normal(parameter, name, CLASSES_STD if is_last else math.sqrt(2 / fan_out))
        elif is_of_head and "embed_layers" in name:
            draws.uniform(parameter, name, self.get_parameter(name.replace("bias", "weight")).shape[1])
        elif is_bias:
            nn.init.zeros_(parameter)
        else:
            return False
        return True


class DAFormer(TransformerNetwork):
    """Logits at the size of the image, to which they are resized as those of DAFormer are."""

    def __init__(self, sizes: Sizes, num_classes: int) -> None:
        super().__init__(sizes, num_classes, FusionHead(sizes, num_classes, SeparableAspp))

    def forward(self, image_BCHW: Tensor) -> tuple[Tensor, None, Tensor]:
        """Float images in the network's input convention to ``(logits_BCHW, None, features_BFHW)``."""
        maps = self.backbone(image_BCHW)
        return resize(self.decode_head(maps), image_BCHW.shape[2:]), None, maps[-1]


def segmentation(architecture: Architecture) -> DAFormer:
    """DAFormer's network."""
    return DAFormer(BACKBONES[architecture.backbone], architecture.num_classes)

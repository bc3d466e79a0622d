"""DINOv2's vision transformer with the head of VFM-UDA, under the names that their files have.

Facts: facebookresearch/dinov2 ``dinov2/models/vision_transformer.py`` and ``hub/backbones.py`` at b8931f7 (structure,
names, how positions are interpolated); tue-mps/vfm-uda ``models/vit_variants/vit_lightweight_head.py`` at 598fdbc
(head, enlarged input).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segadapt.core.errors import UserError
from segadapt.models.architecture import Architecture
from segadapt.models.network import Network
from segadapt.models.sliding import slide

EPSILON = 1e-6
POSITION_STD, OUT_STD, CLASS_STD = 0.02, 0.1, 1e-6
NUDGE = 0.1
"""Of a patch, added to a grid before positions are scaled to it, so that no rounding loses one."""


@dataclass(frozen=True)
class Backbone:
    """``depth`` blocks of ``width`` channels, seen by ``heads`` heads; patches of ``patch`` pixels square.

    Positions are stored for a square of ``grid`` patches each way. ``registers`` are tokens without a place. Images
    come in ``enlarged`` times as large, rounded down to whole patches; None takes them as they are. A whole image is
    looked at in windows of ``window`` pixels square, half of that from one to the next; None looks at all at once.
    """

    width: int
    depth: int
    heads: int
    patch: int = 14
    grid: int = 37
    registers: int = 0
    enlarged: float | None = 1.1
    window: int | None = 1024


BACKBONES = {
    "dinov2_vits14": Backbone(384, 12, 6),
    "dinov2_vitb14": Backbone(768, 12, 12),
    "dinov2_vitl14": Backbone(1024, 24, 16),
    "dinov2_vits14_reg": Backbone(384, 12, 6, registers=4),
    "dinov2_vitb14_reg": Backbone(768, 12, 12, registers=4),
    "dinov2_vitl14_reg": Backbone(1024, 24, 16, registers=4),
    # For the built-in street scenes.
    "streets_vit": Backbone(96, 6, 3, patch=8, grid=16, enlarged=None, window=None),
}
SWITCHES = ()
SIDES = {"streets_vit": 8}
HIDES_TOKENS = True


class PatchEmbedding(nn.Module):
    """A token for every patch."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)


class Attention(nn.Module):
    """Every token looks at all; each head in its share of the channels."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        batch, count, width = tokens_BND.shape
        parts_BN3hd = self.qkv(tokens_BND).view(batch, count, 3, self.heads, width // self.heads)
        seen_BhNd = F.scaled_dot_product_attention(*parts_BN3hd.permute(2, 0, 3, 1, 4))
        return self.proj(seen_BhNd.transpose(1, 2).reshape(batch, count, width))


class Mlp(nn.Module):
    """Two layers, GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(tokens_BND)))


class LayerScale(nn.Module):
    """A learned factor a channel (Touvron et al., ICCV 2021)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens_BND: Tensor) -> Tensor:
        return tokens_BND * self.gamma


class Block(nn.Module):
    """Attention, then the layers of each token by itself, both on normed tokens and beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, EPSILON)
        self.attn = Attention(width, heads)
        self.ls1 = LayerScale(width)
        self.norm2 = nn.LayerNorm(width, EPSILON)
        self.mlp = Mlp(width)
        self.ls2 = LayerScale(width)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        tokens_BND = tokens_BND + self.ls1(self.attn(self.norm1(tokens_BND)))
        return tokens_BND + self.ls2(self.mlp(self.norm2(tokens_BND)))


class VisionTransformer(nn.Module):
    """From images to a map of normed tokens, one for each patch."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.patch, self.grid = backbone.patch, backbone.grid
        self.cls_token = nn.Parameter(torch.zeros(1, 1, backbone.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + backbone.grid**2, backbone.width))
        self.mask_token = nn.Parameter(torch.zeros(1, backbone.width))
        self.register_tokens = (
            nn.Parameter(torch.zeros(1, backbone.registers, backbone.width)) if backbone.registers else None
        )
        self.patch_embed = PatchEmbedding(backbone.width, backbone.patch)
        self.blocks = nn.ModuleList(Block(backbone.width, backbone.heads) for _ in range(backbone.depth))
        self.norm = nn.LayerNorm(backbone.width, EPSILON)

    def forward(self, image_BCHW: Tensor, hidden_Bhw: Tensor | None = None) -> Tensor:
        """Tokens (B, D, h, w); where ``hidden_Bhw`` (bool) says so, the mask token stands for the patch.

        UserError for sides that are no multiples of the patch.
        """
        height, width = image_BCHW.shape[2:]
        if height % self.patch or width % self.patch:
            raise UserError(
                f"images of {width}x{height} are no whole patches; give sides that are multiples of {self.patch}"
            )
        patches_BDhw = self.patch_embed.proj(image_BCHW)
        tokens_BND = patches_BDhw.flatten(2).transpose(1, 2)
        if hidden_Bhw is not None:
            tokens_BND = torch.where(hidden_Bhw.flatten(1)[..., None], self.mask_token.to(tokens_BND.dtype), tokens_BND)
        grid, batch = patches_BDhw.shape[2:], len(image_BCHW)
        tokens_BND = torch.cat((self.cls_token.expand(batch, -1, -1), tokens_BND), dim=1) + self.positions(grid)
        if self.register_tokens is not None:
            registers_BRD = self.register_tokens.expand(batch, -1, -1)
            tokens_BND = torch.cat((tokens_BND[:, :1], registers_BRD, tokens_BND[:, 1:]), dim=1)
        for block in self.blocks:
            tokens_BND = block(tokens_BND)
        # What is no patch stands first.
        tokens_BND = self.norm(tokens_BND)[:, -grid.numel() :]
        return tokens_BND.transpose(1, 2).unflatten(2, grid)

    def positions(self, grid: tuple[int, int]) -> Tensor:
        """Positions (1, 1 + h w, D) of a grid: bicubic, by DINOv2's factors, with registers by size and smoothed."""
        if tuple(grid) == (self.grid, self.grid):
            return self.pos_embed
        first_11D, others_1ND = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        # Half precision would move the places.
        wide_1ND = others_1ND.to(torch.promote_types(others_1ND.dtype, torch.float32))
        table_1Dgg = wide_1ND.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        if self.register_tokens is None:
            factors = tuple((side + NUDGE) / self.grid for side in grid)
            scaled_1Dhw = F.interpolate(table_1Dgg, scale_factor=factors, mode="bicubic")
        else:
            scaled_1Dhw = F.interpolate(table_1Dgg, size=tuple(grid), mode="bicubic", antialias=True)
        return torch.cat((first_11D, scaled_1Dhw.flatten(2).transpose(1, 2).to(first_11D.dtype)), dim=1)


class LayerNorm2d(nn.LayerNorm):
    """Over the channels of a map."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, EPSILON)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        return super().forward(map_BCHW.movedim(1, -1)).movedim(-1, 1)


class VfmUdaNetwork(Network):
    """``encoder``, four times finer in two steps, and classes; logits have the size of the images."""

    heads = ("upscale", "out")
    aligned = False

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self._patch, self._enlarged, self._window = backbone.patch, backbone.enlarged, backbone.window
        self.multiple = backbone.patch if backbone.enlarged is None else 1
        half, quarter = backbone.width // 2, backbone.width // 4
        self.encoder = VisionTransformer(backbone)
        self.upscale = nn.Sequential(
            nn.ConvTranspose2d(backbone.width, half, 2, stride=2, bias=False),
            LayerNorm2d(half),
            nn.GELU(),
            nn.ConvTranspose2d(half, quarter, 2, stride=2, bias=False),
            LayerNorm2d(quarter),
            nn.Conv2d(quarter, quarter, 3, padding=1, bias=False),
            LayerNorm2d(quarter),
        )
        self.out = nn.Conv2d(quarter, num_classes, 1, bias=False)

    def token_grid(self, size: tuple[int, int]) -> tuple[int, int]:
        """How many tokens an image of (H, W) becomes, each way; UserError for less than one."""
        enlarged = self._enlarged or 1
        rows, columns = (int(side * enlarged // self._patch) for side in size)
        if not rows or not columns:
            raise UserError(
                f"images of {size[1]}x{size[0]} are smaller than a patch of {self._patch}; give larger ones"
            )
        return rows, columns

    def start(self, name: str, parameter: Tensor, draws) -> bool:
        """As the originals: the head's convolutions as PyTorch draws them, positions and tokens as ViTs do."""
        *_, last = name.split(".")
        if name == "out.weight":
            draws.normal(parameter, name, OUT_STD)
        elif name.startswith("upscale.") and parameter.ndim == 4:
            draws.uniform(parameter, name, parameter[0].numel())
        elif last == "pos_embed":
            draws.truncated_normal(parameter, name, POSITION_STD)
        elif last in ("cls_token", "register_tokens"):
            draws.normal(parameter, name, CLASS_STD)
        elif last in ("mask_token", "gamma"):
            nn.init.constant_(parameter, float(last == "gamma"))
        else:
            return False
        return True

    def forward(self, image_BCHW: Tensor, hidden_Bhw: Tensor | None = None) -> tuple[Tensor, None]:
        """Float images, and perhaps which of their tokens are hidden (bool), to (logits_BCHW, None)."""
        size = image_BCHW.shape[2:]
        if self._enlarged is not None:
            inside = tuple(side * self._patch for side in self.token_grid(size))
            image_BCHW = F.interpolate(image_BCHW, size=inside, mode="bilinear")
        logits_BCHW = self.out(self.upscale(self.encoder(image_BCHW, hidden_Bhw)))
        wide_BCHW = logits_BCHW.to(torch.promote_types(logits_BCHW.dtype, torch.float32))
        return F.interpolate(wide_BCHW, size=size, mode="bilinear"), None

    def whole(self, image_BCHW: Tensor) -> tuple[Tensor, None]:
        """In windows, whose probabilities are averaged; their logarithms stand for logits."""
        size = image_BCHW.shape[2:]
        if self._window is None or max(size) <= self._window:
            return self(image_BCHW)
        window = tuple(min(side, self._window) for side in size)
        stride = tuple(min(side, self._window // 2) for side in window)
        mean_BCHW = slide(image_BCHW, window, stride, lambda part_BCHW: self(part_BCHW)[0].softmax(dim=1))
        return mean_BCHW.clamp_min(torch.finfo(mean_BCHW.dtype).tiny).log(), None


def segmentation(architecture: Architecture) -> VfmUdaNetwork:
    """DINOv2 with VFM-UDA's head."""
    return VfmUdaNetwork(BACKBONES[architecture.backbone], architecture.num_classes)

"""Our Mix Transformer beside that of segmentation-models-pytorch: their weights, one image, how far the maps differ.

It runs in an environment of its own, for that package brings a hub of downloads and seconds of imports:

    pip install segmentation-models-pytorch==0.6.0 . && python benchmarks/mit_reference.py
"""

import torch
from segmentation_models_pytorch.encoders import get_encoder

from segadapt.core.torchvision import torchvision  # noqa: F401  the package below imports it as it finds it
from segadapt.models.networks.mit import BACKBONES, MixTransformer

SIZES = ((96, 128), (100, 140))
"""Height and width, multiples of 32 and not."""


def largest_difference(name: str, size: tuple[int, int]) -> tuple[float, int, int]:
    """Over all four maps, relative to the largest value of each, in float64; entries; parameters."""
    torch.manual_seed(0)
    theirs = get_encoder(name, weights=None).double().eval()
    for tensor in theirs.parameters():
        torch.nn.init.normal_(tensor, 0.5 if tensor.dim() == 1 else 0.0, 0.05)
    ours = MixTransformer(BACKBONES[name]).double().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image_BCHW = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.inference_mode():
        pairs = list(zip(ours(image_BCHW), theirs(image_BCHW)[-4:], strict=True))
    gaps = [((one - other).abs().max() / other.abs().max()).item() for one, other in pairs]
    return max(gaps), len(ours.state_dict()), sum(each.numel() for each in ours.parameters())


if __name__ == "__main__":
    print("encoder  entries  parameters  largest relative difference, at " + ", ".join(f"{w}x{h}" for h, w in SIZES))
    for encoder in (name for name in BACKBONES if name.startswith("mit_b")):
        found = [largest_difference(encoder, size) for size in SIZES]
        gaps = ", ".join(f"{gap:.1e}" for gap, _, _ in found)
        print(f"{encoder}   {found[0][1]:>7} {found[0][2]:>11,}  {gaps}")

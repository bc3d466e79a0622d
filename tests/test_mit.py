"""SegFormer's encoder and DAFormer's head: a naive forward pass, and the originals' names, counts and groups."""

import json
import math

import pytest
import torch
import torch.nn.functional as F

from segadapt.core.errors import UserError
from segadapt.models import Architecture, build, initialise, load_tensors, save_model
from segadapt.models.exporting import export_backbone
from segadapt.models.loading import load_backbone
from segadapt.models.networks import mit, outline
from segadapt.models.networks.mit import BACKBONES, DAFormer, MixTransformer, Sizes
from segadapt.training.optimiser import parameter_groups

TINY = Sizes((4, 8, 10, 16), (1, 2, 1, 1), head_width=6)
ENCODERS = {
    "mit_b0": (3_319_392, 176),
    "mit_b1": (13_151_424, 176),
    "mit_b2": (24_196_288, 332),
    "mit_b3": (44_072_128, 572),
    "mit_b4": (60_842_688, 832),
    "mit_b5": (81_443_008, 1052),
}
"""Parameters and entries; of B0, B1, B2 and B5 also what segmentation-models-pytorch 0.6.0 has."""


def numbers(module) -> int:
    return sum(each.numel() for each in module.parameters())


def network(seed: int = 3) -> DAFormer:
    """A tiny one whose every tensor counts, in float64."""
    return drawn(DAFormer(TINY, 5), seed)


def drawn(model, seed: int):
    """The network with every tensor drawn anew, in float64."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3 + (0.8 if "var" in name else 0))
                tensor.abs_() if "running_var" in name else None
    return model.double().eval()


def picture(height: int, width: int) -> torch.Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


# --- a naive forward pass, one token and one head at a time -----------------------------------------


def normed(tokens, state, name, epsilon):
    mean = tokens.mean(-1, keepdim=True)
    variance = ((tokens - mean) ** 2).mean(-1, keepdim=True)
    return (tokens - mean) / (variance + epsilon).sqrt() * state[f"{name}.weight"] + state[f"{name}.bias"]


def linear(tokens, state, name):
    return torch.einsum("...i,oi->...o", tokens, state[f"{name}.weight"]) + state[f"{name}.bias"]


def naive_encoder(state, image, depths, heads=(1, 2, 5, 8), ratios=(8, 4, 2, 1)):
    maps, current = [], image
    for stage in range(4):
        at = f"patch_embed{stage + 1}"
        side, stride = (7, 4) if stage == 0 else (3, 2)
        weight, bias = state[f"{at}.proj.weight"], state[f"{at}.proj.bias"]
        current = F.conv2d(current, weight, bias, stride=stride, padding=side // 2)
        batch, width, high, wide = current.shape
        tokens = normed(current.permute(0, 2, 3, 1).reshape(batch, -1, width), state, f"{at}.norm", 1e-5)
        for index in range(depths[stage]):
            at = f"block{stage + 1}.{index}"
            entered = normed(tokens, state, f"{at}.norm1", 1e-6)
            coarse = entered
            if ratios[stage] > 1:
                folded = entered.reshape(batch, high, wide, width).permute(0, 3, 1, 2)
                weight, bias = state[f"{at}.attn.sr.weight"], state[f"{at}.attn.sr.bias"]
                folded = F.conv2d(folded, weight, bias, stride=ratios[stage])
                coarse = normed(folded.permute(0, 2, 3, 1).reshape(batch, -1, width), state, f"{at}.attn.norm", 1e-5)
            query, both = linear(entered, state, f"{at}.attn.q"), linear(coarse, state, f"{at}.attn.kv")
            key, value = both[..., :width], both[..., width:]
            size, mixed = width // heads[stage], torch.zeros_like(query)
            for head in range(heads[stage]):
                own = slice(head * size, (head + 1) * size)
                score = torch.einsum("bnd,bmd->bnm", query[..., own], key[..., own]) / math.sqrt(size)
                share = score.exp() / score.exp().sum(-1, keepdim=True)
                mixed[..., own] = torch.einsum("bnm,bmd->bnd", share, value[..., own])
            tokens = tokens + linear(mixed, state, f"{at}.attn.proj")
            hidden = linear(normed(tokens, state, f"{at}.norm2", 1e-6), state, f"{at}.mlp.fc1")
            folded = F.pad(hidden.reshape(batch, high, wide, -1).permute(0, 3, 1, 2), (1, 1, 1, 1))
            weight, seen = state[f"{at}.mlp.dwconv.dwconv.weight"], 0
            for row in range(3):
                for column in range(3):
                    seen = seen + folded[:, :, row : row + high, column : column + wide] * weight[
                        :, 0, row, column
                    ].view(1, -1, 1, 1)
            seen = seen + state[f"{at}.mlp.dwconv.dwconv.bias"].view(1, -1, 1, 1)
            seen = seen * 0.5 * (1 + torch.erf(seen / math.sqrt(2)))
            hidden = seen.permute(0, 2, 3, 1).reshape(batch, -1, hidden.shape[-1])
            tokens = tokens + linear(hidden, state, f"{at}.mlp.fc2")
        tokens = normed(tokens, state, f"norm{stage + 1}", 1e-6)
        current = tokens.reshape(batch, high, wide, width).permute(0, 3, 1, 2)
        maps.append(current)
    return maps


def conv_norm_relu(image, state, name, **how):
    image = F.conv2d(image, state[f"{name}.conv.weight"], **how)
    mean, variance, weight, bias = (
        state[f"{name}.bn.{each}"].view(1, -1, 1, 1) for each in ("running_mean", "running_var", "weight", "bias")
    )
    return ((image - mean) / (variance + 1e-5).sqrt() * weight + bias).clamp(min=0)


def resized(image, size):
    """Bilinear with half-pixel centres, a place at a time: two weights along each axis."""
    for axis, wanted in ((2, size[0]), (3, size[1])):
        have = image.shape[axis]
        place = ((torch.arange(wanted, dtype=torch.float64) + 0.5) * have / wanted - 0.5).clamp(min=0)
        before = place.floor().long()
        after, share = (before + 1).clamp(max=have - 1), place - before
        shape = [-1 if each == axis else 1 for each in range(4)]
        image = image.index_select(axis, before) * (1 - share).view(shape) + image.index_select(axis, after) * (
            share.view(shape)
        )
    return image


def naive_embedded(state, maps):
    found = []
    for index, each in enumerate(maps):
        embedded = linear(each.permute(0, 2, 3, 1), state, f"embed_layers.{index}.proj").permute(0, 3, 1, 2)
        found.append(resized(embedded, maps[0].shape[2:]))
    return torch.cat(found, dim=1)


def naive_head(state, maps):
    seen = naive_embedded(state, maps)
    views = [conv_norm_relu(seen, state, "fuse_layer.aspp_modules.0")]
    for index, dilation in ((1, 6), (2, 12), (3, 18)):
        name = f"fuse_layer.aspp_modules.{index}"
        own = conv_norm_relu(
            seen, state, f"{name}.depthwise_conv", padding=dilation, dilation=dilation, groups=seen.shape[1]
        )
        views.append(conv_norm_relu(own, state, f"{name}.pointwise_conv"))
    fused = conv_norm_relu(torch.cat(views, dim=1), state, "fuse_layer.bottleneck", padding=1)
    return F.conv2d(fused, state["conv_seg.weight"], state["conv_seg.bias"])


def part(model, name):
    return {key.removeprefix(f"{name}."): each for key, each in model.state_dict().items() if key.startswith(name)}


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96), (50, 70)])
def test_the_network_equals_the_naive_one(height, width):
    model, image = network(), picture(height, width)
    logits, low, features = model(image)
    maps = naive_encoder(part(model, "backbone"), image, TINY.depths)
    torch.testing.assert_close(features, maps[-1], rtol=1e-9, atol=1e-9)
    for ours, theirs in zip(model.backbone(image), maps, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    wanted = resized(naive_head(part(model, "decode_head"), maps), (height, width))
    assert low is None and logits.shape == (2, 5, height, width)
    torch.testing.assert_close(logits, wanted, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(model.features(image), features, rtol=0, atol=0)


# --- names, counts, groups --------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "wanted"), ENCODERS.items(), ids=ENCODERS)
def test_encoders_have_the_originals_counts(name, wanted):
    with torch.device("meta"):
        encoder = MixTransformer(BACKBONES[name])
    assert (numbers(encoder), len(encoder.state_dict())) == wanted


@pytest.mark.parametrize(("name", "head", "whole"), [("mit_b5", 3_712_275, 85_155_283), ("mit_b0", 3_581_203, None)])
def test_the_head_has_the_originals_counts(name, head, whole):
    model = outline(Architecture(name, 19))
    assert numbers(model.decode_head) == head and len(model.decode_head.state_dict()) == 58
    assert whole is None or (numbers(model), len(model.state_dict())) == (whole, 1110)


def test_names_are_the_originals():
    """As the issue trackers, the released checkpoints and the code of the authors spell them."""
    pairs, wanted = ("weight", "bias"), set()
    for stage, (depth, ratio) in enumerate(zip(BACKBONES["mit_b0"].depths, (8, 4, 2, 1), strict=True), 1):
        layers = [f"patch_embed{stage}.proj", f"patch_embed{stage}.norm", f"norm{stage}"]
        inner = ["norm1", "attn.q", "attn.kv", "attn.proj", "norm2", "mlp.fc1", "mlp.dwconv.dwconv", "mlp.fc2"]
        inner += ["attn.sr", "attn.norm"] if ratio > 1 else []
        layers += [f"block{stage}.{block}.{each}" for block in range(depth) for each in inner]
        wanted |= {f"backbone.{layer}.{each}" for layer in layers for each in pairs}
    norm = (*pairs, "running_mean", "running_var", "num_batches_tracked")
    views = ["aspp_modules.0", "bottleneck"]
    views += [f"aspp_modules.{index}.{kind}_conv" for index in (1, 2, 3) for kind in ("depthwise", "pointwise")]
    head = {f"fuse_layer.{view}.bn.{each}" for view in views for each in norm}
    head |= {f"fuse_layer.{view}.conv.weight" for view in views}
    head |= {
        f"{name}.{each}"
        for name in ("conv_seg", *(f"embed_layers.{index}.proj" for index in range(4)))
        for each in pairs
    }
    assert set(outline(Architecture("mit_b0", 19)).state_dict()) == wanted | {f"decode_head.{each}" for each in head}


def test_daformers_groups():
    groups = parameter_groups(outline(Architecture("mit_b5", 19)), 10.0)
    table = {(each.lr_factor, each.decays): each.parameters for each in groups}
    counts = {key: len(each) for key, each in table.items()}
    assert counts == {(1.0, False): 322, (1.0, True): 730, (10.0, True): 34}
    assert sum(each.numel() for each in table[1.0, False].values()) == 92_800
    assert "decode_head.fuse_layer.bottleneck.bn.weight" in table[10.0, True]
    assert "backbone.block1.0.attn.q.bias" in table[1.0, True]


def test_whole_branches_are_dropped_more_often_the_deeper():
    blocks = [module for module in outline(Architecture("mit_b5", 19)).modules() if isinstance(module, mit.Block)]
    assert [block.drop_path.p for block in blocks] == pytest.approx([0.1 * index / 51 for index in range(52)])


# --- where it starts, and files ---------------------------------------------------------------------


def test_where_it_starts():
    model = initialise(build(Architecture("mit_b0", 19)), 3, "kaiming")
    state = {name: each.double() for name, each in model.state_dict().items()}

    def spread(name):
        return state[name].std().item()

    assert spread("backbone.patch_embed2.proj.weight") == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.05)
    assert spread("backbone.block3.1.mlp.dwconv.dwconv.weight") == pytest.approx(math.sqrt(2 / 9), rel=0.05)
    assert spread("backbone.block1.0.attn.sr.weight") == pytest.approx(math.sqrt(2 / (64 * 32)), rel=0.05)
    linear_weight = state["backbone.block4.0.mlp.fc1.weight"]
    assert linear_weight.abs().max() <= 0.04 and spread("backbone.block4.0.mlp.fc1.weight") == pytest.approx(
        0.0176, rel=0.05
    )
    assert spread("decode_head.conv_seg.weight") == pytest.approx(0.01, rel=0.05)
    bound = 1 / math.sqrt(64)
    for kind in ("weight", "bias"):
        drawn = state[f"decode_head.embed_layers.1.proj.{kind}"]
        assert 0.9 * bound < drawn.abs().max() <= bound and abs(drawn.mean()) < 0.2 * bound
    fan_out = 1024 * 9
    name = "decode_head.fuse_layer.aspp_modules.2.depthwise_conv.conv.weight"
    assert spread(name) == pytest.approx(math.sqrt(2 / fan_out), rel=0.05)
    ones = [name for name in state if name.endswith((".norm1.weight", ".norm.weight", "bn.weight", "running_var"))]
    assert len(ones) > 20 and all((state[name] == 1).all() for name in ones)
    zeros = [name for name in state if name.endswith(".bias") and "embed_layers" not in name]
    assert len(zeros) > 60 and not any(state[name].any() for name in zeros)
    again = initialise(build(Architecture("mit_b0", 7)), 3, "kaiming").state_dict()
    same = [name for name in again if "conv_seg" not in name]
    assert all(torch.equal(again[name], model.state_dict()[name]) for name in same)


def test_the_thin_one_is_exported_small_and_loaded_without_its_head(tmp_path):
    model = initialise(build(Architecture("mit_streets", 19, input="imagenet")), 5, "kaiming")
    save_model(tmp_path / "model.safetensors", model, {})
    size = export_backbone(tmp_path / "model.safetensors", tmp_path / "initial.safetensors")
    assert size <= 2_000_000
    tensors, about = load_tensors(tmp_path / "initial.safetensors")
    assert json.loads(about["architecture"])["backbone"] == "mit_streets"
    assert {name.split(".")[0] for name in tensors} == {"backbone"}
    other = initialise(build(Architecture("mit_streets", 13)), 6, "kaiming")
    load_backbone(tmp_path / "initial.safetensors", other)
    own = other.state_dict()
    assert all(torch.equal(own[name], each.float()) for name, each in tensors.items())
    with pytest.raises(UserError, match="does not fit the backbone"):
        load_backbone(tmp_path / "initial.safetensors", build(Architecture("mit_b0", 13)))

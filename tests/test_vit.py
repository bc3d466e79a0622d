"""DINOv2's ViT with VFM-UDA's head: names and counts as published, numbers against a reference written in float64."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segadapt.core.errors import UserError
from segadapt.data.shipped.as_shipped import network_size
from segadapt.models import Architecture, build, initialise, open_model, save_model
from segadapt.models.networks import outline
from segadapt.models.networks.vit import BACKBONES, SIDES, Backbone
from segadapt.training.optimiser import parameter_groups

PUBLISHED = {
    # entries, parameters
    "dinov2_vits14": (175, 22_056_576),
    "dinov2_vitb14": (175, 86_580_480),
    "dinov2_vitl14": (343, 304_368_640),
    "dinov2_vits14_reg": (176, 22_058_112),
    "dinov2_vitb14_reg": (176, 86_583_552),
    "dinov2_vitl14_reg": (344, 304_372_736),
}
BLOCK = [
    "norm1.weight", "norm1.bias", "attn.qkv.weight", "attn.qkv.bias", "attn.proj.weight", "attn.proj.bias", "ls1.gamma",
    "norm2.weight", "norm2.bias", "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias", "ls2.gamma",
]  # fmt: skip


@pytest.fixture(params=[0, 2], ids=["plain", "registers"])
def tiny(monkeypatch, request):
    backbone = Backbone(8, 2, 2, patch=4, grid=3, registers=request.param, enlarged=None, window=None)
    monkeypatch.setitem(BACKBONES, "tiny", backbone)
    return "tiny"


def network(backbone: str, classes: int = 5):
    """All parameters away from where they start, so that each one counts; in float64."""
    model = initialise(build(Architecture(backbone, classes)), 3, "kaiming").double()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64), alpha=0.3)
    return model


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_encoders_have_the_published_names_and_counts(name):
    entries, parameters = PUBLISHED[name]
    encoder = outline(Architecture(name, 19)).encoder
    state = encoder.state_dict()
    assert len(state) == entries and sum(each.numel() for each in encoder.parameters()) == parameters
    registers = ["register_tokens"] if name.endswith("reg") else []
    frame = ["cls_token", "pos_embed", "mask_token", "patch_embed.proj.weight", "patch_embed.proj.bias"]
    blocks = [f"blocks.{index}.{each}" for index in range(BACKBONES[name].depth) for each in BLOCK]
    assert set(state) == {*frame, *registers, *blocks, "norm.weight", "norm.bias"}
    assert state["pos_embed"].shape == (1, 1370, BACKBONES[name].width) and state["mask_token"].ndim == 2


def test_the_whole_network_has_the_names_of_vfm_udas_files_and_its_groups():
    model = outline(Architecture("dinov2_vitb14", 19))
    heads = {name: tuple(each.shape) for name, each in model.named_parameters() if not name.startswith("encoder.")}
    norms = {
        f"upscale.{layer}.{kind}": (width,)
        for layer, width in ((1, 384), (4, 192), (6, 192))
        for kind in ("weight", "bias")
    }
    assert heads == norms | {
        "upscale.0.weight": (768, 384, 2, 2),
        "upscale.3.weight": (384, 192, 2, 2),
        "upscale.5.weight": (192, 192, 3, 3),
        "out.weight": (19, 192, 1, 1),
    }
    groups = {group.name: (group.lr_factor, group.decays, len(group.parameters)) for group in parameter_groups(model)}
    assert groups == {"backbone": (1.0, True, 175), "heads": (10.0, True, 10)}
    assert all(each.eps == 1e-6 for each in model.modules() if isinstance(each, torch.nn.LayerNorm))


@pytest.mark.parametrize(("size", "grid"), [((1024, 1024), (80, 80)), ((518, 518), (40, 40)), ((100, 64), (7, 5))])
def test_images_come_in_a_tenth_larger_in_whole_patches(size, grid):
    assert outline(Architecture("dinov2_vits14", 19)).token_grid(size) == grid


# --- against numpy --------------------------------------------------------------------------------


def normed(x, state, name):
    centred = x - x.mean(-1, keepdims=True)
    return (
        centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * state[f"{name}.weight"] + state[f"{name}.bias"]
    )


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def attention(x, state, name, heads):
    """One query after the other."""
    qkv = x @ state[f"{name}.qkv.weight"].T + state[f"{name}.qkv.bias"]
    width = x.shape[1]
    part, out = width // heads, np.zeros_like(x)
    for head in range(heads):
        q, k, v = (qkv[:, kind * width + head * part : kind * width + (head + 1) * part] for kind in range(3))
        for token in range(len(x)):
            weight = np.exp([q[token] @ key / math.sqrt(part) for key in k])
            out[token, head * part : (head + 1) * part] = (weight[:, None] * v).sum(0) / weight.sum()
    return out @ state[f"{name}.proj.weight"].T + state[f"{name}.proj.bias"]


def cubic(x):
    """The kernel of bicubic interpolation, a = -0.75 (without smoothing, as PyTorch has it)."""
    x = abs(x)
    if x <= 1:
        return 1.25 * x**3 - 2.25 * x**2 + 1
    return -0.75 * x**3 + 3.75 * x**2 - 6 * x + 3 if x < 2 else 0.0


def stretched(length, stored):
    """(length, stored) weights of bicubic interpolation by the factor (length + 0.1) / stored, edges repeated."""
    weights = np.zeros((length, stored))
    for place in range(length):
        at = (place + 0.5) * stored / (length + 0.1) - 0.5
        for tap in range(math.floor(at) - 1, math.floor(at) + 3):
            weights[place, min(max(tap, 0), stored - 1)] += cubic(at - tap)
    return weights


def reference(model, image_3HW, backbone, hidden_hw=None):
    """The encoder's tokens (h, w, D) of one image."""
    state = {name: each.detach().numpy() for name, each in model.encoder.state_dict().items()}
    height, width = (side // backbone.patch for side in image_3HW.shape[1:])
    kernel, patches = state["patch_embed.proj.weight"], []
    for y in range(height):
        for x in range(width):
            here = np.s_[
                :, y * backbone.patch : (y + 1) * backbone.patch, x * backbone.patch : (x + 1) * backbone.patch
            ]
            patch = (kernel * image_3HW[here]).sum((1, 2, 3)) + state["patch_embed.proj.bias"]
            patches.append(state["mask_token"][0] if hidden_hw is not None and hidden_hw[y, x] else patch)
    table = state["pos_embed"][0, 1:].reshape(backbone.grid, backbone.grid, -1)
    if (height, width) != (backbone.grid, backbone.grid):
        if backbone.registers:
            as_image = torch.from_numpy(table).permute(2, 0, 1)[None]
            table = F.interpolate(as_image, (height, width), mode="bicubic", antialias=True)[0].permute(1, 2, 0).numpy()
        else:
            rows, columns = stretched(height, backbone.grid), stretched(width, backbone.grid)
            table = np.einsum("yg,xk,gkd->yxd", rows, columns, table)
    tokens = [state["cls_token"][0, 0] + state["pos_embed"][0, 0]]
    tokens += [state["register_tokens"][0, index] for index in range(backbone.registers)]
    tokens = np.array([*tokens, *(np.array(patches) + table.reshape(height * width, -1))])
    for index in range(backbone.depth):
        name = f"blocks.{index}"
        seen = attention(normed(tokens, state, f"{name}.norm1"), state, f"{name}.attn", backbone.heads)
        tokens = tokens + state[f"{name}.ls1.gamma"] * seen
        hidden = (
            normed(tokens, state, f"{name}.norm2") @ state[f"{name}.mlp.fc1.weight"].T + state[f"{name}.mlp.fc1.bias"]
        )
        out = gelu(hidden) @ state[f"{name}.mlp.fc2.weight"].T + state[f"{name}.mlp.fc2.bias"]
        tokens = tokens + state[f"{name}.ls2.gamma"] * out
    return normed(tokens[1 + backbone.registers :], state, "norm").reshape(height, width, -1)


@pytest.mark.parametrize("size", [(12, 12), (8, 20), (4, 4), (24, 16)])
@pytest.mark.parametrize("hides", [False, True])
def test_the_encoder_equals_a_reference_in_numpy(tiny, size, hides):
    model, backbone = network(tiny), BACKBONES[tiny]
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(2, 3, *size, dtype=torch.float64, generator=generator)
    hidden = torch.rand(2, *(side // 4 for side in size), generator=generator) < 0.5 if hides else None
    got = model.encoder(image, hidden)
    for index in range(2):
        wanted = reference(model, image[index].numpy(), backbone, None if hidden is None else hidden[index].numpy())
        np.testing.assert_allclose(got[index].permute(1, 2, 0).detach().numpy(), wanted, rtol=1e-7, atol=1e-9)


def test_the_head_equals_sums_over_pixels(tiny):
    """A transposed convolution of stride 2 gives each token four pixels of its own."""
    model = network(tiny)
    image = torch.randn(1, 3, 8, 12, dtype=torch.float64)
    state = {name: each.detach().numpy() for name, each in model.state_dict().items()}

    def twice(map_HWC, kernel):
        height, width, _ = map_HWC.shape
        out = np.zeros((2 * height, 2 * width, kernel.shape[1]))
        for y in range(2 * height):
            for x in range(2 * width):
                out[y, x] = map_HWC[y // 2, x // 2] @ kernel[:, :, y % 2, x % 2]
        return out

    seen = model.encoder(image)[0].permute(1, 2, 0).detach().numpy()
    seen = gelu(normed(twice(seen, state["upscale.0.weight"]), state, "upscale.1"))
    seen = normed(twice(seen, state["upscale.3.weight"]), state, "upscale.4")
    padded, out = np.pad(seen, ((1, 1), (1, 1), (0, 0))), np.zeros_like(seen)
    for y in range(seen.shape[0]):
        for x in range(seen.shape[1]):
            out[y, x] = np.einsum("ocyx,yxc->o", state["upscale.5.weight"], padded[y : y + 3, x : x + 3])
    logits = normed(out, state, "upscale.6") @ state["out.weight"][:, :, 0, 0].T
    # A token is 4 pixels of the image here, and of the map: nothing is interpolated.
    final, low = model(image)
    np.testing.assert_allclose(final[0].permute(1, 2, 0).detach().numpy(), logits, rtol=1e-7, atol=1e-9)
    assert low is None


def test_the_input_is_enlarged_and_the_logits_come_back(monkeypatch):
    monkeypatch.setitem(BACKBONES, "tiny", Backbone(8, 1, 2, patch=4, grid=3, enlarged=1.1, window=None))
    monkeypatch.setitem(BACKBONES, "plain", Backbone(8, 1, 2, patch=4, grid=3, enlarged=None, window=None))
    model, plain = network("tiny"), network("plain")
    plain.load_state_dict(model.state_dict())
    image = torch.randn(1, 3, 30, 19, dtype=torch.float64)
    inside = F.interpolate(image, (32, 20), mode="bilinear", align_corners=False)  # floor(33 / 4), floor(20.9 / 4)
    wanted = F.interpolate(plain(inside)[0], (30, 19), mode="bilinear", align_corners=False)
    torch.testing.assert_close(model(image)[0], wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [(12, 20), (8, 16), (8, 8), (4, 12)])
def test_whole_images_have_the_mean_probabilities_of_windows(monkeypatch, size):
    """Of 8 pixels, 4 apart."""
    monkeypatch.setitem(BACKBONES, "tiny", Backbone(8, 1, 2, patch=4, grid=3, enlarged=None, window=8))
    model, image = network("tiny"), torch.randn(2, 3, *size, dtype=torch.float64)
    total, seen = torch.zeros(2, 5, *size, dtype=torch.float64), torch.zeros(size)
    for top in range(0, max(size[0] - 8, 0) + 1, 4):
        for left in range(0, max(size[1] - 8, 0) + 1, 4):
            here = (..., slice(top, top + 8), slice(left, left + 8))
            total[here] += model(image[here])[0].softmax(1)
            seen[here[1:]] += 1
    torch.testing.assert_close(model.whole(image)[0].softmax(1), total / seen, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("backbone", ["streets_vit", "registers"])
def test_half_precision_is_near_and_gives_single_precision_logits(monkeypatch, backbone):
    monkeypatch.setitem(BACKBONES, "registers", Backbone(16, 2, 2, patch=8, grid=3, registers=2, window=None))
    model = initialise(build(Architecture(backbone, 5)), 3, "kaiming")
    image, hidden = torch.randn(2, 3, 32, 48), torch.eye(*model.token_grid((32, 48))).bool().expand(2, -1, -1)
    whole = model(image, hidden)[0]
    with torch.autocast("cpu", torch.bfloat16):
        half = model(image, hidden)[0]
    half.square().mean().backward()
    assert half.dtype == torch.float32 and not torch.equal(half, whole)
    torch.testing.assert_close(half, whole, rtol=0.1, atol=0.1)
    assert all(each.grad is not None and each.grad.isfinite().all() for each in model.parameters())


# --- refusals, starts, files ----------------------------------------------------------------------


@pytest.mark.parametrize(("size", "words"), [((28, 30), "30x28"), ((15, 14), "14x15"), ((1, 14), "multiples of 14")])
def test_a_side_that_is_no_multiple_of_14_is_refused(size, words):
    encoder = outline(Architecture("dinov2_vits14", 19)).encoder
    with pytest.raises(UserError, match=words) as caught:
        encoder(torch.empty(1, 3, *size, device="meta"))
    assert "multiples of 14" in str(caught.value) and "\n" not in str(caught.value)
    assert encoder(torch.empty(1, 3, 28, 14, device="meta")).shape == (1, 384, 2, 1)


def test_an_image_smaller_than_a_patch_is_refused():
    model = outline(Architecture("dinov2_vits14", 19))
    with pytest.raises(UserError, match="smaller than a patch of 14"):
        model.token_grid((12, 100))
    assert model.token_grid((13, 100)) == (1, 7)


def test_where_it_starts():
    model = initialise(build(Architecture("streets_vit", 19)), 3, "kaiming")
    state = model.state_dict()
    assert state["out.weight"].std() == pytest.approx(0.1, rel=0.2)
    bound = (4 * 48) ** -0.5  # PyTorch's, of a transposed convolution
    assert state["upscale.0.weight"].abs().max() <= bound and state["upscale.0.weight"].std() == pytest.approx(
        bound / 3**0.5, rel=0.1
    )
    assert (
        state["encoder.pos_embed"].std() == pytest.approx(0.02, rel=0.15)
        and state["encoder.pos_embed"].abs().max() <= 0.04
    )
    assert (state["encoder.blocks.5.ls2.gamma"] == 1).all() and not state["encoder.mask_token"].any()
    assert 0 < state["encoder.cls_token"].abs().max() < 1e-5
    again = initialise(build(Architecture("streets_vit", 7)), 3, "kaiming").state_dict()
    assert all(torch.equal(again[name], each) for name, each in state.items() if name != "out.weight")


def test_a_file_of_it_is_opened_again(tmp_path):
    model = build(Architecture("streets_vit", 19, input="imagenet", class_set="cityscapes19"))
    save_model(tmp_path / "m.safetensors", model, {})
    again, _ = open_model(tmp_path / "m.safetensors")
    image = torch.randn(1, 3, 32, 64)
    assert torch.equal(again(image)[0], model(image)[0]) and again.architecture == model.architecture


def test_the_gradient_reaches_all_that_takes_part_and_repeats(tiny):
    model, image = network(tiny), torch.randn(2, 3, 8, 16, dtype=torch.float64)
    torch.set_deterministic_debug_mode("error")
    try:
        found = []
        for _ in range(2):
            model.zero_grad()
            model(image, hidden_Bhw=torch.eye(2, 4).bool().expand(2, 2, 4))[0].square().sum().backward()
            found.append({name: each.grad for name, each in model.named_parameters()})
    finally:
        torch.set_deterministic_debug_mode("default")
    assert all(each is not None and each.abs().sum() > 0 for each in found[0].values())
    assert all(torch.equal(each, found[1][name]) for name, each in found[0].items())


def test_sides_of_the_plan_are_those_of_the_networks_and_pictures_are_fed_so():
    for name in BACKBONES:
        assert outline(Architecture(name, 19)).multiple == SIDES.get(name, 1)
    assert network_size((961, 717), 256, 8) == (256, 192) and network_size((2048, 1024), 2048) == (2048, 1024)
    assert network_size((10, 300), 256, 14) == (14, 252) and network_size((10, 300), 256) == (9, 256)

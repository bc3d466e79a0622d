"""DeepLab-v2: geometry, names and numbers of the released network, initial weights, input conventions."""

import hashlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from segadapt.core.errors import UserError
from segadapt.models import INPUT_CONVENTIONS, deeplabv2, initialise, to_input
from segadapt.models.networks import deeplab as deeplab_module
from segadapt.models.networks.deeplab import BACKBONES, Backbone


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(BACKBONES, "tiny", Backbone(blocks=(1, 2, 2, 1), width=2))
    return "tiny"


def meta_resnet101(**arguments):
    with torch.device("meta"):
        return deeplab_module.DeepLabV2(
            BACKBONES["resnet101"], **{"num_classes": 19, "aspp_branches": 2, "auxiliary": True} | arguments
        )


def expected_names(blocks, heads):
    """The released key set, spelled out without the model."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names = ["conv1.weight"] + [f"bn1.{each}" for each in norm]
    for layer, count in enumerate(blocks, start=1):
        for block in range(count):
            for k in (1, 2, 3):
                names.append(f"layer{layer}.{block}.conv{k}.weight")
                names += [f"layer{layer}.{block}.bn{k}.{each}" for each in norm]
        names.append(f"layer{layer}.0.downsample.0.weight")
        names += [f"layer{layer}.0.downsample.1.{each}" for each in norm]
    return names + [f"{head}.conv2d_list.{i}.{each}" for head in heads for i in range(4) for each in ("weight", "bias")]


def test_resnet101_has_the_released_names_and_size():
    model = meta_resnet101()
    names = list(model.state_dict())
    assert len(names) == len(set(names)) == 640
    assert set(names) == set(expected_names((3, 4, 23, 3), ("layer5", "layer6")))
    assert sum(parameter.numel() for parameter in model.parameters()) == 44_601_560
    assert model.state_dict()["layer5.conv2d_list.0.weight"].shape == (19, 1024, 3, 3)
    assert model.state_dict()["layer6.conv2d_list.3.weight"].shape == (19, 2048, 3, 3)


def test_without_the_auxiliary_head_only_its_names_go():
    with_head, without = meta_resnet101(), meta_resnet101(auxiliary=False)
    gone = set(with_head.state_dict()) - set(without.state_dict())
    assert len(gone) == 8 and all(name.startswith("layer5.") for name in gone)
    assert not set(without.state_dict()) - set(with_head.state_dict())


def test_strides_and_dilations_sit_where_the_released_code_has_them():
    model = meta_resnet101()
    modules = dict(model.named_modules())
    for name, module in modules.items():
        if not isinstance(module, torch.nn.Conv2d) or not name.startswith(("layer1", "layer2", "layer3", "layer4")):
            continue
        strided = name in ("layer2.0.conv1", "layer2.0.downsample.0")
        assert module.stride == ((2, 2) if strided else (1, 1)), name
        dilation = {"layer3": 2, "layer4": 4}.get(name[:6], 1) if name.endswith("conv2") else 1
        assert module.dilation == (dilation, dilation), name
        assert module.padding == ((dilation, dilation) if name.endswith("conv2") else (0, 0)), name
    for head in ("layer5", "layer6"):
        branches = [modules[f"{head}.conv2d_list.{index}"] for index in range(4)]
        assert [branch.dilation for branch in branches] == [branch.padding for branch in branches]
        assert [branch.dilation[0] for branch in branches] == [6, 12, 18, 24]


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [(512, 1024, 65, 129), (720, 1280, 91, 161), (760, 1280, 96, 161), (640, 1280, 81, 161), (128, 256, 17, 33)],
)
def test_map_sizes_of_the_papers_inputs(height, width, rows, columns):
    with torch.device("meta"):
        logits_final, logits_low = meta_resnet101()(torch.empty(1, 3, height, width))
    assert logits_final.shape == logits_low.shape == (1, 19, rows, columns)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 15), (33, 64), (71, 40)])
@pytest.mark.parametrize("auxiliary", [False, True])
def test_odd_sizes_and_the_missing_low_head(tiny, height, width, auxiliary):
    model = deeplabv2(tiny, num_classes=5, auxiliary=auxiliary).eval()
    logits_final, logits_low = model(torch.zeros(2, 3, height, width))

    def halved(n, times):
        for _ in range(times):
            n = (n + 1) // 2
        return n

    # 7x7/2 gives ceil(n/2), the ceil-mode pool floor(n/2) + 1, layer2 ceil(n/2).
    expected = tuple(halved(halved(n, 1) // 2 + 1, 1) for n in (height, width))
    assert logits_final.shape == (2, 5, *expected)
    assert logits_low is None if not auxiliary else logits_low.shape == logits_final.shape


def naive_forward(state, image, blocks, branches):
    """DeepLab-v2 in evaluation mode written from the protocol, functionally, on a plain dict of tensors."""

    def norm(x, name):
        shape = (1, -1, 1, 1)
        mean, var = state[f"{name}.running_mean"].view(shape), state[f"{name}.running_var"].view(shape)
        return (x - mean) / torch.sqrt(var + 1e-5) * state[f"{name}.weight"].view(shape) + state[f"{name}.bias"].view(
            shape
        )

    def block(x, name, stride, dilation):
        y = norm(F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride), f"{name}.bn1").clamp(min=0)
        y = F.conv2d(y, state[f"{name}.conv2.weight"], padding=dilation, dilation=dilation)
        y = norm(F.conv2d(norm(y, f"{name}.bn2").clamp(min=0), state[f"{name}.conv3.weight"]), f"{name}.bn3")
        if f"{name}.downsample.0.weight" in state:
            x = norm(F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=stride), f"{name}.downsample.1")
        return (x + y).clamp(min=0)

    def head(x, name):
        return sum(
            F.conv2d(
                x, state[f"{name}.conv2d_list.{i}.weight"], state[f"{name}.conv2d_list.{i}.bias"],
                padding=6 * (i + 1), dilation=6 * (i + 1),
            )
            for i in range(branches)
        )  # fmt: skip

    x = norm(F.conv2d(image, state["conv1.weight"], stride=2, padding=3), "bn1").clamp(min=0)
    x = F.max_pool2d(x, 3, 2, 1, ceil_mode=True)
    for layer, (count, dilation) in enumerate(zip(blocks, (1, 1, 2, 4), strict=True), start=1):
        for index in range(count):
            x = block(x, f"layer{layer}.{index}", 2 if (layer, index) == (2, 0) else 1, dilation)
        if layer == 3:
            low = head(x, "layer5")
    return head(x, "layer6"), low


@pytest.mark.parametrize("branches", [2, 4])
def test_forward_equals_a_functional_reference(tiny, branches):
    model = initialise(deeplabv2(tiny, 4, branches), seed=3, scheme="kaiming").double().eval()
    generator = torch.Generator().manual_seed(0)
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand(buffer.shape, generator=generator, dtype=torch.float64) + ("var" in name))
    image = torch.randn(2, 3, 40, 72, generator=generator, dtype=torch.float64)
    expected = naive_forward(model.state_dict(), image, (1, 2, 2, 1), branches)
    for have, want in zip(model(image), expected, strict=True):
        assert want.abs().max() > 1e-3
        torch.testing.assert_close(have, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("branches", [2, 4])
def test_branches_that_are_not_summed_get_no_gradient(tiny, branches):
    model = deeplabv2(tiny, 4, branches)
    logits_final, logits_low = model(torch.randn(1, 3, 64, 64))
    (logits_final.square().mean() + logits_low.square().mean()).backward()
    for head in ("layer5", "layer6"):
        for index in range(4):
            for kind in ("weight", "bias"):
                gradient = model.get_parameter(f"{head}.conv2d_list.{index}.{kind}").grad
                assert (gradient is not None) == (index < branches)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"aspp_branches": 3}, "aspp_branches"),
        ({"num_classes": 1}, "num_classes"),
        ({"num_classes": 19.0}, "num_classes"),
        ({"backbone": "resnet100"}, "resnet101"),
    ],
)
def test_impossible_arguments_are_refused(arguments, words):
    with pytest.raises(UserError, match=words):
        deeplabv2(**({"backbone": "streets"} | arguments))


def test_the_built_in_backbone_is_thin():
    model = deeplabv2("streets")
    assert sum(parameter.numel() for parameter in model.parameters()) < 1_500_000
    assert set(model.state_dict()) == set(expected_names(BACKBONES["streets"].blocks, ("layer5", "layer6")))


def digest(model, skip=()):
    joined = b"".join(t.numpy().tobytes() for n, t in sorted(model.state_dict().items()) if not n.startswith(skip))
    return hashlib.sha256(joined).hexdigest()


@pytest.mark.parametrize("scheme", ["released", "kaiming"])
def test_initialisation_depends_on_the_seed_alone(tiny, scheme):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = initialise(deeplabv2(tiny), 5, scheme)
    assert torch.equal(torch.get_rng_state(), before), "the global random state moved"
    torch.manual_seed(2)
    assert digest(initialise(deeplabv2(tiny), 5, scheme)) == digest(first)
    assert digest(initialise(deeplabv2(tiny), 6, scheme)) != digest(first)
    other_heads = initialise(deeplabv2(tiny, num_classes=7, auxiliary=False), 5, scheme)
    assert digest(other_heads, ("layer5", "layer6")) == digest(first, ("layer5", "layer6"))


def test_initialisation_restores_every_tensor_of_a_used_model(tiny):
    model = deeplabv2(tiny)
    fresh = digest(model)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(1)
    assert digest(model) != fresh
    assert digest(initialise(model, 0, "released")) == fresh


@pytest.mark.parametrize("scheme", ["released", "kaiming"])
def test_initial_weights_have_the_scheme_s_spread(scheme):
    model = initialise(deeplabv2("streets", 19), 0, scheme)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert torch.all(module.weight == 1) and torch.all(module.bias == 0) and torch.all(module.running_mean == 0)
            assert torch.all(module.running_var == 1) and module.num_batches_tracked == 0
        if not isinstance(module, torch.nn.Conv2d):
            continue
        fan_in = module.in_channels * module.kernel_size[0] * module.kernel_size[1]
        head = name.startswith(("layer5", "layer6"))
        std = 0.01 if scheme == "released" or head else (2 / fan_in) ** 0.5
        count = module.weight.numel()
        assert abs(module.weight.std().item() / std - 1) < 5 / (2 * count) ** 0.5, name
        assert abs(module.weight.mean().item()) < 5 * std / count**0.5, name
        if head and scheme == "kaiming":
            assert torch.all(module.bias == 0)
        elif head:
            bound = fan_in**-0.5
            assert module.bias.abs().max() <= bound and module.bias.abs().max() > bound / 2


def test_unknown_scheme_is_refused(tiny):
    with pytest.raises(UserError, match="kaiming"):
        initialise(deeplabv2(tiny), 0, "xavier")


NAIVE_CONSTANTS = {
    "caffe": ((2, 1, 0), 1.0, (104.00698793, 116.66876762, 122.67891434), (1.0, 1.0, 1.0)),
    "caffe_vgg": ((2, 1, 0), 1.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    "imagenet": ((0, 1, 2), 255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


@settings(max_examples=30)
@given(
    convention=st.sampled_from(sorted(INPUT_CONVENTIONS)),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 999),
)
def test_input_equals_the_naive_loop(convention, shape, seed):
    image = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    order, divisor, mean, std = NAIVE_CONSTANTS[convention]
    expected = np.empty((shape[0], 3, *shape[1:]))
    for channel in range(3):
        expected[:, channel] = (image[..., order[channel]].astype(np.float64) / divisor - mean[channel]) / std[channel]
    for dtype, bound in ((torch.float64, 1e-12), (torch.float32, 2e-5 if divisor == 1 else 1e-6)):
        have = to_input(torch.from_numpy(image), convention, dtype=dtype)
        assert have.dtype == dtype and have.shape == expected.shape
        np.testing.assert_allclose(have.numpy(), expected, rtol=0, atol=bound)


def test_input_is_channels_last_and_follows_the_device():
    image = torch.zeros(2, 4, 6, 3, dtype=torch.uint8)
    have = to_input(image, "caffe")
    assert have.is_contiguous(memory_format=torch.channels_last)
    assert to_input(image, "caffe", device="meta").device.type == "meta"


@pytest.mark.parametrize(
    ("image", "convention", "words"),
    [
        (torch.zeros(1, 2, 2, 3, dtype=torch.int64), "caffe", "uint8 or floats"),
        (torch.zeros(1, 3, 2, 2), "caffe", r"\(B, H, W, 3\)"),
        (torch.zeros(1, 3, 2, 2, dtype=torch.uint8), "caffe", r"\(B, H, W, 3\)"),
        (torch.zeros(2, 2, 3, dtype=torch.uint8), "caffe", r"\(B, H, W, 3\)"),
        (torch.zeros(1, 2, 2, 3, dtype=torch.uint8), "torch", "imagenet"),
    ],
)
def test_wrong_input_is_refused(image, convention, words):
    with pytest.raises(UserError, match=words):
        to_input(image, convention)

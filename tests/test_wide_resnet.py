"""The wider ResNet-38 (A1): numbers, geometry and names against a reference written from the paper's table."""

import math

import pytest
import torch
import torch.nn.functional as F

from segadapt.core.errors import UserError
from segadapt.models import (
    BATCHNORM_POLICIES,
    Architecture,
    apply_batchnorm_policy,
    build,
    initialise,
    open_model,
    save_model,
)
from segadapt.models.loading import load_backbone, trained_network
from segadapt.models.networks import outline
from segadapt.models.networks.wide_resnet import BACKBONES, WideBackbone, WideResNet
from segadapt.training.optimiser import RepeatedSGD, parameter_groups

# By level: units, channels of the convolutions, kernels, stride, dilation of the first convolution and of later ones.
A1 = {
    2: (3, (128, 128), (3, 3), 2, (1, 1)),
    3: (3, (256, 256), (3, 3), 2, (1, 1)),
    4: (6, (512, 512), (3, 3), 2, (1, 1)),
    5: (3, (512, 1024), (3, 3), 1, (1, 2)),
    6: (1, (512, 1024, 2048), (1, 3, 1), 1, (2, 4)),
    7: (1, (1024, 2048, 4096), (1, 3, 1), 1, (4, 4)),
}


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(BACKBONES, "tiny", WideBackbone(units=(1, 2, 1, 2, 1, 1), width=2, head_dilation=3))
    return "tiny"


def a1(**arguments) -> WideResNet:
    return outline(Architecture("wide_resnet38", **{"num_classes": 19} | arguments))


def count(classes: int, auxiliary: bool) -> int:
    """Parameters by hand: a batch norm has two a channel, a convolution in x out x k², a head two biased 3x3."""
    total, width = 3 * 64 * 9, 64
    for units, channels, kernels, _, _ in A1.values():
        for unit in range(units):
            inputs = (width if unit == 0 else channels[-1], *channels[:-1])
            total += sum(2 * i + i * o * k * k for i, o, k in zip(inputs, channels, kernels, strict=True))
        total += width * channels[-1]
        width = channels[-1]
    behind = 512 + 512 * classes * 9 + classes
    low = 2 * 1024 + 1024 * 512 * 9 + behind
    return total + 2 * 4096 + 4096 * 512 * 9 + behind + (low if auxiliary else 0)


@pytest.mark.parametrize("classes", [13, 19])
@pytest.mark.parametrize("auxiliary", [False, True])
def test_it_has_as_many_parameters_as_the_table_says(classes, auxiliary):
    model = a1(num_classes=classes, auxiliary=auxiliary)
    assert sum(each.numel() for each in model.parameters()) == count(classes, auxiliary)


def test_it_has_38_layers():
    """Counted as the paper counts: convolutions along the residual path, and the classifier."""
    convolutions = [name for name, each in a1(auxiliary=False).named_modules() if isinstance(each, torch.nn.Conv2d)]
    path = [name for name in convolutions if "shortcut" not in name and not name.startswith("layer6")]
    assert len(path) + 1 == 38


def test_strides_and_dilations_are_those_of_output_stride_8():
    modules = dict(a1().named_modules())
    assert (modules["stem"].stride, modules["stem"].kernel_size, modules["stem"].out_channels) == ((1, 1), (3, 3), 64)
    for level, (units, channels, kernels, stride, (first, rest)) in A1.items():
        for unit in range(units):
            for index, (out, kernel) in enumerate(zip(channels, kernels, strict=True)):
                conv = modules[f"level{level}.{unit}.convs.{index}"]
                dilation = 1 if kernel == 1 else first if (unit, index) == (0, 0) else rest
                assert conv.out_channels == out and conv.kernel_size == (kernel, kernel) and conv.bias is None
                assert conv.stride == ((stride, stride) if (unit, index) == (0, 0) else (1, 1))
                assert conv.dilation == (dilation, dilation) and conv.padding == (dilation * (kernel // 2),) * 2
            assert (modules.get(f"level{level}.{unit}.shortcut") is not None) == (unit == 0)
        # torch 2.13 writes out of bounds where a 1x1 convolution of few channels has the stride in itself.
        assert modules[f"level{level}.0.shortcut"].stride == (1, 1)
        assert f"level{level}.{units}" not in modules
    for head in ("layer5", "layer6"):
        for name in ("hidden", "classes"):
            assert modules[f"{head}.{name}"].dilation == modules[f"{head}.{name}"].padding == (12, 12)


@pytest.mark.parametrize(("height", "width"), [(512, 1024), (504, 504), (96, 192), (17, 9), (1, 8)])
@pytest.mark.parametrize("auxiliary", [False, True])
def test_a_map_is_an_eighth_of_the_picture_rounded_up(height, width, auxiliary):
    with torch.device("meta"):
        logits_final, logits_low = a1(auxiliary=auxiliary)(torch.empty(2, 3, height, width))
    assert logits_final.shape == (2, 19, math.ceil(height / 8), math.ceil(width / 8))
    assert logits_low is None if not auxiliary else logits_low.shape == logits_final.shape


def naive_forward(state, image, units, head_dilation):
    """The network in evaluation mode, functionally, on a plain dict of tensors."""

    def active(x, name):
        shape = (1, -1, 1, 1)
        mean, var, weight, bias = (
            state[f"{name}.{each}"].view(shape) for each in ("running_mean", "running_var", "weight", "bias")
        )
        return ((x - mean) / torch.sqrt(var + 1e-5) * weight + bias).clamp(min=0)

    def head(x, name):
        for conv in ("hidden", "classes"):
            x = x.clamp(min=0) if conv == "classes" else x
            weight, bias = state[f"{name}.{conv}.weight"], state[f"{name}.{conv}.bias"]
            x = F.conv2d(x, weight, bias, padding=head_dilation, dilation=head_dilation)
        return x

    x, low = F.conv2d(image, state["stem.weight"], padding=1), None
    for (level, (_, _, kernels, stride, (first, rest))), number in zip(A1.items(), units, strict=True):
        for unit in range(number):
            name, step = f"level{level}.{unit}", stride if unit == 0 else 1
            y = active(x, f"{name}.norms.0")
            x = F.conv2d(y, state[f"{name}.shortcut.weight"], stride=step) if unit == 0 else x
            for index, kernel in enumerate(kernels):
                y = active(y, f"{name}.norms.{index}") if index else y
                dilation = 1 if kernel == 1 else first if (unit, index) == (0, 0) else rest
                y = F.conv2d(
                    y, state[f"{name}.convs.{index}.weight"], stride=step if index == 0 else 1,
                    padding=dilation * (kernel // 2), dilation=dilation,
                )  # fmt: skip
            x = x + y
        if level == 5:
            low = head(active(x, "layer5.norm"), "layer5")
    return head(active(x, "norm7"), "layer6"), low


@pytest.mark.parametrize(("height", "width"), [(40, 56), (33, 17)])
def test_forward_equals_a_functional_reference(tiny, height, width):
    model = initialise(build(Architecture(tiny, 4)), 3, "kaiming").double().eval()
    generator = torch.Generator().manual_seed(0)
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point():
            draw = torch.rand(buffer.shape, generator=generator, dtype=torch.float64)
            buffer.copy_(draw + 1 if "var" in name else 0.1 * draw - 0.1)
    image = torch.randn(2, 3, height, width, generator=generator, dtype=torch.float64)
    expected = naive_forward(model.state_dict(), image, BACKBONES[tiny].units, 3)
    for have, want in zip(model(image), expected, strict=True):
        assert want.abs().max() > 1e-3
        torch.testing.assert_close(have, want, rtol=1e-10, atol=1e-12)


def test_the_middle_of_pixel_j_is_the_image_s_pixel_8j(monkeypatch):
    """What a logit sees is symmetric about it, and as wide as kernels, dilations and strides add up to."""
    monkeypatch.setitem(BACKBONES, "thin", WideBackbone(units=(1, 1, 1, 1, 1, 1), width=1, head_dilation=2))
    model = build(Architecture("thin", 2, auxiliary=False)).double().eval()
    for name, parameter in model.named_parameters():
        parameter.data.fill_(1.0 if "norm" in name else 0.1)  # all positive: no ReLU blocks, nothing cancels
    reach, jump = 1, 1
    for _, _, kernels, stride, (first, rest) in A1.values():
        for index, kernel in enumerate(kernels):
            reach += (kernel // 2) * jump * (first if index == 0 else rest)
            jump *= stride if index == 0 else 1
    reach += 2 * 2 * jump
    assert jump == 8
    column = 40
    image = torch.ones(1, 3, 8, 8 * 80 + 1, dtype=torch.float64, requires_grad=True)
    model(image)[0][0, 0, 0, column].backward()
    seen = image.grad.abs().sum((0, 1, 2)).nonzero().ravel()
    assert (seen.min().item(), seen.max().item()) == (8 * column - reach, 8 * column + reach)


def test_heads_are_those_the_optimiser_and_the_files_know(tiny):
    groups = {each.name: each for each in parameter_groups(build(Architecture(tiny, 4)), head_factor=3.0)}
    for name, group in groups.items():
        assert {each.startswith("layer") for each in group.parameters} == {name.startswith("heads")}
        assert {each.endswith(".bias") for each in group.parameters} == {name.endswith("biases")}
    repeats = {group.repeats(name) for group in groups.values() for name in group.parameters}
    assert repeats == {1}, "the released code has no such network, so it repeats nothing in it"
    rates = {name: (group.lr_factor, group.decays) for name, group in groups.items()}
    assert rates == {
        "backbone": (1, True), "backbone biases": (2, False), "heads": (3, True), "heads biases": (6, False)
    }  # fmt: skip


def test_a_step_is_that_of_cbst(tiny):
    """Twice the rate for biases, batch norm's too, and no decay: torch's own SGD on the same groups."""
    ours, theirs = (build(Architecture(tiny, 4)).double() for _ in range(2))
    optimiser = RepeatedSGD(parameter_groups(ours, 1.0), 0.9, 0.05, "torch10")
    biases = [each for name, each in theirs.named_parameters() if name.endswith(".bias")]
    weights = [each for name, each in theirs.named_parameters() if not name.endswith(".bias")]
    groups = [{"params": weights}, {"params": biases, "lr": 0.02, "weight_decay": 0.0}]
    sgd = torch.optim.SGD(groups, lr=0.01, momentum=0.9, weight_decay=0.05)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            one.grad = torch.randn(one.shape, generator=generator, dtype=torch.float64)
            other.grad = one.grad.clone()
        optimiser.step(0.01)
        sgd.step()
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12, msg=name)


def test_dropout_is_where_cbst_has_it():
    """In the last two units, before the last convolution: no other place draws, and only in training."""
    modules = {name: each.p for name, each in a1().named_modules() if isinstance(each, torch.nn.Dropout)}
    assert modules == {"level6.0.dropout": 0.3, "level7.0.dropout": 0.5}


@pytest.mark.parametrize("level", [6, 7])
def test_what_is_dropped_is_what_the_last_convolution_sees(tiny, level):
    model, seen = initialise(build(Architecture(tiny, 4)), 3, "kaiming"), {}
    apply_batchnorm_policy(model, BATCHNORM_POLICIES["cbst"], training=True)
    unit = dict(model.named_modules())[f"level{level}.0"]
    unit.norms[-1].register_forward_hook(lambda module, given, result: seen.update(before=result.clamp(min=0)))
    unit.convs[-1].register_forward_hook(lambda module, given, result: seen.update(after=given[0].clone()))
    torch.manual_seed(0)
    model(torch.randn(1, 3, 128, 128) + 1)
    share, alive = {6: 0.3, 7: 0.5}[level], seen["before"] > 0
    kept = seen["after"][alive] > 0
    assert alive.sum() > 1000
    torch.testing.assert_close(seen["after"][alive][kept], seen["before"][alive][kept] / (1 - share))
    assert abs(kept.float().mean().item() - (1 - share)) < 5 * (share * (1 - share) / alive.sum().item()) ** 0.5
    model.eval()
    model(torch.randn(1, 3, 64, 64) + 1)
    assert torch.equal(seen["after"], seen["before"])


@pytest.mark.parametrize("scheme", ["released", "kaiming"])
def test_every_tensor_has_a_rule_and_a_spread(scheme):
    architecture = Architecture("streets_wide", 19)
    model = build(architecture)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(7)
    initialise(model, 0, scheme)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert torch.all(module.weight == 1) and torch.all(module.running_var == 1)
            assert torch.all(module.bias == 0) and torch.all(module.running_mean == 0)
        if isinstance(module, torch.nn.Conv2d):
            fan_in, number = module.weight[0].numel(), module.weight.numel()
            std = 0.01 if scheme == "released" or name.endswith(".classes") else (2 / fan_in) ** 0.5
            assert abs(module.weight.std().item() / std - 1) < 5 / (2 * number) ** 0.5, name
            if module.bias is not None:
                assert module.bias.abs().max() <= (fan_in**-0.5 if scheme == "released" else 0)
    assert all(not torch.any(tensor == 7) for tensor in model.state_dict().values())
    again, without = (
        initialise(build(each), 0, scheme) for each in (architecture, Architecture("streets_wide", 5, auxiliary=False))
    )
    for name, tensor in without.state_dict().items():
        assert torch.equal(again.state_dict()[name], model.state_dict()[name])
        assert name.startswith("layer6.classes") or torch.equal(tensor, model.state_dict()[name])


def test_a_file_opens_as_the_network_it_was(tiny, tmp_path):
    architecture = Architecture(tiny, 13, input="imagenet", class_set="nthu13")
    model = initialise(build(architecture), 2, "kaiming")
    sha256 = save_model(tmp_path / "w.safetensors", model, {"seed": "2"})
    opened, metadata = open_model(tmp_path / "w.safetensors")
    assert isinstance(opened, WideResNet) and opened.architecture == architecture and metadata["sha256"] == sha256
    assert all(torch.equal(opened.state_dict()[name], tensor) for name, tensor in model.state_dict().items())
    fraction = load_backbone(tmp_path / "w.safetensors", build(Architecture(tiny, 5)))
    assert 0.7 < fraction < 1


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"classes": "cityscapes19"}, "num_classes 13"),
        ({"backbone": "streets"}, "backbone"),
        ({"input": "imagenet"}, "input caffe"),
    ],
)
def test_a_file_of_another_network_is_refused(tiny, tmp_path, other, words):
    save_model(tmp_path / "w.safetensors", build(Architecture(tiny, 13, class_set="nthu13")), {})
    model = {"backbone": tiny, "classes": "nthu13", "input": None, "bottleneck": None} | other
    with pytest.raises(UserError, match=f"made for {words}"):
        trained_network(tmp_path / "w.safetensors", {"model": model, "aspp_branches": 2, "auxiliary": True})

"""DAFormer's DeepLab-v2: names and counts as published, and its output against torch's functions in float64."""

import pytest
import torch
import torch.nn.functional as F

from segadapt.models import Architecture, build, initialise
from segadapt.models.networks import outline
from segadapt.models.networks.deeplab import Backbone
from segadapt.models.networks.resnet_v1c import BACKBONES
from segadapt.training.optimiser import parameter_groups

LAYERS = {1: (1, 1, 1), 2: (2, 1, 1), 3: (1, 1, 2), 4: (1, 2, 4)}
"""Stride, dilation of the first block, dilation of the others."""


def test_it_has_the_published_names_and_counts():
    model = outline(Architecture("resnet101_v1c", 19))
    state = model.state_dict()
    own = {name for name in state if name.startswith("decode_head.")}
    assert len(state) == 640
    assert own == {f"decode_head.aspp_modules.{index}.conv.{kind}" for index in (0, 1) for kind in ("weight", "bias")}
    counts = [sum(each.numel() for each in part.parameters()) for part in (model.backbone, model.decode_head)]
    assert [round(each / 1e6, 2) for each in counts] == [42.52, 0.70]
    stem = {name.split(".")[2] for name in state if name.startswith("backbone.stem.")}
    assert stem == {"0", "1", "3", "4", "6", "7"} and state["backbone.stem.6.weight"].shape == (64, 32, 3, 3)
    groups = {group.name: (group.lr_factor, group.decays) for group in parameter_groups(model)}
    assert groups == {"backbone": (1.0, True), "heads": (10.0, True)}


@pytest.mark.parametrize("size", [(32, 48), (33, 41), (16, 70)])
def test_its_logits_are_those_of_a_plain_form(monkeypatch, size):
    monkeypatch.setitem(BACKBONES, "tiny", Backbone(blocks=(1, 2, 3, 2), width=4))
    model = initialise(build(Architecture("tiny", 5)), 3, "kaiming").double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, each in model.state_dict().items():
            if "running" in name:
                each.copy_(torch.rand(each.shape, generator=generator) + 0.5)
    state = model.state_dict()
    x = image = torch.randn(2, 3, *size, dtype=torch.float64, generator=generator)

    def norm(x, name):
        parts = (state[f"{name}.{each}"] for each in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *parts)

    for index, stride in ((0, 2), (3, 1), (6, 1)):
        weight = state[f"backbone.stem.{index}.weight"]
        x = norm(F.conv2d(x, weight, stride=stride, padding=1), f"backbone.stem.{index + 1}").relu()
    x = F.max_pool2d(x, 3, 2, 1)
    for layer, (stride, first, rest) in LAYERS.items():
        for block in range((1, 2, 3, 2)[layer - 1]):
            name, dilation, step = f"backbone.layer{layer}.{block}", rest if block else first, 1 if block else stride
            y = norm(F.conv2d(x, state[f"{name}.conv1.weight"]), f"{name}.bn1").relu()
            y = F.conv2d(y, state[f"{name}.conv2.weight"], stride=step, padding=dilation, dilation=dilation)
            y = norm(F.conv2d(norm(y, f"{name}.bn2").relu(), state[f"{name}.conv3.weight"]), f"{name}.bn3")
            if block == 0:
                x = norm(F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=step), f"{name}.downsample.1")
            x = (x + y).relu()
    logits = 0
    for index, dilation in ((0, 6), (1, 12)):
        head = f"decode_head.aspp_modules.{index}.conv"
        logits = logits + F.conv2d(
            x, state[f"{head}.weight"], state[f"{head}.bias"], padding=dilation, dilation=dilation
        )
    final, low = model(image)
    torch.testing.assert_close(final, F.interpolate(logits, size, mode="bilinear"), rtol=1e-9, atol=1e-9)
    assert low is None and not model.aligned
    heads = [each for name, each in model.named_parameters() if name.startswith("decode_head")]
    assert all(each.abs().max() == 0 for each in heads if each.ndim == 1) and heads[0].std() < 0.02

"""FLOPs and bytes of passes through networks against counts by hand, and how long a device takes for them."""

import copy
from collections import Counter
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from segadapt.core.devices import Device, find_device
from segadapt.core.errors import UserError
from segadapt.core.workload import DiscriminatorPass, NetworkPass, Operation, Work
from segadapt.models.counting import count, pass_work
from segadapt.models.discriminator import Discriminator

# --- operations -----------------------------------------------------------------------------------


def on_meta(*shape, **more):
    return torch.empty(shape, device="meta", **more)


def test_a_convolution_by_hand():
    with torch.device("meta"):
        first, second = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.Conv2d(8, 5, 1, bias=False)
    image = on_meta(2, 3, 10, 12)
    one, two = 2 * 3 * 3 * 3 * 8 * 10 * 12 * 2, 2 * 8 * 5 * 10 * 12 * 2
    assert count(lambda: second(first(image))).flops == one + two
    # Backward costs as much for the weights and as much again for the input, which the first layer does not need.
    learnt = count(lambda: second(first(image)).backward(on_meta(2, 5, 10, 12)))
    assert learnt.flops == (one + two) + (one + 2 * two)
    asked = image.clone().requires_grad_()
    assert count(lambda: second(first(asked)).backward(on_meta(2, 5, 10, 12))).flops == 3 * (one + two)


def test_a_convolution_of_groups_by_hand():
    with torch.device("meta"):
        layer = nn.Conv2d(8, 16, 3, padding=1, groups=4)
    image = on_meta(2, 8, 10, 12, requires_grad=True)
    forward = 2 * 2 * 16 * 10 * 12 * (8 // 4) * 9
    assert count(lambda: layer(image)).flops == forward
    assert count(lambda: layer(image).backward(on_meta(2, 16, 10, 12))).flops == 3 * forward


def test_bytes_by_hand():
    with torch.device("meta"):
        layer = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    image, weight, result = (numel * 4 for numel in (2 * 3 * 10 * 12, 3 * 8 * 9, 2 * 8 * 10 * 12))
    with torch.no_grad():
        work = count(lambda: layer(on_meta(2, 3, 10, 12)).relu_().view(-1).add(1))
    assert work.operations == Counter(
        {
            Operation(2 * 9 * 3 * 8 * 10 * 12 * 2, image + weight + result): 1,
            Operation(0, 2 * result): 2,  # relu_ reads and writes in place, add elsewhere; the view is free
        }
    )
    half = count(lambda: torch.mm(on_meta(2, 3, dtype=torch.bfloat16), on_meta(3, 4, dtype=torch.bfloat16)))
    assert half.operations == Counter({Operation(2 * 2 * 3 * 4, 2 * (6 + 12 + 8), half=True): 1})


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_reads_twice_what_it_must_have_seen(training):
    with torch.device("meta"):
        layer = nn.BatchNorm2d(4).train(training)
    map_bytes, channels = 4 * 2 * 4 * 5 * 6, 4 * 4
    with torch.no_grad():
        moved = count(lambda: layer(on_meta(2, 4, 5, 6))).bytes
    # Beside the maps a few numbers a channel: weight, bias, running and saved statistics.
    assert 0 <= moved - (3 if training else 2) * map_bytes <= 6 * channels + 2 * 8


def test_counts_on_meta_are_those_of_real_tensors():
    torch.manual_seed(0)
    real = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 2, 3, dilation=2, padding=1))
    image = torch.randn(2, 3, 16, 20)
    with FlopCounterMode(display=False) as theirs:
        real(image).sum().backward()
    ours = count(lambda: copy.deepcopy(real).to("meta")(image.to("meta")).sum().backward())
    assert ours.flops == theirs.get_total_flops()


@pytest.mark.parametrize(
    ("size", "branches", "forward", "both"),
    [((1280, 720), 2, 1295.6, 3882.5), ((1280, 720), 4, 1326.4, 3974.8), ((1024, 512), 2, 741.4, 2221.9)],
)
def test_resnet101(size, branches, forward, both):
    shape = {"size": size, "aspp_branches": branches, "auxiliary": True, "batch_statistics": True}
    assert pass_work(NetworkPass("resnet101", 19, **shape)).flops == pytest.approx(forward * 1e9, rel=1e-4)
    learnt = pass_work(NetworkPass("resnet101", 19, learns=True, **shape))
    assert learnt.flops == pytest.approx(both * 1e9, rel=1e-4)
    if size == (1280, 720) and branches == 2:
        assert learnt.bytes == pytest.approx(73.8e9, rel=0.01)
        half = pass_work(NetworkPass("resnet101", 19, learns=True, bf16=True, **shape))
        assert half.bytes == pytest.approx(36.9e9, rel=0.01)
        assert {each.half for each in half.operations if each.flops} == {True}
        assert half.flops == learnt.flops


def test_the_discriminator_by_hand():
    width, height, channels = 64, 32, (19, 16, 32, 64, 128, 1)
    layers = [
        2 * 16 * before * after * (width >> layer + 1) * (height >> layer + 1)
        for layer, (before, after) in enumerate(pairwise(channels))
    ]
    judge = {"num_channels": 19, "width": 16, "size": (width, height)}
    # To the map alone: no gradient of any weight. To the weights: none of the map.
    assert pass_work(DiscriminatorPass(**judge)).flops == 2 * sum(layers)
    assert pass_work(DiscriminatorPass(**judge, learns=True)).flops == 3 * sum(layers) - layers[0]
    with torch.device("meta"), FlopCounterMode(display=False) as theirs:
        Discriminator(19, 16)(torch.empty(1, 19, height, width)).sum().backward()
    assert theirs.get_total_flops() == 3 * sum(layers) - layers[0]


# --- devices --------------------------------------------------------------------------------------


def test_the_roofline_takes_the_longer_of_arithmetic_and_bytes():
    device = Device("toy", "GPU", {"fp32": 1.0, "bf16": 4.0}, 100, 0.5, "none")
    heavy, light = Operation(10**12, 10**9), Operation(10, 10**9)
    half = Operation(10**12, 10**9, half=True)
    assert device.seconds(Work(Counter({heavy: 3, light: 5}))) == pytest.approx(3 * 2.0 + 5 * 0.01)
    assert device.seconds(Work(Counter({half: 1}))) == pytest.approx(0.5)
    assert device.seconds(Work(Counter({heavy: 1})), tf32=True) == pytest.approx(2.0), "no tf32: fp32 serves"
    own = device.with_own(tflops=8.0, gb_per_second=1.0, efficiency=1.0)
    assert own.seconds(Work(Counter({heavy: 1}))) == pytest.approx(1.0)
    assert own.seconds(Work(Counter({half: 4, light: 1}))) == pytest.approx(5.0)
    assert device.with_own() is device


def test_an_unknown_device_is_refused_with_those_there_are():
    with pytest.raises(UserError, match=r"device 'abacus' is unknown; use one of h200, h100, 1080ti, cpu-core"):
        find_device("abacus")

"""VGG-16 with dilation: size, maps, what it is made of, and where it starts."""

import pytest
import torch
import torch.nn.functional as F

from segadapt.models import Architecture, build, initialise
from segadapt.models.features import num_features, with_features
from segadapt.models.networks import outline

CONVOLUTIONS = 14_714_688
"""Of VGG-16 without its three last layers, as everybody counts them."""


def test_it_has_the_parameters_of_vgg16():
    model = outline(Architecture("vgg16", 19))
    wide = (512 * 49 + 1) * 4096 + (4096 + 1) * 4096
    heads = (4096 + 1) * 19 + 19 * 19 * 16 * 16
    assert sum(each.numel() for each in model.parameters()) == CONVOLUTIONS + wide + heads
    assert num_features(model) == 4096


@pytest.mark.parametrize("size", [(32, 64), (37, 50)])
def test_the_network_is_what_is_written(size):
    model = initialise(build(Architecture("streets_vgg", 5)), 1, "kaiming").eval()
    image = torch.randn(2, 3, *size)
    state, x = model.state_dict(), image
    for block, depth in zip("12345", (2, 2, 3, 3, 3), strict=True):
        spread = 2 if block == "5" else 1
        for number in range(1, depth + 1):
            name = f"conv{block}_{number}"
            x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=spread, dilation=spread).relu()
        if block in "123":
            x = F.max_pool2d(F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2)), 2)  # after a ReLU, 0 changes no maximum
    x = F.conv2d(x, state["fc6.weight"], state["fc6.bias"], padding=3).relu()
    x = F.conv2d(x, state["fc7.weight"], state["fc7.bias"]).relu()
    final, low, read = with_features(model)(image)
    assert low is None and final.shape == (2, 5, *size) and read.shape[2:] == tuple(-(-each // 8) for each in size)
    assert torch.allclose(read, x, atol=1e-5)
    scores = F.conv2d(x, state["score.weight"], state["score.bias"])
    want = F.interpolate(scores, scale_factor=8, mode="bilinear", align_corners=False)[:, :, : size[0], : size[1]]
    inside = (slice(None), slice(None), slice(4, 28), slice(4, 44))  # beyond lies nothing, where interpolation repeats
    assert torch.allclose(final[inside], want[inside], atol=1e-5)


def test_biases_do_not_decay_and_draws_follow_the_seed():
    model = initialise(build(Architecture("streets_vgg", 5)), 1, "kaiming")
    for name, _ in model.named_parameters():
        assert model.group_of(name).decays != name.endswith(".bias")
    again, other = (initialise(build(Architecture("streets_vgg", 5)), seed, "kaiming") for seed in (1, 2))
    same = [torch.equal(model.fc6.weight, each.fc6.weight) for each in (again, other)]
    assert same == [True, False]

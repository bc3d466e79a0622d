"""Target losses beyond the paper's table against naive float64 computations under autograd."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from test_trainer import entry, on_target

from segadapt.core.errors import UserError
from segadapt.losses import ImageWeight, entropy, hard_pseudo_label, scaled_entropy
from segadapt.methods import Prediction


def random_logits(seed: int, *shape: int, scale: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).requires_grad_()


def value_and_gradient(loss: torch.Tensor, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    (gradient,) = torch.autograd.grad(loss, logits, allow_unused=True)
    return loss.detach(), torch.zeros_like(logits) if gradient is None else gradient


def assert_same(ours: torch.Tensor, naive: torch.Tensor, logits: torch.Tensor) -> None:
    for got, wanted in zip(value_and_gradient(ours, logits), value_and_gradient(naive, logits), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-13)


def upsampled(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(logits, size, mode="bilinear", align_corners=True)


def naive_weight(probability: torch.Tensor, alpha: float) -> torch.Tensor:
    """w(n) by the formula, one image and one class at a time."""
    weight = torch.zeros_like(probability[:, 0])
    for image, top in enumerate(probability.argmax(1)):
        for each in top.unique():
            count = (top == each).sum().item()
            weight[image][top == each] = 1 / max(count**alpha * top.numel() ** (1 - alpha), 1)
    return weight


@settings(max_examples=40)
@given(
    st.integers(0, 99), st.integers(1, 3), st.integers(2, 9), st.sampled_from([0.01, 0.1, 0.4]),
    st.sampled_from(["released", "paper"]), st.sampled_from([None, (9, 11)]),
)  # fmt: skip
def test_scaled_entropy(seed, batch, num_classes, gamma, normalisation, size):
    logits = random_logits(seed, batch, num_classes, 4, 5)
    probability = upsampled(logits, size or (4, 5)).softmax(1)
    scaled = (1 - 2 * gamma) * probability + gamma
    naive = -(scaled * scaled.log()).sum(1).mean() / (num_classes if normalisation == "released" else 1)
    assert_same(scaled_entropy(logits, size, normalisation, gamma=gamma), naive, logits)


@pytest.mark.parametrize("alpha", [0.0, 0.2, 1.0])
def test_scaled_entropy_with_image_weights(alpha):
    logits = random_logits(7, 2, 5, 6, 4)
    probability = logits.softmax(1)
    scaled = 0.8 * probability + 0.1
    naive = -(naive_weight(probability, alpha) * (scaled * scaled.log()).sum(1)).sum() / (2 * 5)
    weight = ImageWeight(alpha, "pixel", False)
    assert_same(scaled_entropy(logits, None, "released", weight, 0.1), naive, logits)


def test_without_scale_it_is_the_entropy():
    logits = random_logits(3, 2, 6, 5, 5, scale=20.0)
    assert_same(scaled_entropy(logits, gamma=0), entropy(logits), logits)


@pytest.mark.parametrize("gamma", [0.5, -0.1, math.nan, True, "0.1"])
def test_a_senseless_gamma_is_refused(gamma):
    with pytest.raises(UserError, match="gamma"):
        scaled_entropy(random_logits(1, 1, 2, 2, 2), gamma=gamma)


@settings(max_examples=40)
@given(st.integers(0, 99), st.integers(1, 3), st.integers(2, 9), st.sampled_from([0.3, 0.9, 0.999]))
def test_hard_pseudo_labels(seed, batch, num_classes, threshold):
    logits = random_logits(seed, batch, num_classes, 4, 5)
    value, label = logits.softmax(1).max(1)
    label = label.masked_fill(value <= threshold, 255)
    kept = (label != 255).sum()
    naive = F.cross_entropy(logits, label, ignore_index=255, reduction="sum") / max(kept, 1)
    assert_same(hard_pseudo_label(logits, threshold=threshold), naive, logits)


@pytest.mark.parametrize("threshold", [0, 1, math.nan, True])
def test_a_senseless_threshold_is_refused(threshold):
    with pytest.raises(UserError, match="threshold"):
        hard_pseudo_label(random_logits(1, 1, 2, 2, 2), threshold=threshold)


@pytest.mark.parametrize("heads", [1, 2])
def test_advent_entropy_is_normalised_and_uses_both_heads(heads):
    final, low = random_logits(5, 2, 7, 4, 5), random_logits(6, 2, 7, 4, 5)
    method = entry("advent_entropy", lambda_target=1.0)
    got = on_target(method, Prediction(final, low if heads == 2 else None), (8, 9))
    naive = 0
    for weight, logits in ((1.0, final), (0.2, low))[:heads]:
        probability = upsampled(logits, (8, 9)).softmax(1)
        naive = naive - weight * (probability * probability.log2()).sum() / (2 * 8 * 9 * math.log2(7))
    assert_same(got, naive, final)
    if heads == 2:
        logits_low_gradient = torch.autograd.grad(on_target(method, Prediction(final, low), (8, 9)), low)[0]
        assert logits_low_gradient.abs().sum() > 0


@pytest.mark.parametrize(
    ("name", "option", "function"),
    [
        ("scaled_entropy", {"gamma": 0.2}, lambda logits: scaled_entropy(logits, (8, 9), gamma=0.2)),
        ("hard_pseudo_label", {"threshold": 0.5}, lambda logits: hard_pseudo_label(logits, (8, 9), 0.5)),
    ],
)
def test_a_methods_options_reach_its_loss(name, option, function):
    logits = random_logits(8, 1, 4, 4, 5)
    method = entry(name, lambda_target=1.0, options=option)
    assert_same(on_target(method, Prediction(logits, None), (8, 9)), function(logits), logits)

"""Extreme inputs and invariants of the losses: ties, one class, broken numbers, no host synchronisation."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segadapt.losses import ImageWeight, cross_entropy, entropy, guidance, max_squares

pytestmark = pytest.mark.usefixtures("both_forms")
WEIGHTS = [None] + [ImageWeight(alpha, index) for alpha in (-0.2, 0.0, 0.2, 1.0) for index in ("pixel", "class")]


def random_logits(shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2


@pytest.mark.parametrize("image_weight", WEIGHTS)
@pytest.mark.parametrize("classes", [1, 2, 19])
def test_equal_logits_have_the_known_value_and_no_gradient(classes, image_weight):
    if image_weight is not None and image_weight.index == "class" and image_weight.alpha:
        image_weight = ImageWeight(0.0, "class")  # unequal weights rightly pull equal probabilities apart
    logits = torch.full((2, classes, 3, 5), 4.25, requires_grad=True)
    for loss, value in ((max_squares, -1 / classes), (entropy, math.log(classes))):
        halved = 0.5 if loss is max_squares and image_weight is None else 1.0
        result = loss(logits, normalisation="paper", image_weight=image_weight)
        # All 15 pixels count for class 0, so every weight is 1/15 whatever alpha is.
        assert result.item() == pytest.approx(value * halved, rel=1e-6, abs=1e-7)
        (gradient,) = torch.autograd.grad(result, logits)
        assert gradient.abs().max() <= 1e-8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("image_weight", WEIGHTS)
def test_one_class_everywhere_at_any_margin_is_finite(image_weight, dtype):
    for margin in (0.0, 40.0, 200.0, 1e4, 1e30):
        logits = torch.zeros(2, 4, 3, 3, dtype=dtype)
        logits[:, 2] = margin
        logits.requires_grad_()
        for loss in (max_squares, entropy):
            result = loss(logits, image_weight=image_weight)
            (gradient,) = torch.autograd.grad(result, logits)
            assert result.isfinite()
            assert gradient.isfinite().all()


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 1, 3, 4)])
def test_a_single_class_has_nothing_to_learn(shape):
    logits = random_logits(shape).requires_grad_()
    label = torch.zeros(shape[0], *shape[2:], dtype=torch.long)
    for result, value in (
        (max_squares(logits), -0.5),
        (entropy(logits), 0.0),
        (cross_entropy(logits, label), 0.0),
        (guidance(logits, logits), 0.0),
    ):
        assert result.item() == pytest.approx(value)
        assert torch.autograd.grad(result, logits)[0].abs().max() == 0


def test_all_ignored_is_zero_and_still_differentiable():
    logits = random_logits((2, 3, 2, 2)).requires_grad_()
    loss = cross_entropy(logits, torch.full((2, 4, 4), 255), size=(4, 4))
    assert loss.item() == 0
    assert torch.autograd.grad(loss, logits)[0].abs().max() == 0


def test_an_ignored_pixel_has_no_gradient_even_if_it_is_not_finite():
    logits = random_logits((1, 3, 1, 3))
    logits[..., 1] = math.nan
    logits.requires_grad_()
    loss = cross_entropy(logits, torch.tensor([[[0, 255, 2]]]))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert gradient[..., 1].abs().max() == 0
    assert gradient[..., 0].abs().min() > 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_broken_logit_makes_the_loss_not_finite(bad):
    for image_weight in WEIGHTS:
        logits = random_logits((1, 3, 2, 2))
        logits[0, 1, 0, 0] = bad
        assert not max_squares(logits, image_weight=image_weight).isfinite()
        assert not entropy(logits, image_weight=image_weight).isfinite()
    for label in range(3):
        assert not cross_entropy(logits, torch.full((1, 2, 2), label)).isfinite()
    assert not guidance(logits, random_logits((1, 3, 2, 2))).isfinite()


def test_no_step_waits_for_the_device():
    """On the meta device a value that the host asks for, or a shape that depends on data, raises."""
    logits = torch.zeros(2, 5, 3, 4, device="meta", requires_grad=True)
    final = torch.zeros(2, 5, 3, 4, device="meta")
    label = torch.zeros(2, 7, 9, device="meta", dtype=torch.long)
    losses = [cross_entropy(logits, label, (7, 9))]
    losses += [guidance(logits, final, (7, 9), mask=mask) for mask in ("own", "winner")]
    losses += [loss(logits, (7, 9), image_weight=weight) for loss in (max_squares, entropy) for weight in WEIGHTS]
    sum(losses).backward()
    assert logits.grad.shape == logits.shape
    with pytest.raises((RuntimeError, NotImplementedError)):
        logits[logits > 0]


# On a grid on which a common shift is exact and makes no new ties.
LOGIT = st.integers(-90 * 4096, 90 * 4096).map(lambda step: step / 4096)
PIXELS = st.lists(st.lists(LOGIT, min_size=4, max_size=4), min_size=1, max_size=6)


@settings(max_examples=60)
@given(pixels=PIXELS, alpha=st.floats(-1, 1), index=st.sampled_from(["pixel", "class"]), shift=st.integers(-64, 64))
def test_invariants_of_the_target_losses(pixels, alpha, index, shift):
    """Gradients of a pixel sum to 0, a common shift changes nothing, and values stay in their range."""
    values = torch.tensor(pixels, dtype=torch.float64).T[None, :, None, :].contiguous().requires_grad_()
    for loss, lowest, highest in ((max_squares, -1.0, -0.25), (entropy, 0.0, math.log(4))):
        plain = loss(values, normalisation="paper") * (2 if loss is max_squares else 1)
        assert lowest - 1e-12 <= plain.item() <= highest + 1e-12
        for weight in (None, ImageWeight(alpha, index)):
            result = loss(values, image_weight=weight)
            (gradient,) = torch.autograd.grad(result, values)
            largest = gradient.abs().amax(dim=1)
            assert (gradient.sum(dim=1).abs() <= 1e-14 * largest + 1e-300).all()
            shifted = loss(values.detach() + shift, image_weight=weight)
            assert shifted.item() == pytest.approx(result.item(), rel=1e-12, abs=1e-14)


@settings(max_examples=40)
@given(
    pixels=PIXELS, order=st.permutations(range(4)), alpha=st.floats(-1, 1), index=st.sampled_from(["pixel", "class"])
)
def test_no_class_is_special(pixels, order, alpha, index):
    spread = torch.arange(4, dtype=torch.float64)[:, None] * 1e-3  # no ties: they go by the order of classes
    values = (torch.tensor(pixels, dtype=torch.float64).T.round() + spread)[None, :, None, :]
    for weight in (None, ImageWeight(alpha, index)):
        for loss in (max_squares, entropy):
            gradients = []
            for logits in (values, values[:, list(order)]):
                logits = logits.clone().requires_grad_()
                gradients.append(torch.autograd.grad(loss(logits, image_weight=weight), logits)[0])
            torch.testing.assert_close(gradients[1], gradients[0][:, list(order)], rtol=1e-12, atol=1e-15)

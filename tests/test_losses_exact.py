"""Loss values and logit gradients at margins 0 to 200, against 320-digit decimal arithmetic.

float64 autograd is no truth here: it cancels beyond a margin of about 25. The truth is the textbook
formula in ``decimal`` and, for the gradient, its central difference: no derivation is shared.
"""

from collections.abc import Callable
from contextlib import nullcontext
from decimal import Decimal, localcontext

import pytest
import torch

from segadapt.losses import ImageWeight, cross_entropy, entropy, guidance, max_squares
from segadapt.losses.dispatch import use_plain_form

MARGINS = (0.0, 1e-6, 1e-3, 0.1, 1.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 25.0, 40.0, 60.0, 80.0, 100.0, 150.0, 200.0)
GRADIENT_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
VALUE_TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}
STEP = Decimal("1e-110")
DIGITS = 320

Pixel = list[Decimal]
Textbook = Callable[[Pixel, int], Decimal]


def probabilities(exponentials: Pixel) -> Pixel:
    total = sum(exponentials)
    return [each / total for each in exponentials]


def negative_squares(exponentials: Pixel, weights: Pixel) -> Decimal:
    return -sum(w * p * p for w, p in zip(weights, probabilities(exponentials), strict=True))


def weighted_entropy(exponentials: Pixel, weights: Pixel) -> Decimal:
    return -sum(w * p * p.ln() for w, p in zip(weights, probabilities(exponentials), strict=True))


def truth(logits_CN: torch.Tensor, textbook: Textbook) -> tuple[list[Decimal], list[Pixel]]:
    """Values and gradients of ``textbook(exponentials, pixel)`` for each column of logits."""
    up, down = STEP.exp(), (-STEP).exp()
    values, gradients = [], []
    for pixel, column in enumerate(logits_CN.T.tolist()):
        raised = [Decimal(each).exp() for each in column]
        values.append(textbook(raised, pixel))
        gradients.append([])
        for index in range(len(raised)):
            above = [e * up if k == index else e for k, e in enumerate(raised)]
            below = [e * down if k == index else e for k, e in enumerate(raised)]
            gradients[-1].append((textbook(above, pixel) - textbook(below, pixel)) / (2 * STEP))
    return values, gradients


def margin_logits(num_classes: int, dtype: torch.dtype) -> torch.Tensor:
    """(1, C, 1, N): one pixel a margin, each with another top class and another common level."""
    generator = torch.Generator().manual_seed(num_classes)
    columns = []
    for number, margin in enumerate(MARGINS):
        column = -margin - margin * torch.rand(num_classes, generator=generator, dtype=torch.float64) / 4
        column[(number + 1) % num_classes] = -margin
        column[number % num_classes] = 0.0
        columns.append(column + (number % 5 - 2) * margin / 3)
    return torch.stack(columns, dim=1)[None, :, None, :].to(dtype)


def errors(loss_of: Callable, logits: torch.Tensor, textbook: Textbook, pixels: int) -> tuple[float, float]:
    """(relative value error, largest gradient error relative to its pixel's largest true gradient), of both forms.

    ``pixels`` undoes the division of the loss. A float32 gradient below the smallest normal number
    cannot be held to a relative error and is allowed to be 0.
    """
    logits = logits.clone().requires_grad_()
    results = []
    for form in (nullcontext, use_plain_form):
        with form():
            loss = loss_of(logits)
        results.append((loss, torch.autograd.grad(loss, logits)[0]))
    with localcontext() as context:
        context.prec = DIGITS
        values, slopes = truth(logits.detach()[0, :, 0], textbook)
        total = sum(values)
        value_error = max(abs(Decimal(loss.item()) * pixels - total) / (abs(total) or 1) for loss, _ in results)
        floor = max(Decimal(torch.finfo(logits.dtype).tiny) * 4, STEP)
        worst = Decimal(0)
        for number, slope in enumerate(slopes):
            size = max(abs(each) for each in slope)
            for index, each in enumerate(slope):
                for _, gradient in results:
                    error = abs(Decimal(gradient[0, index, 0, number].item()) * pixels - each)
                    if error > floor * pixels:
                        worst = max(worst, error / size)
    return float(value_error), float(worst)


def assert_exact(loss_of: Callable, logits: torch.Tensor, textbook: Textbook, pixels: int) -> None:
    value_error, gradient_error = errors(loss_of, logits, textbook, pixels)
    assert value_error <= VALUE_TOLERANCE[logits.dtype], value_error
    assert gradient_error <= GRADIENT_TOLERANCE[logits.dtype], gradient_error


def decimal_weights(logits: torch.Tensor, alpha: float) -> Pixel:
    """w_c of the image by plain counting; a class without a pixel weighs as one of a single pixel."""
    num_classes, pixels = logits.shape[1], logits.shape[3]
    tops = [column.index(max(column)) for column in logits[0, :, 0].T.tolist()]
    weights = []
    for index in range(num_classes):
        count = Decimal(max(tops.count(index), 1))
        weights.append(1 / max(count ** Decimal(alpha) * Decimal(pixels) ** (1 - Decimal(alpha)), Decimal(1)))
    return weights


both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
class_numbers = pytest.mark.parametrize("num_classes", [2, 5])
alphas = pytest.mark.parametrize("alpha", [-0.2, 0.0, 0.2, 1.0])


@both_dtypes
@class_numbers
def test_max_squares_is_exact_at_every_margin(num_classes, dtype):
    ones = [Decimal(1)] * num_classes
    logits = margin_logits(num_classes, dtype)
    loss_of = lambda z: max_squares(z, normalisation="paper", half=False)  # noqa: E731
    assert_exact(loss_of, logits, lambda e, _: negative_squares(e, ones), len(MARGINS))


@both_dtypes
@class_numbers
def test_entropy_is_exact_at_every_margin(num_classes, dtype):
    ones = [Decimal(1)] * num_classes
    logits = margin_logits(num_classes, dtype)
    loss_of = lambda z: entropy(z, normalisation="paper")  # noqa: E731
    assert_exact(loss_of, logits, lambda e, _: weighted_entropy(e, ones), len(MARGINS))


@both_dtypes
@pytest.mark.parametrize("margin", [9.0, 15.0, 25.0, 60.0])
def test_values_of_confident_pixels_keep_their_digits(margin, dtype):
    logits = torch.tensor([[0.0], [-margin], [-1.5 * margin]], dtype=dtype)[None, :, :, None]
    ones = [Decimal(1)] * 3
    assert_exact(lambda z: entropy(z, normalisation="paper"), logits, lambda e, _: weighted_entropy(e, ones), 1)
    label = torch.zeros(1, 1, 1, dtype=torch.long)
    assert_exact(lambda z: cross_entropy(z, label), logits, lambda e, _: -probabilities(e)[0].ln(), 1)


@both_dtypes
@class_numbers
def test_cross_entropy_is_exact_at_every_margin_and_label(num_classes, dtype):
    logits = margin_logits(num_classes, dtype)
    for shift in range(num_classes):
        labels = [(number + shift) % num_classes for number in range(len(MARGINS))]
        label_BHW = torch.tensor(labels)[None, None]
        textbook = lambda e, n, labels=labels: -probabilities(e)[labels[n]].ln()  # noqa: E731
        assert_exact(lambda z, label=label_BHW: cross_entropy(z, label), logits, textbook, len(MARGINS))


@both_dtypes
@class_numbers
def test_guidance_gradient_is_exact_at_every_margin(num_classes, dtype):
    logits = margin_logits(num_classes, dtype)
    tops = logits[0, :, 0].max(dim=0).indices.tolist()
    # Beyond a margin of 15 two sure heads that disagree are a tie to float32, so there they agree.
    sure_of = [(top + (margin < 15)) % num_classes for top, margin in zip(tops, MARGINS, strict=True)]
    final = torch.full_like(logits, -300.0).scatter_(1, torch.tensor(sure_of)[None, None, None], 300.0)
    winners = (logits.double().softmax(1) + final.double().softmax(1))[0, :, 0].argmax(0).tolist()
    textbook = lambda e, n: -probabilities(e)[winners[n]].ln()  # noqa: E731
    assert_exact(lambda z: guidance(z, final), logits, textbook, len(MARGINS))


@both_dtypes
@class_numbers
@alphas
@pytest.mark.parametrize("index", ["pixel", "class"])
@pytest.mark.parametrize("name", ["max_squares", "entropy"])
def test_image_weights_are_exact_at_every_margin(name, index, alpha, num_classes, dtype):
    logits = margin_logits(num_classes, dtype)
    formula = negative_squares if name == "max_squares" else weighted_entropy
    loss = max_squares if name == "max_squares" else entropy
    with localcontext() as context:
        context.prec = DIGITS
        weights = decimal_weights(logits, alpha)
    tops = logits[0, :, 0].max(dim=0).indices.tolist()

    def textbook(exponentials: Pixel, pixel: int) -> Decimal:
        own = [weights[tops[pixel]]] * num_classes
        return formula(exponentials, own if index == "pixel" else weights)

    image_weight = ImageWeight(alpha=alpha, index=index)
    assert_exact(lambda z: loss(z, normalisation="paper", image_weight=image_weight), logits, textbook, 1)


@both_dtypes
@pytest.mark.parametrize("margin", [0.0, 1e-4, 0.5, 2.0, 8.0, 20.0, 40.0])
def test_a_class_without_a_pixel_keeps_the_gradient_exact(margin, dtype):
    logits = torch.tensor([0.0, -margin, -margin / 2 - 1], dtype=dtype)[None, :, None, None].repeat(1, 1, 1, 5)
    for loss, formula in ((max_squares, negative_squares), (entropy, weighted_entropy)):
        with localcontext() as context:
            context.prec = DIGITS
            weights = decimal_weights(logits, 0.2)
        image_weight = ImageWeight(alpha=0.2, index="class")
        loss_of = lambda z, loss=loss, w=image_weight: loss(z, normalisation="paper", image_weight=w)  # noqa: E731
        assert_exact(loss_of, logits, lambda e, _, f=formula, w=weights: f(e, w), 1)


@both_dtypes
@pytest.mark.parametrize("margin", [0.3, 0.69, 0.7, 4.0, 7.0, 9.0])
def test_weights_that_are_orders_apart_keep_the_gradient_exact(margin, dtype):
    """20,000 equal pixels of one class weigh 5e-5 each and a class without a pixel weighs 1."""
    pixels = 20_000
    column = torch.tensor([0.0, -margin, -margin - 30], dtype=dtype)[:, None]
    logits = column[None, :, None, :].expand(1, 3, 1, pixels).clone().requires_grad_()
    weights = [1 / Decimal(pixels), Decimal(1), Decimal(1)]
    for loss, formula in ((max_squares, negative_squares), (entropy, weighted_entropy)):
        result = loss(logits, normalisation="paper", image_weight=ImageWeight(1.0, "class"))
        (gradient,) = torch.autograd.grad(result, logits)
        with localcontext() as context:
            context.prec = DIGITS
            _, slopes = truth(column, lambda e, _, f=formula: f(e, weights))
        expected = torch.tensor([float(each) for each in slopes[0]], dtype=torch.float64)
        error = (gradient[0, :, 0].double() - expected[:, None]).abs().max() / expected.abs().max()
        assert error <= GRADIENT_TOLERANCE[dtype]


@both_dtypes
def test_two_classes_follow_equations_7_and_8(dtype):
    """dH/dp = ln(1 - p) - ln p; d(p^2 + (1 - p)^2)/dp = 4p - 2, the size of both without the 1/2 of Eq. 6."""
    p = torch.tensor([0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99], dtype=torch.float64)
    logits = torch.stack([p.log() - (1 - p).log(), torch.zeros_like(p)])[None, :, None, :].to(dtype).requires_grad_()
    steps = (p * (1 - p))[None, :]  # dp/dz of the first class
    for loss, slope in (
        (entropy(logits, normalisation="paper"), (1 - p).log() - p.log()),
        (max_squares(logits, normalisation="paper", half=False), -(4 * p - 2)),
        (max_squares(logits, normalisation="paper"), -(2 * p - 1)),
    ):
        (gradient,) = torch.autograd.grad(loss, logits)
        expected = torch.cat([slope * steps, -slope * steps]) / len(p)
        torch.testing.assert_close(gradient[0, :, 0].double(), expected, rtol=1e-5, atol=2e-8)

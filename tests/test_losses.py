"""Values and gradients of the losses against textbook formulas in float64, and the released ratios."""

from contextlib import nullcontext

import pytest
import torch

from segadapt.losses import ImageWeight, cross_entropy, entropy, guidance, max_squares
from segadapt.losses.dispatch import use_plain_form

SIZES = [  # low resolution -> size of the loss
    ((1, 1), None),
    ((4, 5), None),
    ((4, 5), (4, 5)),
    ((3, 4), (7, 9)),
    ((4, 3), (10, 3)),
    ((1, 1), (4, 6)),
    ((2, 5), (1, 1)),
    ((5, 6), (3, 4)),
    ((6, 11), (21, 37)),
]
WEIGHTS = [None] + [ImageWeight(alpha, index) for alpha in (-0.2, 0.0, 0.2, 1.0) for index in ("pixel", "class")]
GRADIENT_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
VALUE_TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}

both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
all_sizes = pytest.mark.parametrize(("low", "size"), SIZES)


def random_logits(shape, seed=0, scale=2.0, dtype=torch.float64):
    return (torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale).to(dtype)


def aligned_rows(low: int, high: int) -> torch.Tensor:
    """The (high, low) matrix of linear interpolation with aligned corners, from its definition."""
    rows = torch.zeros(high, low, dtype=torch.float64)
    for row in range(high):
        position = row * (low - 1) / (high - 1) if high > 1 else 0.0
        below = min(int(position), low - 1)
        rows[row, below] += 1 - (position - below)
        rows[row, min(below + 1, low - 1)] += position - below
    return rows


def naive_upsample(logits, size):
    if size is None:
        return logits
    rows, columns = aligned_rows(logits.shape[2], size[0]), aligned_rows(logits.shape[3], size[1])
    return torch.einsum("Yy,bcyx,Xx->bcYX", rows, logits, columns)


def naive_weight_map(p, image_weight):
    """(B, C, H, W) weights by plain loops over images, pixels and classes."""
    batch, classes, height, width = p.shape
    weight = torch.zeros_like(p)
    for b in range(batch):
        tops = p[b].detach().argmax(0).tolist()
        flat = [top for row in tops for top in row]
        of_class = []
        for c in range(classes):
            count = flat.count(c)
            power = max(count, 1) ** image_weight.alpha
            of_class.append(1 / max(power * (height * width) ** (1 - image_weight.alpha), 1))
        for y in range(height):
            for x in range(width):
                for c in range(classes):
                    weight[b, c, y, x] = of_class[tops[y][x] if image_weight.index == "pixel" else c]
    return weight


def naive_target_loss(name, logits, size, normalisation, image_weight, half=True):
    p = naive_upsample(logits, size).softmax(1)
    batch, classes, height, width = p.shape
    terms = p**2 if name == "max_squares" else p * p.log()
    if image_weight is None:
        terms, divisor = terms, batch * height * width
    else:
        terms, divisor = terms * naive_weight_map(p, image_weight), batch
    halved = name == "max_squares" and (half if image_weight is None else image_weight.half)
    return -terms.sum() / divisor / (classes if normalisation == "released" else 1) / (2 if halved else 1)


def naive_cross_entropy(logits, label, size, ignore_index=255, weight=None, denominator="valid"):
    p = naive_upsample(logits, size).softmax(1)
    terms = [
        -p[b, label[b, y, x], y, x].log() * (1 if weight is None else weight[b, y, x].double())
        for b in range(label.shape[0])
        for y in range(label.shape[1])
        for x in range(label.shape[2])
        if label[b, y, x] != ignore_index
    ]
    if not terms:
        return logits.sum() * 0
    return torch.stack(terms).sum() / (len(terms) if denominator == "valid" else label.numel())


def assert_matches(loss_of, naive_of, logits):
    """Value and logit gradient of ``loss_of`` against ``naive_of`` on the same numbers in float64, in both forms."""
    truth = logits.double().requires_grad_()
    expected = naive_of(truth)
    (expected_gradient,) = torch.autograd.grad(expected, truth)
    largest = expected_gradient.abs().max()
    for form in (nullcontext, use_plain_form):
        ours = logits.clone().requires_grad_()
        with form():
            loss = loss_of(ours)
        assert loss.dim() == 0
        assert loss.dtype == logits.dtype
        assert abs(loss.item() - expected.item()) <= VALUE_TOLERANCE[logits.dtype] * max(abs(expected.item()), 1e-6)
        (gradient,) = torch.autograd.grad(loss, ours)
        assert gradient.dtype == logits.dtype
        assert (gradient - expected_gradient).abs().max() <= GRADIENT_TOLERANCE[logits.dtype] * largest + 1e-17


@both_dtypes
@all_sizes
@pytest.mark.parametrize("normalisation", ["released", "paper"])
@pytest.mark.parametrize("name", ["max_squares", "entropy"])
def test_target_losses_match_the_formula(name, normalisation, low, size, dtype):
    loss = {"max_squares": max_squares, "entropy": entropy}[name]
    for batch, classes in ((1, 5), (2, 2), (3, 3)):
        logits = random_logits((batch, classes, *low), seed=batch, dtype=dtype)
        assert_matches(
            lambda z: loss(z, size, normalisation),
            lambda z: naive_target_loss(name, z, size, normalisation, None),
            logits,
        )


@both_dtypes
@pytest.mark.parametrize(("low", "size"), SIZES[:-1])
@pytest.mark.parametrize("image_weight", WEIGHTS[1:], ids=lambda w: f"{w.index}{w.alpha}")
@pytest.mark.parametrize("name", ["max_squares", "entropy"])
def test_weighted_losses_match_the_formula(name, image_weight, low, size, dtype):
    loss = {"max_squares": max_squares, "entropy": entropy}[name]
    for batch, normalisation in ((1, "released"), (3, "paper")):
        logits = random_logits((batch, 4, *low), seed=batch + 7, dtype=dtype)
        assert_matches(
            lambda z, n=normalisation: loss(z, size, n, image_weight=image_weight),
            lambda z, n=normalisation: naive_target_loss(name, z, size, n, image_weight),
            logits,
        )


@both_dtypes
@all_sizes
def test_cross_entropy_matches_the_formula(low, size, dtype):
    for batch in (1, 2, 3):
        logits = random_logits((batch, 5, *low), seed=batch, dtype=dtype)
        label = torch.randint(0, 6, (batch, *(size or low)), generator=torch.Generator().manual_seed(batch))
        label[0, 0, 0] = 3
        label[label == 5] = 255
        assert_matches(
            lambda z, y=label: cross_entropy(z, y, size), lambda z, y=label: naive_cross_entropy(z, y, size), logits
        )


@both_dtypes
@pytest.mark.parametrize("denominator", ["valid", "all"])
@pytest.mark.parametrize("weights", ["none", "some", "zero", "whole images", "all ignored"])
def test_weighted_cross_entropy_matches_the_formula(weights, denominator, dtype):
    """Weights of zero count in the denominator; a weight of an ignored pixel, whatever it is, counts for nothing."""
    for number, (low, size) in enumerate(SIZES):
        logits = random_logits((2, 4, *low), seed=number, dtype=dtype)
        generator = torch.Generator().manual_seed(number)
        label = torch.randint(0, 5, (2, *(size or low)), generator=generator)
        label[label == 4] = 255
        label[1, 0, 0] = 2
        weight = torch.rand(label.shape, generator=generator).to(dtype)
        if weights == "zero":
            weight.zero_()
        if weights == "whole images":
            weight = torch.tensor([0.0, 0.3], dtype=dtype).view(2, 1, 1).expand(label.shape)
        if weights == "all ignored":
            label.fill_(255)
        weight = None if weights == "none" else weight.masked_fill(label == 255, torch.nan)
        assert_matches(
            lambda z, y=label, w=weight, s=size: cross_entropy(z, y, s, 255, w, denominator),
            lambda z, y=label, w=weight, s=size: naive_cross_entropy(z, y, s, 255, w, denominator),
            logits,
        )


def test_a_weight_that_is_not_a_number_reaches_the_loss_and_none_gets_a_gradient():
    logits, label = random_logits((1, 3, 2, 2)).requires_grad_(), torch.zeros(1, 2, 2, dtype=torch.long)
    weight = torch.ones(1, 2, 2, requires_grad=True)
    cross_entropy(logits, label, pixel_weight_BHW=weight).backward()
    assert weight.grad is None and logits.grad.any()
    for form in (nullcontext, use_plain_form):
        with form():
            assert cross_entropy(logits, label, pixel_weight_BHW=weight * torch.nan).isnan()


def test_weights_of_one_change_no_bit():
    logits, label = random_logits((2, 3, 4, 5), dtype=torch.float32), torch.ones(2, 9, 11, dtype=torch.uint8)
    label[0, 3:] = 255
    for form in (nullcontext, use_plain_form):
        with form():
            weighted = cross_entropy(logits, label, (9, 11), pixel_weight_BHW=torch.ones(2, 9, 11))
            assert torch.equal(weighted, cross_entropy(logits, label, (9, 11)))


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_labels_of_any_integer_type_give_the_same_loss(kind):
    logits = random_logits((2, 3, 2, 2))
    label = torch.tensor([[[0, 1], [2, 99]], [[1, 1], [99, 0]]])
    expected = naive_cross_entropy(logits, label, None, ignore_index=99)
    assert cross_entropy(logits, label.to(kind), ignore_index=99).item() == pytest.approx(expected.item(), rel=1e-12)


def test_negative_ignore_index():
    logits = random_logits((1, 3, 1, 3))
    label = torch.tensor([[[0, -1, 2]]])
    expected = naive_cross_entropy(logits, label, None, ignore_index=-1)
    assert cross_entropy(logits, label, ignore_index=-1).item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("half", [True, False])
def test_half_belongs_to_the_loss_without_weights_and_to_the_weights_with_them(half):
    logits = random_logits((2, 4, 3, 3))
    plain = naive_target_loss("max_squares", logits, None, "paper", None, half)
    assert max_squares(logits, None, "paper", half).item() == pytest.approx(plain.item(), rel=1e-12)
    weight = ImageWeight(0.2, "pixel", half)
    weighted = naive_target_loss("max_squares", logits, None, "paper", weight)
    for ignored in (True, False):
        assert max_squares(logits, None, "paper", ignored, weight).item() == pytest.approx(weighted.item(), rel=1e-12)
    no_half = entropy(logits, None, "paper", ImageWeight(0.2, "pixel"))
    assert entropy(logits, None, "paper", weight).item() == no_half.item()


@pytest.mark.parametrize("index", ["pixel", "class"])
def test_released_ratios(index):
    logits = random_logits((3, 7, 4, 4))
    flat = ImageWeight(0.0, index)
    assert max_squares(logits, image_weight=flat).item() / max_squares(logits).item() == pytest.approx(2.0, rel=1e-12)
    assert entropy(logits, image_weight=flat).item() / entropy(logits).item() == pytest.approx(1.0, rel=1e-12)
    for loss in (max_squares, entropy):
        for weight in (None, ImageWeight(0.2, index)):
            released, paper = (loss(logits, None, n, image_weight=weight).item() for n in ("released", "paper"))
            assert paper / released == pytest.approx(7.0, rel=1e-12)


@pytest.mark.parametrize("image_weight", WEIGHTS)
@pytest.mark.parametrize("loss", [max_squares, entropy])
def test_a_batch_is_the_mean_of_its_images(loss, image_weight):
    logits = random_logits((3, 4, 5, 6), scale=3.0)
    logits[1, 2] += 6.0  # another histogram in each image
    logits[2, 0] += 3.0
    images = [loss(image[None], image_weight=image_weight).item() for image in logits]
    assert loss(logits, image_weight=image_weight).item() == pytest.approx(sum(images) / 3, rel=1e-12)


def test_ties_count_for_the_first_class():
    """Three pixels by hand: a three-fold tie, a two-fold tie, a lone top class."""
    logits = torch.tensor([[0.0, -9.0, 1.0], [0.0, 2.0, 0.0], [0.0, 2.0, 0.0]], dtype=torch.float64)[None, :, None]
    p = logits.softmax(1)[0, :, 0]
    pixel_weight = (
        torch.tensor([2.0, 1.0, 2.0], dtype=torch.float64) ** -0.5 * 3**-0.5
    )  # class 0 twice, class 1 once, class 2 never
    expected = -(pixel_weight * (p**2).sum(0)).sum()
    value = max_squares(logits, normalisation="paper", image_weight=ImageWeight(0.5))
    assert value.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_computed_in_float32(dtype):
    narrow = random_logits((2, 5, 3, 4), dtype=dtype).requires_grad_()
    wide = narrow.detach().float().requires_grad_()
    label = torch.randint(0, 5, (2, 7, 9), generator=torch.Generator().manual_seed(3))
    for loss in (
        lambda z: max_squares(z, (7, 9), image_weight=ImageWeight()),
        lambda z: entropy(z, (7, 9)),
        lambda z: cross_entropy(z, label, (7, 9)),
        lambda z: guidance(z, z.detach() * 4, (7, 9), 0.5),
    ):
        result, expected = loss(narrow), loss(wide)
        assert result.dtype == torch.float32
        assert result.item() == expected.item()
        gradient, expected_gradient = (torch.autograd.grad(r, z)[0] for r, z in ((result, narrow), (expected, wide)))
        assert torch.equal(gradient, expected_gradient.to(dtype))


def test_gradcheck_in_float64():
    logits = random_logits((2, 3, 2, 3), scale=1.0).requires_grad_()
    label = torch.tensor([0, 1, 2, 255]).repeat(10)[:40].reshape(2, 4, 5)
    final = random_logits((2, 3, 2, 3), seed=5)
    for image_weight in (None, ImageWeight(0.2), ImageWeight(0.2, "class")):
        for loss in (max_squares, entropy):
            assert torch.autograd.gradcheck(lambda z, f=loss, w=image_weight: f(z, (4, 5), image_weight=w), logits)
    assert torch.autograd.gradcheck(lambda z: cross_entropy(z, label, (4, 5)), logits)
    assert torch.autograd.gradcheck(lambda z: guidance(z, final, (4, 5), 0.6), logits)


def test_the_upstream_factor_scales_the_gradient_and_the_input_is_left_alone():
    logits = random_logits((1, 3, 4, 4)).requires_grad_()
    before = logits.detach().clone()
    loss = max_squares(logits)
    (once,) = torch.autograd.grad(loss, logits, retain_graph=True)
    (scaled,) = torch.autograd.grad(-3.0 * loss, logits)
    assert torch.equal(scaled, once * -3.0)
    assert torch.equal(logits.detach(), before)
    with torch.no_grad():
        value = max_squares(logits)
    assert not value.requires_grad
    assert value.item() == loss.item()

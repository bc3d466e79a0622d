"""The form in bands of rows equals the plain form, which other tests hold to the formulas, and makes nothing large."""

import pytest
import torch
from torch.overrides import TorchFunctionMode

from segadapt.losses import (
    ImageWeight,
    cross_entropy,
    entropy,
    guidance,
    hard_pseudo_label,
    max_squares,
    scaled_entropy,
)
from segadapt.losses.cpu import band_image as bands
from segadapt.losses.cpu.band_softmax import BandSoftmax, expm1_from, top_class
from segadapt.losses.cpu.interpolation import spans
from segadapt.losses.dispatch import in_bands, use_plain_form

GRADIENT_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
VALUE_TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}
SIZES = [  # low resolution -> size of the loss
    ((1, 1), None),
    ((7, 5), None),
    ((7, 5), (7, 5)),
    ((1, 1), (5, 7)),
    ((3, 5), (1, 1)),
    ((4, 6), (13, 6)),
    ((4, 6), (4, 13)),
    ((1, 9), (8, 9)),
    ((5, 7), (17, 20)),
    ((3, 9), (9, 65)),
    ((23, 19), (8, 5)),
    ((2, 40), (3, 11)),
]
BATCH_AND_CLASSES = [(1, 2), (4, 3), (2, 19), (3, 40)]


def label_at(logits, size):
    """Random labels, a fifth of them ignored, of the shape of the loss."""
    shape, classes = (len(logits), *(size or logits.shape[2:])), logits.shape[1]
    generator = torch.Generator().manual_seed(3)
    ignored = torch.randint(0, 5, shape, generator=generator) == 0
    return torch.randint(0, classes, shape, generator=generator).masked_fill(ignored, 255)


def weight_at(logits, size):
    """Weights of the shape of the loss in [0, 1], a good part of them 0; those of the ignored pixels are no numbers."""
    label = label_at(logits, size)
    weight = torch.rand(label.shape, generator=torch.Generator().manual_seed(4)).sub(0.3).clamp(min=0)
    return weight.masked_fill(label == 255, torch.nan)


def final_head(logits):
    """The other head's logits: partly of the same opinion."""
    return (logits.flip(1) + 2 * logits.roll(1, dims=3)).detach()


OBJECTIVES = {
    "max_squares": max_squares,
    "max_squares whole": lambda z, size: max_squares(z, size, "paper", half=False),
    "entropy": entropy,
    "scaled entropy": scaled_entropy,
    "hard": lambda z, size: hard_pseudo_label(z, size, 0.4),
    "cross-entropy": lambda z, size: cross_entropy(z, label_at(z, size), size),
    "weighted": lambda z, size: cross_entropy(z, label_at(z, size), size, 255, weight_at(z, size)),
    "weighted over all": lambda z, size: cross_entropy(z, label_at(z, size), size, 255, weight_at(z, size), "all"),
    "over all": lambda z, size: cross_entropy(z, label_at(z, size), size, denominator="all"),
    "all ignored": lambda z, size: cross_entropy(z, torch.full_like(label_at(z, size), 255), size),
    "guidance": lambda z, size: guidance(z, final_head(z), size, 0.8),
    "guidance winner": lambda z, size: guidance(z, final_head(z), size, 0.8, "winner"),
    "no guidance": lambda z, size: guidance(z * 1e-3, final_head(z) * 1e-3, size, 0.99),
} | {
    f"{loss.__name__} {weight.index} {weight.alpha}": lambda z, size, loss=loss, weight=weight: loss(
        z, size, image_weight=weight
    )
    for loss in (max_squares, entropy)
    for weight in (ImageWeight(0.2), ImageWeight(-0.2, "class"))
}
every_objective = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES.keys())
both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


@pytest.fixture(params=[1, bands.BAND_BYTES], ids=["rows", "default"])
def band_bytes(request, monkeypatch):
    """Bands of one row and spans of few columns, as well as the sizes that are the default."""
    monkeypatch.setattr(bands, "BAND_BYTES", request.param)
    monkeypatch.setattr(bands, "COLUMNS", 7 if request.param == 1 else bands.COLUMNS)


def random_logits(shape, dtype, scale=3.0, seed=0):
    return (torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale).to(dtype)


def value_and_gradient(objective, logits, size):
    logits = logits.detach().requires_grad_()
    loss = objective(logits, size)
    return loss.detach(), torch.autograd.grad(loss, logits)[0]


def assert_equals_plain(objective, logits, size):
    assert in_bands(logits)
    value, gradient = value_and_gradient(objective, logits, size)
    with use_plain_form():
        plain_value, plain_gradient = value_and_gradient(objective, logits, size)
    assert value.dtype == gradient.dtype == logits.dtype
    assert abs(value - plain_value) <= VALUE_TOLERANCE[logits.dtype] * abs(plain_value)
    error = (gradient - plain_gradient).abs().max()
    assert error <= GRADIENT_TOLERANCE[logits.dtype] * plain_gradient.abs().max()


@both_dtypes
@every_objective
def test_bands_equal_the_plain_form(objective, dtype, band_bytes):
    for number, (low, size) in enumerate(SIZES):
        batch, classes = BATCH_AND_CLASSES[number % len(BATCH_AND_CLASSES)]
        assert_equals_plain(objective, random_logits((batch, classes, *low), dtype, seed=number), size)


@both_dtypes
@every_objective
def test_ties_equal_the_plain_form(objective, dtype, band_bytes):
    whole = random_logits((2, 5, 6, 7), dtype, scale=1.0).round()
    assert_equals_plain(objective, whole, None)
    assert_equals_plain(objective, torch.zeros(2, 3, 4, 5, dtype=dtype), (9, 21))


@both_dtypes
@every_objective
@pytest.mark.parametrize("scale", [1e-6, 50.0, 1e4, 1e30])
def test_extreme_logits_equal_the_plain_form(objective, scale, dtype):
    # Every pixel by itself: between two pixels a huge margin leaves no digit to agree on.
    logits = random_logits((2, 4, 5, 6), dtype, scale)
    assert_equals_plain(objective, logits, None)
    assert_equals_plain(objective, logits[:, :, :1, :1].contiguous(), (3, 4))


@every_objective
def test_layouts_and_views_of_logits_are_equal(objective):
    logits = random_logits((2, 5, 6, 8), torch.float32)
    expected = value_and_gradient(objective, logits, (11, 13))
    wider = torch.zeros(2, 5, 6, 16)
    wider[..., ::2] = logits
    for other in (logits.to(memory_format=torch.channels_last), wider[..., ::2]):
        value, gradient = value_and_gradient(objective, other, (11, 13))
        assert torch.equal(value, expected[0])
        assert torch.equal(gradient, expected[1])


@every_objective
def test_runs_are_equal_bit_for_bit_and_without_a_gradient_the_value_is_the_same(objective):
    logits = random_logits((2, 19, 5, 9), torch.float32)
    value, gradient = value_and_gradient(objective, logits, (33, 65))
    for _ in range(3):
        again, gradient_again = value_and_gradient(objective, logits, (33, 65))
        assert torch.equal(value, again)
        assert torch.equal(gradient, gradient_again)
    with torch.no_grad():
        assert torch.equal(objective(logits, (33, 65)), value)


class LargestTensor(TorchFunctionMode):
    """The most elements of any floating-point tensor that a call of torch, forward or backward, returned."""

    elements = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        made = result if isinstance(result, tuple | list) else [result]
        sizes = [each.numel() for each in made if isinstance(each, torch.Tensor) and each.is_floating_point()]
        self.elements = max(self.elements, *sizes, 0)
        return result


@every_objective
def test_no_tensor_of_the_size_of_the_loss_is_made(objective, monkeypatch):
    monkeypatch.setattr(bands, "BAND_BYTES", 8 * 8 * 96 * 4)
    logits = random_logits((2, 8, 5, 12), torch.float32).requires_grad_()
    size = (80, 96)
    with LargestTensor() as seen:
        objective(logits, size).backward()
    # The largest: a band, one image at the network's rows and the loss's columns, a map of weights without classes
    # of both images.
    assert seen.elements <= max(8 * 8 * 96, 8 * 5 * 96, 2 * 80 * 96)
    with use_plain_form(), LargestTensor() as seen:
        objective(logits, size).backward()
    assert seen.elements >= 2 * 8 * 80 * 96


def test_what_bands_cannot_take_runs_in_the_plain_form():
    logits = random_logits((1, 3, 4, 4), torch.float32)
    assert in_bands(logits, logits)
    assert not in_bands(logits, logits.double())
    assert not in_bands(logits.to("meta"))
    for bad in (float("nan"), float("inf"), -float("inf")):
        assert not in_bands(logits.clone().index_put_((torch.tensor(0),) * 4, torch.tensor(bad)))
    assert not in_bands(torch.tensor([3e38, -3e38])[None, :, None, None])
    with use_plain_form():
        assert not in_bands(logits)
    assert in_bands(logits)
    mixed = guidance(logits, logits.double() * 2, (7, 7), 0.6)
    assert mixed.item() == pytest.approx(guidance(logits, logits * 2, (7, 7), 0.6).item(), rel=1e-6)


@pytest.mark.parametrize(("length_in", "length_out"), [(1, 1), (1, 7), (7, 1), (5, 5), (5, 6), (81, 640), (640, 81)])
@pytest.mark.parametrize("longest", [1, 8, 1000])
def test_spans_make_up_the_interpolation(length_in, length_out, longest):
    made = spans(length_in, length_out, longest, torch.float64)
    values = random_logits((3, length_in), torch.float64)
    pieces = [
        values[:, span.input] if span.weight_OI is None else values[:, span.input] @ span.weight_OI.T for span in made
    ]
    expected = torch.nn.functional.interpolate(values[None], length_out, mode="linear", align_corners=True)[0]
    torch.testing.assert_close(torch.cat(pieces, dim=1), expected, rtol=1e-13, atol=1e-13)
    assert [span.output.start for span in made] == list(range(0, length_out, longest))
    assert max(span.output.stop - span.output.start for span in made) <= longest


def test_expm1_keeps_its_digits_on_both_sides_of_the_seam():
    offset = -torch.cat([torch.zeros(1), torch.logspace(-30, 3, 20_001, dtype=torch.float64)]).float()
    offset = offset[None, :, None]
    expected = offset.double().expm1()
    made = expm1_from(BandSoftmax(offset.clone(), offset.exp(), offset, torch.empty_like(offset))).double()
    assert ((made - expected).abs() <= 1e-5 * expected.abs()).all()


@pytest.mark.parametrize("tied", [False, True])
def test_top_class_is_the_first_of_the_largest(tied):
    for classes in (1, 2, 19, 300):
        values = random_logits((3, classes, 50), torch.float32)
        values = values.round() if tied else values
        expected = [[row.index(max(row)) for row in rows.T.tolist()] for rows in values]
        assert top_class(values.clone())[:, 0].tolist() == expected

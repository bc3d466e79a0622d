"""Triton's kernels, in its interpreter, equal the plain form in float64 and are equal bit for bit from run to run.

The interpreter runs a kernel's lines one by one on the CPU and knows no types; whether they compile for a GPU is asked
of Triton's compiler, which needs no GPU.
"""

import functools
import importlib
import itertools
import os
import sys
from unittest import mock

import pytest
import tiny
import torch

from segadapt.losses import ImageWeight, cross_entropy, entropy, guidance, hard_pseudo_label, max_squares
from segadapt.losses import dispatch as form
from segadapt.losses.dispatch import in_bands, in_cells, use_cells, use_plain_form

if sys.platform != "linux":
    pytest.skip("Triton is built for Linux only", allow_module_level=True)

# Asked when a kernel is defined and again when it runs; other test files find the environment as it was.
with mock.patch.dict(os.environ, TRITON_INTERPRET="1"):
    triton_cells, triton_labelled, triton_target = (
        importlib.import_module(f"segadapt.losses.cuda.{name}") for name in ("cells", "labelled", "target")
    )


@pytest.fixture(autouse=True)
def interpreter(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")


CASES = [  # batch, classes, low resolution -> size of the loss
    ((1, 2, 2, 2), (3, 34)),  # more columns in a cell than a program looks at together
    ((3, 5, 2, 3), (3, 5)),
    ((1, 40, 3, 3), (4, 8)),
    ((2, 19, 2, 9), (4, 40)),  # more cells in a row than a program has
]
SMALL = (2, 3, 2, 3), (3, 5)
CERTAIN = 0.7


def label_at(logits, size):
    """Random labels, a fifth of them ignored, at the size of the loss."""
    generator = torch.Generator().manual_seed(3)
    label = torch.randint(0, logits.shape[1], (len(logits), *size), generator=generator)
    return label.masked_fill(torch.rand(label.shape, generator=generator) < 0.2, 255).byte()


def weight_at(logits, size):
    """Weights of the shape of the loss in [0, 1], a good part of them 0; those of the ignored pixels are no numbers."""
    label = label_at(logits, size)
    weight = torch.rand(label.shape, generator=torch.Generator().manual_seed(4)).sub(0.3).clamp(min=0)
    return weight.masked_fill(label == 255, torch.nan)


def final_head(logits):
    """The other head's logits: partly of the same opinion."""
    return (logits.flip(1) + 2 * logits.roll(1, dims=3)).detach()


OBJECTIVES = {
    "max squares": max_squares,
    "max squares whole": lambda z, size: max_squares(z, size, "paper", half=False),
    "entropy": entropy,
    "hard": lambda z, size: hard_pseudo_label(z, size, CERTAIN),
    "cross-entropy": lambda z, size: cross_entropy(z, label_at(z, size), size),
    "weighted": lambda z, size: cross_entropy(z, label_at(z, size), size, 255, weight_at(z, size)),
    "weighted over all": lambda z, size: cross_entropy(z, label_at(z, size), size, 255, weight_at(z, size), "all"),
    "over all": lambda z, size: cross_entropy(z, label_at(z, size), size, denominator="all"),
    "guidance": lambda z, size: guidance(z, final_head(z), size, CERTAIN),
    "guidance winner": lambda z, size: guidance(z, final_head(z), size, CERTAIN, "winner"),
} | {
    f"{loss.__name__} {weight.index}": functools.partial(loss, image_weight=weight)
    for loss in (max_squares, entropy)
    for weight in (ImageWeight(0.2), ImageWeight(-0.2, "class"))
}
every_objective = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES.keys())


def random_logits(shape, scale=3.0, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


def value_and_gradient(objective, logits, size):
    logits = logits.detach().requires_grad_()
    loss = objective(logits, size)
    return loss.detach(), torch.autograd.grad(loss, logits)[0]


def in_kernels(objective, logits, size):
    with use_cells():
        assert in_cells(size, logits)
        return value_and_gradient(objective, logits, size)


def assert_equals_plain(objective, logits, size):
    value, gradient = in_kernels(objective, logits, size)
    with use_plain_form():
        plain_value, plain_gradient = value_and_gradient(objective, logits.double(), size)
    assert value.dtype == gradient.dtype == torch.float32
    assert abs(value - plain_value) <= 1e-6 * abs(plain_value)
    assert (gradient - plain_gradient).abs().max() <= 1e-5 * plain_gradient.abs().max()


@every_objective
@pytest.mark.parametrize(("shape", "size"), CASES, ids=str)
def test_kernels_equal_the_plain_form(objective, shape, size):
    assert_equals_plain(objective, random_logits(shape), size)


@every_objective
def test_ties_equal_the_plain_form(objective):
    once = random_logits((1, 2, 2, 2))
    assert_equals_plain(objective, torch.cat([once, once.flip(1)], dim=1), (3, 4))
    assert_equals_plain(objective, torch.zeros(1, 3, 2, 2), (3, 3))


@every_objective
@pytest.mark.parametrize("scale", [1e-5, 20.0])
def test_extreme_logits_equal_the_plain_form(objective, scale):
    # Of one value everywhere: between two pixels a huge margin leaves no digit to agree on.
    assert_equals_plain(objective, random_logits((2, 4, 1, 1), scale).expand(2, 4, 2, 2).contiguous(), (3, 4))


@every_objective
def test_runs_and_layouts_are_equal_bit_for_bit(objective):
    shape, size = SMALL
    logits = random_logits(shape)
    value, gradient = in_kernels(objective, logits, size)
    again, gradient_again = in_kernels(objective, logits.to(memory_format=torch.channels_last), size)
    assert torch.equal(again, value)
    assert torch.equal(gradient_again, gradient)
    with torch.no_grad(), use_cells():
        assert torch.equal(objective(logits, size), value)


def test_views_of_logits_are_equal_bit_for_bit():
    shape, size = SMALL
    logits = random_logits(shape)
    wider = torch.zeros(*shape[:3], 2 * shape[3])
    wider[..., ::2] = logits
    for mine, plain in zip(
        in_kernels(max_squares, wider[..., ::2], size), in_kernels(max_squares, logits, size), strict=True
    ):
        assert torch.equal(mine, plain)


@every_objective
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_a_number_reaches_the_loss(objective, bad):
    logits = random_logits((1, 3, 2, 2))
    logits[0, 1, 1, 1] = bad
    with use_cells():
        assert objective(logits, (3, 3)).isnan()


def test_labels_that_do_not_count_and_labels_that_are_none():
    shape, size = SMALL
    logits = random_logits(shape)
    ignored = torch.full((shape[0], *size), -1)
    losses = {
        "all ignored": lambda z, size: cross_entropy(z, ignored, size, ignore_index=-1),
        "all ignored of all": lambda z, size: cross_entropy(z, ignored, size, -1, weight_at(z, size), "all"),
        "no weight": lambda z, size: cross_entropy(z, label_at(z, size), size, 255, torch.zeros(len(z), *size)),
        "none certain": lambda z, size: guidance(z * 1e-3, z * 1e-3, size),
        "none certain alone": lambda z, size: hard_pseudo_label(z * 1e-3, size),
    }
    for objective in losses.values():
        value, gradient = in_kernels(objective, logits, size)
        assert value == 0
        assert not gradient.any()
    for foreign in (3, 254, -2):
        label = torch.zeros((shape[0], *size), dtype=torch.int64)
        label[1, 2, 4] = foreign
        with use_cells():
            assert cross_entropy(logits, label, size).isnan()


def test_half_precision_is_widened_first():
    shape, size = SMALL
    logits = random_logits(shape).bfloat16()
    value, gradient = value_and_gradient(max_squares, logits, size)
    with use_cells():
        mine, mine_gradient = value_and_gradient(max_squares, logits, size)
    assert mine == pytest.approx(value.item(), rel=1e-6)
    assert torch.allclose(mine_gradient.float(), gradient.float(), rtol=1e-2)


def test_memory_stays_below_30_mib_at_the_papers_size():
    grid = triton_cells.CellGrid(1, 19, (81, 161), (640, 1280))
    places = [grid.empty_corners(torch.device("meta"))]
    places += [grid.empty(19, dtype=torch.int32, device="meta"), grid.empty(dtype=torch.float32, device="meta")]
    assert sum(each.nbytes for each in places) < 5 * 2**20
    assert grid.constants["CHUNKS"] == 1
    assert grid.constants["ROWS"] == grid.constants["COLUMNS"] == 8


@pytest.mark.parametrize("low", [2, 3, 5, 81])
@pytest.mark.parametrize("extra", [1, 2, 7, 559])
def test_every_pixel_lies_in_one_cell(low, extra):
    length = low + extra
    first = [-(-cell * (length - 1) // (low - 1)) for cell in range(low - 1)] + [length]
    sizes = [end - start for start, end in itertools.pairwise(first)]
    assert sum(sizes) == length
    assert min(sizes) >= 1
    assert max(sizes) <= triton_cells._most(low, length)


def test_a_cpu_takes_bands_though_triton_is_there():
    logits = random_logits(SMALL[0])
    assert importlib.util.find_spec("triton")
    assert in_bands(logits)
    assert not in_cells(SMALL[1], logits)
    with mock.patch.object(triton_target, "target_in_cells", side_effect=AssertionError):
        max_squares(logits, SMALL[1])


def test_what_kernels_cannot_take_runs_otherwise():
    logits = random_logits((1, 3, 4, 5))
    with use_cells():
        assert in_cells((5, 6), logits, logits)
        for size in ((4, 5), (4, 9), (9, 5), (3, 3)):
            assert not in_cells(size, logits)
        assert not in_cells((5, 6), logits.double())
        assert not in_cells((5, 6), logits, logits[:, :, 1:])
        assert not in_cells((5, 6), logits[:, :, :1])
        assert not in_cells((5, 6), torch.zeros(1, 65, 3, 3))
        assert max_squares(logits.double(), (5, 6)).dtype == torch.float64


@pytest.mark.parametrize(
    ("device", "capability", "installed", "expected"),
    [
        ("cuda", (9, 0), True, True),
        ("cuda", (6, 1), True, False),
        ("cuda", (9, 0), False, False),
        ("cpu", (9, 0), True, False),
    ],
)
def test_kernels_need_a_device_that_triton_knows(device, capability, installed, expected, monkeypatch):
    form._has_triton.cache_clear()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if installed else None)
    assert form._has_triton(torch.device(device)) is expected
    form._has_triton.cache_clear()


def test_segadapt_imports_without_triton(tmp_path):
    program = "import sys; sys.modules['triton'] = None; import segadapt.losses, torch\n"
    program += "print(segadapt.losses.max_squares(torch.zeros(1, 2, 2, 2), (4, 4)).item())"
    assert tiny.call(tmp_path, sys.executable, "-c", program).stdout == "-0.125\n"


def test_kernels_compile_for_a_gpu(tmp_path):
    script = tiny.REPOSITORY / "tests" / "compile_kernels.py"
    made = tiny.call(
        tmp_path, "env", "-u", "TRITON_INTERPRET", f"TRITON_CACHE_DIR={tmp_path}", sys.executable, str(script)
    ).stdout
    assert len(made.splitlines()) == 13, made

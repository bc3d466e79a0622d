"""The labels by cells are those of the plain form, whatever the logits, and the counts of pairs those of a loop."""

import numpy
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segadapt.core.errors import UserError
from segadapt.core.scoring_mode import ScoringMode
from segadapt.evaluation import cells, evaluate, evaluator, pairs, predict, predict_labels
from segadapt.evaluation.cell_grid import CellGrid, cell_grid, upsample_plane
from segadapt.evaluation.cells import labels_by_cells
from segadapt.evaluation.evaluator import Sample
from segadapt.evaluation.pairs import count_pairs
from segadapt.evaluation.predict import plain_labels

SIZES = st.tuples(st.integers(1, 24), st.integers(1, 24), st.integers(1, 170), st.integers(1, 170))
KINDS = ["smooth", "noise", "bfloat16", "integers", "twins", "constant", "zero", "huge", "offset", "tiny"]


def draw_logits(kind, num_classes, low, seed):
    """float32 (C, h, w)."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, num_classes, -(-low[0] // 5) + 1, -(-low[1] // 5) + 1, generator=random) * 5
    smooth = F.interpolate(coarse, low, mode="bicubic", align_corners=True)[0]
    smooth += 0.3 * torch.randn(smooth.shape, generator=random)
    return {
        "smooth": lambda: smooth,
        "noise": lambda: torch.randn(smooth.shape, generator=random),
        "bfloat16": lambda: smooth.bfloat16().float(),
        "integers": lambda: smooth.round(),
        "twins": lambda: smooth[torch.arange(num_classes) // 2],
        "constant": lambda: smooth[:, :1, :1].expand_as(smooth).clone(),
        "zero": lambda: torch.zeros_like(smooth),
        "huge": lambda: smooth * 1e37,
        "offset": lambda: smooth + 1e6,
        "tiny": lambda: smooth * 1e-40,
    }[kind]()


@settings(max_examples=150, deadline=None)
@given(SIZES, st.integers(2, 40), st.sampled_from(KINDS), st.integers(0, 99))
@example((13, 25, 103, 197), 19, "smooth", 0)
@example((1, 25, 103, 197), 19, "smooth", 0)
@example((13, 1, 103, 1), 19, "smooth", 0)
@example((17, 33, 128, 256), 19, "bfloat16", 0)
@example((17, 33, 128, 256), 2, "integers", 1)
def test_labels_by_cells_are_the_plain_ones(sizes, num_classes, kind, seed):
    low, size = sizes[:2], sizes[2:]
    logits_CHW = draw_logits(kind, num_classes, low, seed)
    expected_HW = plain_labels(logits_CHW, size)
    grid = cell_grid(low, size, torch.float32)
    label_HW = None if grid is None else labels_by_cells(logits_CHW, grid)
    assert label_HW is None or torch.equal(label_HW, expected_HW)
    assert torch.equal(predict_labels(logits_CHW[None], size)[0], expected_HW)


@pytest.mark.parametrize("kind", ["smooth", "bfloat16", "constant"])
@pytest.mark.parametrize("size", [(200, 391), (201, 400), (193, 385)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_smooth_logits_are_labelled_by_cells(kind, size, dtype):
    """The form is used, not only harmless: no ``None``."""
    logits_CHW = draw_logits(kind, 19, (25, 49), 3).to(dtype)
    label_HW = labels_by_cells(logits_CHW, cell_grid((25, 49), size, dtype))
    assert torch.equal(label_HW, plain_labels(logits_CHW, size))


@pytest.mark.parametrize("chunk", [1, 1000])
def test_the_size_of_a_chunk_does_not_matter(chunk, monkeypatch):
    monkeypatch.setattr(cells, "_CHUNK", chunk)
    logits_CHW = draw_logits("bfloat16", 19, (9, 17), 4)
    label_HW = labels_by_cells(logits_CHW, cell_grid((9, 17), (100, 200), torch.float32))
    assert torch.equal(label_HW, plain_labels(logits_CHW, (100, 200)))


def test_pixels_on_a_tie_are_decided_by_interpolate():
    """Two classes cross along the diagonal to within rounding: half of its pixels go to each, as interpolate has it."""
    row_H1, column_1W = torch.arange(17.0)[:, None], torch.arange(33.0)[None]
    first_HW = (0.1 * row_H1 + 0.3 * column_1W).expand(17, 33)
    logits_CHW = torch.stack([first_HW, first_HW + 1e-7 * torch.sin(40 * first_HW), first_HW - 5])
    size = 131, 261
    grid = cell_grid((17, 33), size, torch.float32)
    row_N, column_N = (each.flatten() for each in torch.meshgrid(*map(torch.arange, size), indexing="ij"))
    expected_HW = plain_labels(logits_CHW, size)
    assert len(expected_HW.unique()) == 2
    label_HW = torch.zeros(size, dtype=torch.uint8)
    for part in torch.arange(len(row_N)).split(1000):
        pixel_N = row_N[part] * size[1] + column_N[part]
        assert cells._decide(label_HW, logits_CHW, grid, pixel_N) is label_HW
    assert torch.equal(label_HW, expected_HW)


@pytest.mark.parametrize(("low", "size"), [((5, 9), (97, 65)), ((13, 25), (104, 200)), ((30, 7), (64, 131))])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_grid_gives_interpolates_bits(low, size, dtype):
    grid = cell_grid(low, size, dtype)
    plane_HW = torch.randn(low, generator=torch.Generator().manual_seed(5), dtype=dtype)
    row_N, column_N = (each.flatten() for each in torch.meshgrid(*map(torch.arange, size), indexing="ij"))
    corners_22N = grid.corners(plane_HW[None], row_N, column_N)[:, :, 0]
    whole_N = upsample_plane(plane_HW, size).flatten()
    for part in torch.arange(len(row_N)).split(500):
        exact_N = grid.exact(corners_22N[:, :, part], row_N[part], column_N[part])
        assert torch.equal(exact_N, whole_N[part])
    near_N = grid.weighted(corners_22N, row_N, column_N)
    torch.testing.assert_close(near_N, whole_N, rtol=0, atol=16 * torch.finfo(dtype).eps)


def test_no_grid_where_interpolate_rounds_otherwise(monkeypatch):
    monkeypatch.setattr(CellGrid, "exact", lambda grid, *arguments: grid.weighted(*arguments) * (1 + 1e-7))
    assert cell_grid.__wrapped__((9, 17), (100, 200), torch.float32) is None
    monkeypatch.undo()
    assert cell_grid.__wrapped__((9, 17), (100, 200), torch.float32) is not None
    assert cell_grid.__wrapped__((90, 17), (40, 200), torch.float32) is None, "cells without a pixel"


def test_a_batch_is_its_images_and_the_layout_does_not_matter():
    logits_BCHW = torch.stack([draw_logits("smooth", 19, (25, 49), seed) for seed in range(3)])
    expected_BHW = torch.stack([plain_labels(each, (200, 391)) for each in logits_BCHW])
    assert torch.equal(predict_labels(logits_BCHW, (200, 391)), expected_BHW)
    assert torch.equal(predict_labels(logits_BCHW.to(memory_format=torch.channels_last), (200, 391)), expected_BHW)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 255), st.integers(0, 300), st.sampled_from(["any", "ignored", "one class"]), st.integers(0, 99))
@example(127, 300, "any", 0)
@example(128, 300, "any", 0)
@example(129, 300, "any", 0)
def test_pairs_are_those_of_a_loop(num_classes, pixels, kind, seed):
    random = numpy.random.default_rng(seed)
    label = random.integers(0, 256, pixels)
    label = {"any": label, "ignored": 0 * label + 255, "one class": 0 * label + num_classes - 1}[kind]
    prediction = random.integers(0, num_classes, pixels)
    expected = numpy.zeros((256, num_classes), int)
    for pair in zip(label, prediction, strict=True):
        expected[pair] += 1
    bytes_of = [torch.from_numpy(each.astype(numpy.uint8)) for each in (label, prediction)]
    counts = count_pairs(*bytes_of, num_classes)
    assert counts.dtype == torch.int64
    numpy.testing.assert_array_equal(counts.numpy(), expected)


def samples(count=5, broken=None):
    random = numpy.random.default_rng(6)
    for index in range(count):
        label_HW = random.integers(0, 5, (40, 60)).astype(numpy.uint8)
        label_HW[: 8 * index] = 255
        if index == broken:
            label_HW[-1, -1] = 9
        yield Sample(
            f"street {index}", numpy.full((8, 12, 3), index, numpy.uint8), label_HW, label_HW.repeat(2, axis=1)
        )


def fake_predict(image_HWC):
    return draw_logits("smooth", 5, (5, 7), int(image_HWC[0, 0, 0]))[None]


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """What is done on a GPU, done on a CPU."""
    for module in (predict, evaluator, pairs):
        monkeypatch.setattr(module, "on_host", lambda tensor: False)


def test_a_gpu_is_not_waited_for():
    """On the device "meta" nothing has a value: whoever looks at one is refused."""
    counts = evaluator.MatrixCounts(5)
    for sample in samples():
        logits_1CHW = fake_predict(sample.image_HWC).to("meta")
        prediction_HW = predict.unchecked_labels(logits_1CHW, sample.label_native_HW.shape)[0]
        finite = torch.isfinite(logits_1CHW).all()
        counts.add(sample.name, ScoringMode("native"), sample.label_native_HW, prediction_HW, finite)
    with pytest.raises((RuntimeError, NotImplementedError)):
        counts.check()
    with pytest.raises((RuntimeError, NotImplementedError)):
        predict_labels(logits_1CHW, (40, 60))


def test_whole_evaluations_are_the_same(as_on_a_gpu, monkeypatch):
    one = evaluate(fake_predict, samples(), 5)
    monkeypatch.undo()
    other = evaluate(fake_predict, samples(), 5)
    assert one.matrix().dtype == numpy.int64 and one.matrix().sum() > 0
    for mode, matrices_NCC in one.statistics.items():
        numpy.testing.assert_array_equal(matrices_NCC, other.statistics[mode])


@pytest.mark.parametrize("every", [1, 3, 1000])
def test_a_fault_that_is_seen_late_names_its_image(as_on_a_gpu, monkeypatch, every):
    monkeypatch.setattr(evaluator, "CHECK_EVERY", every)
    with pytest.raises(UserError, match="image street 2: label value 9 is outside"):
        evaluate(fake_predict, samples(broken=2), 5)

    def diverged(image_HWC):
        logits_1CHW = fake_predict(image_HWC)
        logits_1CHW[0, 0, 0, 0] = torch.nan if image_HWC[0, 0, 0] == 3 else 0
        return logits_1CHW

    with pytest.raises(UserError, match="image street 3: the model's logits hold a value that is not finite"):
        evaluate(diverged, samples(), 5)

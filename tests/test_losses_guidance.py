"""Multi-level self-produced guidance against plain loops over pixels."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segadapt.losses import guidance

pytestmark = pytest.mark.usefixtures("both_forms")


def softmax(column):
    raised = [math.exp(each - max(column)) for each in column]
    return [each / sum(raised) for each in raised]


def naive_labels(low, final, threshold, mask):
    """Per pixel the pseudo-label, or None where neither map is sure; lists over images, rows, columns."""
    labels = torch.full((low.shape[0], *low.shape[2:]), -1).tolist()
    for b, rows in enumerate(labels):
        for y, row in enumerate(rows):
            for x in range(len(row)):
                p_low, p_final = softmax(low[b, :, y, x].tolist()), softmax(final[b, :, y, x].tolist())
                average = [(one + two) / 2 for one, two in zip(p_low, p_final, strict=True)]
                winner = average.index(max(average))
                sure = (max(p_low), max(p_final)) if mask == "own" else (p_low[winner], p_final[winner])
                row[x] = winner if max(sure) > threshold else None
    return labels


def naive_guidance(low, final, threshold, mask):
    labels = naive_labels(low.detach(), final, threshold, mask)
    terms = [
        -low[b, :, y, x].log_softmax(0)[label]
        for b, rows in enumerate(labels)
        for y, row in enumerate(rows)
        for x, label in enumerate(row)
        if label is not None
    ]
    return (torch.stack(terms).mean() if terms else low.sum() * 0), len(terms)


def heads(batch, seed, scale=3.0, side=6):
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, 4, side, side)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) * scale for _ in range(2)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("mask", ["own", "winner"])
@pytest.mark.parametrize("threshold", [0.3, 0.8, 0.95])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_value_and_gradient_match_loops(batch, threshold, mask, dtype):
    low, final = (head.to(dtype) for head in heads(batch, seed=batch))
    truth = low.double().requires_grad_()
    expected, kept = naive_guidance(truth, final.double(), threshold, mask)
    assert kept > 0
    assert threshold == 0.3 or kept < low[:, 0].numel()
    low.requires_grad_()
    final.requires_grad_()
    loss = guidance(low, final, threshold=threshold, mask=mask)
    loss.backward()
    (expected_gradient,) = torch.autograd.grad(expected, truth)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    assert loss.item() == pytest.approx(expected.item(), rel=tolerance / 10)
    assert (low.grad - expected_gradient).abs().max() <= tolerance * expected_gradient.abs().max()
    assert final.grad is None


def test_upsampling_comes_before_the_soft_max():
    low, final = heads(2, seed=9, side=3)
    big_low, big_final = (
        torch.nn.functional.interpolate(head, (7, 10), mode="bilinear", align_corners=True) for head in (low, final)
    )
    expected, _ = naive_guidance(big_low, big_final, 0.7, "own")
    assert guidance(low, final, (7, 10), 0.7).item() == pytest.approx(expected.item(), rel=1e-12)


def test_heads_of_different_resolution_meet_at_the_size():
    low, final = heads(1, seed=4)
    loss = guidance(low, final[:, :, :3, :2], size=(6, 6), threshold=0.5)
    big = torch.nn.functional.interpolate(final[:, :, :3, :2], (6, 6), mode="bilinear", align_corners=True)
    assert loss.item() == pytest.approx(naive_guidance(low, big, 0.5, "own")[0].item(), rel=1e-12)


def test_the_two_masks_differ_where_the_heads_disagree():
    """Probabilities (.6, .4, 0) and (0, .4, .6): class 1 wins at .4 in each map, each map's own best is .6."""
    low = torch.tensor([0.6, 0.4, 1e-9], dtype=torch.float64).log()[None, :, None, None]
    final = torch.tensor([1e-9, 0.4, 0.6], dtype=torch.float64).log()[None, :, None, None]
    assert guidance(low, final, threshold=0.5, mask="own").item() == pytest.approx(-math.log(0.4), rel=1e-7)
    assert guidance(low, final, threshold=0.5, mask="winner").item() == 0
    assert guidance(low, final, threshold=0.3, mask="winner").item() == pytest.approx(-math.log(0.4), rel=1e-7)


def test_either_head_alone_can_keep_a_pixel():
    sure, unsure = (torch.tensor(each)[None, :, None, None] for each in ([9.0, 0.0], [0.5, 0.0]))
    for low, final, kept in ((sure, unsure, True), (unsure, sure, True), (unsure, unsure, False)):
        for mask in ("own", "winner"):
            assert (guidance(low, final, mask=mask).item() > 0) == kept


def test_the_threshold_is_strict():
    half = torch.zeros(1, 2, 1, 1, dtype=torch.float64)
    assert guidance(half, half, threshold=0.5).item() == 0
    assert guidance(half, half, threshold=0.499).item() == pytest.approx(math.log(2))


def test_nothing_kept_is_zero_with_a_zero_gradient():
    low, final = heads(2, seed=1, scale=0.1)
    low.requires_grad_()
    loss = guidance(low, final)
    assert loss.item() == 0
    loss.backward()
    assert low.grad.abs().max() == 0


def test_the_mean_runs_over_the_pixels_of_all_images():
    """One kept pixel in the first image and four in the second weigh the same each."""
    low, final = heads(2, seed=2, scale=0.5, side=2)
    final[0, 1, 0, 0] = 30.0
    final[1, 2] = 30.0
    expected, kept = naive_guidance(low, final, 0.95, "own")
    assert kept == 5
    assert guidance(low, final).item() == pytest.approx(expected.item(), rel=1e-12)


def test_a_tied_ensemble_takes_the_first_class():
    low = torch.tensor([1.0, 1.0, -40.0], dtype=torch.float64)[None, :, None, None].requires_grad_()
    loss = guidance(low, low.detach(), threshold=0.4)
    loss.backward()
    assert low.grad.flatten().tolist() == pytest.approx([-0.5, 0.5, 0.0], abs=1e-12)


@settings(max_examples=60)
@given(
    low=st.lists(st.floats(-30, 30), min_size=3, max_size=3),
    final=st.lists(st.floats(-30, 30), min_size=3, max_size=3),
    threshold=st.floats(0.05, 0.99),
)
def test_winner_keeps_no_pixel_that_own_drops(low, final, threshold):
    low_BCHW, final_BCHW = (torch.tensor(each, dtype=torch.float64)[None, :, None, None] for each in (low, final))
    own, winner = (guidance(low_BCHW, final_BCHW, threshold=threshold, mask=mask).item() for mask in ("own", "winner"))
    assert own >= 0
    assert winner == 0 or winner == own

"""Figure 2's probabilities: every pixel counted once, as a loop over pixels would."""

import numpy
import pytest
import torch

from segadapt.core.errors import UserError
from segadapt.evaluation.measures.confidence import ClassConfidence

C = 5


def images(count: int, seed: int = 0):
    """Logits at a quarter of the labels' size, and labels with ignored pixels; class 4 is never labelled."""
    generator = torch.Generator().manual_seed(seed)
    random = numpy.random.default_rng(seed)
    for _ in range(count):
        logits = 4 * torch.randn(1, C, 4, 6, generator=generator)
        logits[:, 3] -= 100  # never predicted
        yield logits, random.choice([0, 1, 2, 3, 255], (13, 21)).astype(numpy.uint8)


def naive(pairs):
    """Both means by definition: bilinear weights, softmax and sums pixel by pixel, in float64."""
    sums, counts = numpy.zeros((2, C)), numpy.zeros((2, C))
    for logits, label in pairs:
        grid = logits[0].double().numpy()
        for y in range(label.shape[0]):
            for x in range(label.shape[1]):
                v, u = y * (grid.shape[1] - 1) / (label.shape[0] - 1), x * (grid.shape[2] - 1) / (label.shape[1] - 1)
                top, left = min(int(v), grid.shape[1] - 2), min(int(u), grid.shape[2] - 2)
                down, right = v - top, u - left
                z = (1 - down) * ((1 - right) * grid[:, top, left] + right * grid[:, top, left + 1])
                z += down * ((1 - right) * grid[:, top + 1, left] + right * grid[:, top + 1, left + 1])
                p = numpy.exp(z - z.max()) / numpy.exp(z - z.max()).sum()
                if label[y, x] == 255:
                    continue
                for reading, c in enumerate((int(p.argmax()), int(label[y, x]))):
                    sums[reading, c] += p[c]
                    counts[reading, c] += 1
    with numpy.errstate(invalid="ignore"):
        return sums / counts


def test_means_are_those_of_a_loop_over_pixels():
    pairs = list(images(3))
    found = ClassConfidence(C)
    for logits, label in pairs:
        found.update(logits, label)
    predicted, labelled = naive(pairs)
    numpy.testing.assert_allclose(found.means().predicted_C, predicted, rtol=1e-5)
    numpy.testing.assert_allclose(found.means().labelled_C, labelled, rtol=1e-5, atol=1e-12)
    assert numpy.isnan(predicted).tolist() == [False, False, False, True, False]
    assert numpy.isnan(labelled).tolist() == [False, False, False, False, True]


def test_an_image_without_labels_adds_nothing():
    found = ClassConfidence(C)
    found.update(next(images(1))[0], numpy.full((9, 9), 255, numpy.uint8))
    assert numpy.isnan(found.means().predicted_C).all() and numpy.isnan(found.means().labelled_C).all()


@pytest.mark.parametrize(
    ("channels", "value", "label", "message"),
    [(4, 0.0, 0, "logits of shape"), (C, float("nan"), 0, "not finite"), (C, 0.0, C, "label value 5 is outside")],
)
def test_what_does_not_fit_is_refused(channels, value, label, message):
    with pytest.raises(UserError, match=message):
        ClassConfidence(C).update(torch.full((1, channels, 2, 2), value), numpy.full((4, 4), label, numpy.uint8))

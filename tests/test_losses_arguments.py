"""Bad arguments of the losses are refused with a sentence that names the argument."""

import dataclasses
import math

import pytest
import torch

from segadapt.core.errors import UserError
from segadapt.losses import ImageWeight, cross_entropy, entropy, guidance, max_squares

LOGITS = torch.zeros(2, 3, 4, 4)
LABEL = torch.zeros(2, 4, 4, dtype=torch.long)
EVERY_LOSS = [
    max_squares,
    entropy,
    lambda z, size=None: cross_entropy(z, LABEL, size),
    lambda z, size=None: guidance(z, LOGITS, size),
    lambda z, size=None: guidance(LOGITS, z, size),
]
every_loss = pytest.mark.parametrize("loss", EVERY_LOSS, ids=["max_squares", "entropy", "ce", "low", "final"])


@every_loss
@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 2, 3, 4, 4), (2, 0, 4, 4), (0, 3, 4, 4), (2, 3, 0, 4)])
def test_logits_of_a_wrong_shape(loss, shape):
    with pytest.raises(UserError, match=r"logits\w* has shape"):
        loss(torch.zeros(shape))


@every_loss
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.complex64])
def test_logits_of_a_wrong_type(loss, dtype):
    with pytest.raises(UserError, match="dtype"):
        loss(torch.zeros(2, 3, 4, 4, dtype=dtype))


@every_loss
@pytest.mark.parametrize("size", [(4,), (4, 4, 4), (0, 4), (4, -1), (4.0, 4), (True, 4)])
def test_impossible_sizes(loss, size):
    with pytest.raises(UserError, match="size is"):
        loss(LOGITS, size=size)


@pytest.mark.parametrize("loss", [max_squares, entropy])
def test_unknown_normalisation_and_foreign_weights(loss):
    with pytest.raises(UserError, match="normalisation is 'mean'"):
        loss(LOGITS, normalisation="mean")
    with pytest.raises(UserError, match=r"image_weight is 0\.2"):
        loss(LOGITS, image_weight=0.2)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"alpha": math.nan}, "alpha"),
        ({"alpha": math.inf}, "alpha"),
        ({"alpha": 1.5}, "alpha"),
        ({"alpha": "0.2"}, "alpha"),
        ({"alpha": True}, "alpha"),
        ({"index": "batch"}, "index"),
        ({"half": 1}, "half"),
    ],
)
def test_image_weight_refuses(arguments, name):
    with pytest.raises(UserError, match=rf"ImageWeight\.{name}"):
        ImageWeight(**arguments)


def test_image_weight_is_frozen_and_takes_a_negative_alpha():
    weight = ImageWeight(alpha=-0.2)
    assert weight == ImageWeight(-0.2, "pixel", False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        weight.alpha = 0.2
    assert ImageWeight().alpha == 0.2


@pytest.mark.parametrize("shape", [(2, 4, 5), (1, 4, 4), (2, 1, 4, 4), (4, 4)])
def test_labels_of_a_wrong_shape(shape):
    with pytest.raises(UserError, match="label_BHW has shape"):
        cross_entropy(LOGITS, torch.zeros(shape, dtype=torch.long))
    with pytest.raises(UserError, match=r"defined at \(2, 8, 8\)"):
        cross_entropy(LOGITS, LABEL, size=(8, 8))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.complex64])
def test_labels_of_a_wrong_type(dtype):
    with pytest.raises(UserError, match="label_BHW has dtype"):
        cross_entropy(LOGITS, LABEL.to(dtype))


@pytest.mark.parametrize("weight", [torch.ones(4, 4), torch.ones(2, 4, 4).long(), torch.ones(2, 4, 4).bool()])
def test_pixel_weights_that_do_not_fit(weight):
    with pytest.raises(UserError, match=r"pixel_weight_BHW is .* give a float for each pixel of the labels, \(2, 4, 4"):
        cross_entropy(LOGITS, LABEL, pixel_weight_BHW=weight)


def test_unknown_denominator():
    with pytest.raises(UserError, match='denominator is \'batch\'; give "valid" or "all"'):
        cross_entropy(LOGITS, LABEL, denominator="batch")


@pytest.mark.parametrize("foreign", [-1, 3, 254, -100])
def test_a_foreign_label_never_trains(foreign):
    label = LABEL.clone()
    label[1, 2, 3] = foreign
    with pytest.raises(UserError, match=f"the id {foreign}"):
        cross_entropy(LOGITS.clone().requires_grad_(), label)


def test_heads_that_do_not_belong_together():
    for final in (torch.zeros(1, 3, 4, 4), torch.zeros(2, 4, 4, 4)):
        with pytest.raises(UserError, match="batch and classes"):
            guidance(LOGITS, final)
    with pytest.raises(UserError, match="height and width"):
        guidance(LOGITS, torch.zeros(2, 3, 2, 4))


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.5, 1.5, math.nan, True, "0.9"])
def test_thresholds_that_are_no_probability(threshold):
    with pytest.raises(UserError, match="threshold is"):
        guidance(LOGITS, LOGITS, threshold=threshold)


def test_unknown_mask():
    with pytest.raises(UserError, match="mask is 'both'"):
        guidance(LOGITS, LOGITS, mask="both")

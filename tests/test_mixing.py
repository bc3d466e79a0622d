"""What teacher methods are made of, each against an independent form written out in float64."""

import colorsys
import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from segadapt.core.errors import UserError
from segadapt.data.batches.batch import Batch
from segadapt.data.batches.colour_jitter import Jitter, colour_jitter, draw_jitter
from segadapt.data.batches.strong_augmentation import StrongAugmentation, gaussian_blur, strongly_augmented
from segadapt.losses.dispatch import use_plain_form
from segadapt.losses.likeliest import likeliest
from segadapt.methods import Prediction
from segadapt.methods.mixing.blocks import draw_blocks, masked
from segadapt.methods.mixing.class_mix import class_mix, draw_scores, pasted_pixels
from segadapt.methods.mixing.teacher import Teacher, alpha_at, pseudo_labels
from segadapt.models import BatchNormPolicy, deeplabv2, initialise, to_input
from segadapt.models.input import INPUT_CONVENTIONS, mean_colour

CHANGES = ("brightness", "contrast", "saturation", "hue")


def images(seed: int, *shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


# --- the teacher ----------------------------------------------------------------------------------


def test_alpha_has_the_published_values():
    for step, expected in (
        (0, 0),
        (1, 0.5),
        (2, 0.6667),
        (10, 0.90909),
        (500, 0.998004),
        (998, 0.998999),
        (999, 0.999),
    ):
        assert alpha_at(step, 0.999) == pytest.approx(expected, abs=5e-6 if step != 2 else 5e-5)
    assert alpha_at(98, 0.99) == pytest.approx(0.98990, abs=5e-6) and alpha_at(99, 0.99) == 0.99
    assert alpha_at(10**6, 0.99) == 0.99 and alpha_at(10**6, 0.999) == 0.999 and alpha_at(5, 0.0) == 0


def walk(teacher: Teacher, model: torch.nn.Module, steps: range) -> list[dict[str, np.ndarray]]:
    """Lets the teacher follow a network that moves; the networks in float64."""
    seen = []
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
        teacher.follow(model, step)
        seen.append({name: each.detach().double().numpy().copy() for name, each in model.named_parameters()})
    return seen


def test_a_teacher_is_the_running_mean_and_below_the_cap_the_plain_one():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    teacher = Teacher(copy.deepcopy(model), 0.9, BatchNormPolicy())
    seen = walk(teacher, model, range(8))
    for name, mine in teacher.network.named_parameters():
        np.testing.assert_allclose(mine.numpy(), np.mean([each[name] for each in seen], axis=0), rtol=1e-4, atol=1e-6)
    kept = {name: each.double().numpy().copy() for name, each in teacher.network.named_parameters()}
    for step, each in enumerate(walk(teacher, model, range(8, 40)), 8):
        share = min(1 - 1 / (step + 1), 0.9)
        kept = {name: share * kept[name] + (1 - share) * each[name] for name in kept}
    for name, mine in teacher.network.named_parameters():
        np.testing.assert_allclose(mine.numpy(), kept[name], rtol=1e-4, atol=1e-6)


def test_a_teacher_has_statistics_of_its_own_drops_nothing_and_learns_nothing():
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4), torch.nn.Dropout2d(0.5), torch.nn.Dropout(0.5)
    )
    teacher, image = Teacher(model, 0.9, BatchNormPolicy()), torch.randn(2, 3, 5, 5)
    one, other = teacher.network(image), teacher.network(image)
    assert torch.equal(one, other) and not one.requires_grad
    assert teacher.network[1].num_batches_tracked == 2 and model[1].num_batches_tracked == 0
    running = teacher.network[1].running_mean.clone()
    teacher.follow(model, 3)
    assert torch.equal(teacher.network[1].running_mean, running) and model[0].weight.requires_grad
    frozen = Teacher(model, 0.9, BatchNormPolicy(batch_statistics=False, update_running=False))
    frozen.network(image)
    assert frozen.network[1].num_batches_tracked == 0 and not frozen.network[1].training


def test_a_teacher_of_another_network_is_refused():
    teacher = Teacher(torch.nn.Linear(3, 4), 0.9, BatchNormPolicy())
    for other, words in (
        (torch.nn.Linear(3, 5), r"weight of .*\(4, 3\) and \(5, 3\)"),
        (torch.nn.ReLU(), "not there"),
    ):
        with pytest.raises(UserError, match=words):
            teacher.follow(other, 0)


@pytest.mark.parametrize("by_image", [False, True])
@pytest.mark.parametrize("margins", [(0, 0), (2, 3), (4, 0)])
def test_pseudo_labels_are_the_likeliest_classes_by_the_share_of_sure_pixels(by_image, margins):
    logits = 3 * torch.randn(3, 5, 4, 6, generator=torch.Generator().manual_seed(1))
    found = pseudo_labels(Prediction(logits, None), (9, 11), 0.7, by_image, margins)
    wide = F.interpolate(logits.double(), (9, 11), mode="bilinear", align_corners=True)
    probability, label = wide.softmax(1).max(1)
    shares = [(each >= 0.7).double().mean().item() for each in probability]
    assert 0 < min(shares) < max(shares) < 1
    assert torch.equal(found.label_BHW.long(), label) and found.label_BHW.dtype == torch.uint8
    assert found.sure_share.item() == pytest.approx(np.mean(shares), rel=1e-6)
    for image in range(3):
        for row in range(9):
            outside = row < margins[0] or row >= 9 - margins[1]
            wanted = 0 if outside else shares[image] if by_image else np.mean(shares)
            assert found.weight_BHW[image, row].tolist() == pytest.approx([wanted] * 11, rel=1e-6)


@given(
    height=st.integers(1, 40), width=st.integers(1, 70), classes=st.integers(1, 21), double=st.booleans(),
    levels=st.sampled_from([2, 1000]), seed=st.integers(0, 99),
)  # fmt: skip
def test_the_likeliest_class_is_the_first_of_the_largest_probability(height, width, classes, double, levels, seed):
    generator, dtype = torch.Generator().manual_seed(seed), torch.float64 if double else torch.float32
    logits = torch.randint(0, levels, (2, classes, 5, 8), generator=generator).to(dtype) * (4 / levels)
    label, probability = likeliest(logits, (height, width))
    with use_plain_form():
        plain = likeliest(logits, (height, width))
    wide = F.interpolate(logits.double(), (height, width), mode="bilinear", align_corners=True).softmax(1)
    for each, its in ((label, probability), plain):
        assert each.dtype == torch.uint8 and its.dtype == dtype
        torch.testing.assert_close(its.double(), wide.amax(1), rtol=1e-5, atol=0)
        # Where rounding decides between two classes, either is at the top.
        torch.testing.assert_close(wide.gather(1, each[:, None].long())[:, 0], wide.amax(1), rtol=1e-5, atol=0)
    whole, _ = likeliest(logits)
    assert torch.equal(whole.long(), torch.from_numpy(logits.numpy().argmax(axis=1))), "the first of several"


def test_more_classes_than_a_byte_are_refused():
    with pytest.raises(UserError, match="256 classes do not fit into labels of a byte"):
        likeliest(torch.zeros(1, 256, 2, 2))


# --- mixing ---------------------------------------------------------------------------------------

LABELS = st.lists(st.sampled_from([0, 1, 2, 7, 18, 255]), min_size=1, max_size=12)


@given(first=LABELS, second=LABELS, seed=st.integers(0, 99), of_batch=st.booleans())
def test_half_of_the_classes_rounded_up_are_pasted(first, second, seed, of_batch):
    size = max(len(first), len(second))
    labels = [(each * size)[:size] for each in (first, second)]
    label_BHW = torch.tensor(labels, dtype=torch.uint8)[:, None]
    scores = draw_scores(2, seed, 3)
    pasted = pasted_pixels(label_BHW, torch.from_numpy(scores), of_batch)
    for index, label in enumerate(labels):
        classes = set(labels[0] + labels[1]) if of_batch else set(label)
        by_score = sorted(classes, key=lambda train_id: scores[index][train_id])
        drawn = by_score[: math.ceil(len(classes) / 2)]
        assert pasted[index, 0].tolist() == [train_id in drawn for train_id in label]


def test_every_class_is_drawn_as_often_as_others_and_draws_depend_on_seed_step_and_image_alone():
    assert np.array_equal(draw_scores(3, 5, 7)[:2], draw_scores(2, 5, 7))
    assert not np.array_equal(draw_scores(1, 5, 7), draw_scores(1, 5, 8))
    assert not np.array_equal(draw_scores(1, 5, 7), draw_scores(1, 6, 7))
    label = torch.tensor([[[0, 3, 4, 9, 255]]], dtype=torch.uint8)
    often = sum(pasted_pixels(label, torch.from_numpy(draw_scores(1, 1, step)))[0, 0].int() for step in range(500))
    assert all(abs(each - 300) < 50 for each in often.tolist()), "three of five, five hundred times"


def test_a_mixed_image_is_the_source_s_where_its_classes_are_drawn():
    source = Batch(images(1, 2, 6, 8, 3), images(2, 2, 6, 8) % 4)
    target = Batch(images(3, 2, 6, 8, 3), None)
    guess = images(4, 2, 6, 8) % 4 + 10
    mixed, pasted = class_mix(source, target, guess, 5, 6)
    assert 0 < pasted.sum() < pasted.numel()
    for place in np.ndindex(2, 6, 8):
        from_source = bool(pasted[place])
        assert mixed.label_BHW[place] == (source.label_BHW if from_source else guess)[place]
        assert torch.equal(mixed.image_BHWC[place], (source if from_source else target).image_BHWC[place])
    with pytest.raises(UserError, match=r"\(2, 6, 8\) and \(2, 6, 7\) cannot be mixed; set training.crop"):
        class_mix(source, Batch(target.image_BHWC[:, :, 1:], None), guess, 5, 6)


@pytest.mark.parametrize("convention", INPUT_CONVENTIONS)
def test_masked_blocks_are_zero_in_the_network_s_input(convention):
    image, kept = images(1, 2, 20, 30, 3).float(), draw_blocks(2, (20, 30), 8, 0.5, 4, "masked", 2)
    assert kept.shape == (2, 2, 4) and set(kept.ravel().tolist()) == {0, 1}, "round(20 / 8), round(30 / 8)"
    found = masked(image, torch.from_numpy(kept), mean_colour(convention, image.device))
    seen, whole = (to_input(each, convention) for each in (found, image))
    for b, row, column in np.ndindex(2, 20, 30):
        block = kept[b, row * 2 // 20, column * 4 // 30]
        expected = whole[b, :, row, column] if block else torch.zeros(3)
        assert torch.equal(seen[b, :, row, column], expected)


def test_so_many_blocks_are_kept():
    kept = draw_blocks(4, (512, 512), 32, 0.7, 1, "masked", 5)
    assert kept.shape == (4, 16, 16) and abs(kept.mean() - 0.3) < 0.05
    assert np.array_equal(draw_blocks(2, (512, 512), 32, 0.7, 1, "masked", 5), kept[:2])
    assert not np.array_equal(kept[0], kept[1]) and draw_blocks(1, (64, 64), 8, 0.0, 1).all()


# --- colours and blur -----------------------------------------------------------------------------


def naive_jitter(pixel: list[float], jitter: Jitter) -> list[float]:
    """One pixel by the standard library's HSV, whose hue is in circles."""
    clamp = lambda value: min(max(value, 0.0), 1.0)  # noqa: E731
    for name in jitter.order:
        factor = getattr(jitter, name)
        if name == "brightness":
            pixel = [clamp(value + factor - 1) for value in pixel]
        elif name == "contrast":
            pixel = [clamp(value * factor) for value in pixel]
        else:
            hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
            hue, saturation = (hue, clamp(saturation * factor)) if name == "saturation" else (hue + factor, saturation)
            pixel = list(colorsys.hsv_to_rgb(hue % 1, saturation, value))
    return pixel


SPECIAL = [
    [0, 0, 0],
    [1, 1, 1],
    [0.5, 0.5, 0.5],
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
    [1, 1, 0],
    [0, 0, 0.004],
    [0.3, 0.3, 1],
]


@given(seed=st.integers(0, 10**6), order=st.permutations(CHANGES), strength=st.sampled_from([0, 0.2, 0.25, 0.5]))
def test_jitter_is_the_papers_formulas(seed, order, strength):
    drawn = draw_jitter(np.random.default_rng(seed), strength)
    jitter = Jitter(tuple(order), drawn.brightness, drawn.contrast, drawn.saturation, drawn.hue)
    pixels = [*SPECIAL, *np.random.default_rng(seed).random((16, 3)).tolist()]
    found = colour_jitter(torch.tensor(pixels, dtype=torch.float64).T.reshape(3, 5, 5), jitter).reshape(3, 25).T
    expected = np.array([naive_jitter(pixel, jitter) for pixel in pixels])
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)
    single = colour_jitter(torch.tensor(pixels).T.reshape(3, 5, 5), jitter).reshape(3, 25).T
    np.testing.assert_allclose(single.numpy(), expected, atol=3e-5)


def test_what_is_drawn_lies_where_it_should():
    drawn = [draw_jitter(np.random.default_rng(seed), 0.2) for seed in range(300)]
    for name, middle in (("brightness", 1), ("contrast", 1), ("saturation", 1), ("hue", 0)):
        values = np.array([getattr(each, name) for each in drawn]) - middle
        assert abs(values).max() <= 0.2 and abs(values.mean()) < 0.03 and values.std() == pytest.approx(0.115, abs=0.02)
    assert len({each.order for each in drawn}) == 24


@pytest.mark.parametrize(("size", "taps"), [((512, 512), 51), ((96, 192), 19), ((1024, 30), 3), ((9, 40), 3)])
@pytest.mark.parametrize("sigma", [0.15, 0.7, 1.15])
def test_blur_is_a_gaussian_of_a_tenth_of_the_side_mirrored_at_the_edges(size, taps, sigma):
    """Every tap of the kernel, by rows and columns of a few places; ``taps`` is the width's."""
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(3))
    found = gaussian_blur(image, sigma).double().numpy()
    sides = [math.ceil(side / 10) for side in size]
    radii = [(side if side % 2 else side - 1) // 2 for side in sides]
    assert 2 * radii[1] + 1 == taps
    kernels = [np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2) for radius in radii]
    padded = np.pad(image.double().numpy(), ((0, 0), *((radius, radius) for radius in radii)), mode="reflect")
    weight = np.outer(*(kernel / kernel.sum() for kernel in kernels))
    for row, column in ((0, 0), (size[0] // 2, size[1] // 2), (size[0] - 1, 3), (2, size[1] - 1)):
        around = padded[:, row : row + 2 * radii[0] + 1, column : column + 2 * radii[1] + 1]
        np.testing.assert_allclose(found[:, row, column], (around * weight).sum(axis=(1, 2)), atol=2e-6)


def test_strong_augmentation_is_of_the_batch_in_whether_and_of_the_image_in_how_much():
    how = StrongAugmentation(0.25, 0.8, 0.5)
    drawn = [how.draw(2, 9, "mixed", step) for step in range(400)]
    assert drawn[7] == how.draw(2, 9, "mixed", 7) != how.draw(2, 9, "masked", 7) and drawn[7][:1] == how.draw(
        1, 9, "mixed", 7
    )
    for first, second in drawn:
        assert [each is None for each in first] == [each is None for each in second]
        assert first[0] is None or first[0] != second[0]
        assert first[1] is None or (first[1] != second[1] and 0.15 <= first[1] <= 1.15)
    shares = [np.mean([pair[0][part] is not None for pair in drawn]) for part in (0, 1)]
    assert shares == pytest.approx([0.8, 0.5], abs=0.07)
    image = images(1, 2, 12, 20, 3)
    untouched = strongly_augmented(image, [(None, None)] * 2)
    assert untouched.shape == image.shape and (untouched - image).abs().max() < 1e-4
    changed = strongly_augmented(
        image, how.draw(2, 9, "mixed", next(n for n, each in enumerate(drawn) if all(each[0])))
    )
    assert changed.min() >= 0 and changed.max() <= 255.001 and (changed - image).abs().mean() > 5


def test_floats_are_bytes_on_the_same_scale_to_the_network():
    image = images(1, 2, 6, 8, 3)
    for convention in INPUT_CONVENTIONS:
        assert torch.equal(to_input(image, convention), to_input(image.float(), convention))
    with pytest.raises(UserError, match=r"torch.int64 .* uint8 or floats from 0 to 255"):
        to_input(image.long())


def test_a_step_of_the_parts_reads_nothing_back():
    """On the meta device there is nothing to read: whoever asks for a value fails."""
    meta = lambda each: each.to("meta")  # noqa: E731
    source = Batch(meta(images(1, 2, 12, 20, 3)), meta(images(2, 2, 12, 20)))
    model = initialise(deeplabv2("streets", 19, 2, False), 3, "kaiming")
    guess = pseudo_labels(Prediction(torch.randn(2, 19, 4, 5, device="meta"), None), (12, 20), 0.9, True, (1, 1))
    mixed, _ = class_mix(source, source, guess.label_BHW, 1, 2, of_batch=True)
    jitter = Jitter(CHANGES, 1.1, 0.9, 1.2, 0.1)
    strong = strongly_augmented(mixed.image_BHWC, [(jitter, 0.7)] * 2)
    kept = meta(torch.from_numpy(draw_blocks(2, (12, 20), 4, 0.5, 1)))
    assert masked(strong, kept, torch.zeros(3, device="meta")).shape == (2, 12, 20, 3)
    Teacher(model, 0.9, BatchNormPolicy()).to("meta").follow(model.to("meta"), 4)

import itertools
import math

import numpy
import pytest
import torch
import torch.nn.functional as F
from safetensors.numpy import save

from segadapt.core.errors import UserError
from segadapt.core.scoring_mode import HEADS, LABEL_SIZES, ScoringMode, last_step_modes
from segadapt.evaluation import ConfusionMatrix, Evaluation, Sample, all_views, evaluate, predict_labels

NUM_CLASSES = 5


def upsampled_value(plane, row, column, size):
    """Bilinear, corners aligned, of one pixel in plain Python."""
    position = []
    for index, wanted, given in ((row, size[0], plane.shape[0]), (column, size[1], plane.shape[1])):
        exact = index * (given - 1) / (wanted - 1) if wanted > 1 else 0.0
        low = min(int(exact), given - 1)
        position.append((low, min(low + 1, given - 1), exact - low))
    (top, bottom, down), (left, right, across) = position
    upper = (1 - across) * plane[top, left] + across * plane[top, right]
    lower = (1 - across) * plane[bottom, left] + across * plane[bottom, right]
    return (1 - down) * upper + down * lower


def naive_labels(logits_CHW, size):
    label = numpy.zeros(size, numpy.uint8)
    for row in range(size[0]):
        for column in range(size[1]):
            values = [upsampled_value(plane, row, column, size) for plane in logits_CHW]
            label[row, column] = values.index(max(values))
    return label


def random_logits(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("low", [(1, 1), (1, 4), (3, 5), (6, 2)])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (11, 17), (2, 9)])
def test_labels_equal_a_loop_over_pixels(low, size):
    logits_BCHW = random_logits(2, NUM_CLASSES, *low)
    label_BHW = predict_labels(logits_BCHW, size)
    assert label_BHW.dtype == torch.uint8
    for logits_CHW, label_HW in zip(logits_BCHW.numpy(), label_BHW.numpy(), strict=True):
        numpy.testing.assert_array_equal(label_HW, naive_labels(logits_CHW, size))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("num_classes", [1, 2, 19])
def test_labels_equal_the_argmax_of_whole_upsampled_logits(layout, num_classes):
    logits_BCHW = random_logits(2, num_classes, 9, 17).contiguous(memory_format=layout)
    whole = F.interpolate(logits_BCHW, size=(64, 128), mode="bilinear", align_corners=True).argmax(dim=1)
    assert torch.equal(predict_labels(logits_BCHW, (64, 128)).long(), whole)


def test_the_lowest_class_wins_a_tie():
    assert predict_labels(torch.zeros(1, 3, 2, 2), (4, 4)).sum() == 0


def test_half_precision_is_upsampled_in_single():
    logits_BCHW = random_logits(1, 19, 9, 17, dtype=torch.bfloat16)
    assert torch.equal(predict_labels(logits_BCHW, (64, 128)), predict_labels(logits_BCHW.float(), (64, 128)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_are_refused(value):
    logits_BCHW = torch.zeros(1, 3, 2, 2)
    logits_BCHW[0, 1, 0, 1] = value
    with pytest.raises(UserError, match="not finite"):
        predict_labels(logits_BCHW, (4, 4))


def test_too_many_classes_are_refused():
    with pytest.raises(UserError, match="at most 255 classes"):
        predict_labels(torch.zeros(1, 256, 1, 1), (1, 1))


def make_samples(count=4, native=(13, 21)):
    rng = numpy.random.default_rng(3)

    def label(shape):
        drawn = rng.integers(0, NUM_CLASSES, shape).astype(numpy.uint8)
        drawn[rng.random(shape) < 0.2] = 255
        return drawn

    return [
        Sample(f"street {index}", rng.integers(0, 256, (8, 12, 3), numpy.uint8), label((8, 12)), label(native))
        for index in range(count)
    ]


def fake_predict(image_HWC):
    """Logits (1, C, 4, 6) that depend on the image alone."""
    return random_logits(1, NUM_CLASSES, 4, 6, seed=int(image_HWC.sum()))


@pytest.mark.parametrize("native", [(13, 21), (8, 12)])
def test_evaluation_equals_a_naive_one(native):
    samples = make_samples(native=native)
    done = []
    result = evaluate(fake_predict, iter(samples), NUM_CLASSES, progress=done.append)
    assert result.image_names == tuple(sample.name for sample in samples)
    assert done == [1] * len(samples)
    for size in ("network", "native"):
        whole = ConfusionMatrix(NUM_CLASSES)
        for index, sample in enumerate(samples):
            label_HW = getattr(sample, f"label_{size}_HW")
            prediction_HW = naive_labels(fake_predict(sample.image_HWC)[0].numpy(), label_HW.shape)
            naive = numpy.zeros((NUM_CLASSES, NUM_CLASSES), int)
            for truth, guess in zip(label_HW.ravel(), prediction_HW.ravel(), strict=True):
                if truth != 255:
                    naive[truth, guess] += 1
            numpy.testing.assert_array_equal(result.statistics[ScoringMode(size)][index], naive)
            whole.update(label_HW, prediction_HW)
        numpy.testing.assert_array_equal(result.matrix(size), whole.matrix)
        numpy.testing.assert_array_equal(result.iou(size), whole.iou())
        assert result.miou(size) == whole.miou()
        assert result.miou(size, [0, 3]) == whole.miou([0, 3])
    assert result.statistics[ScoringMode("native")].dtype == numpy.int64


def fake_heads(image_HWC):
    """Logits of both heads that depend on where in the image what stands, so a mirror image has others."""
    weight_HWC = numpy.arange(1, image_HWC.size + 1).reshape(image_HWC.shape)
    seed = int((weight_HWC * image_HWC).sum() % 100_000)
    return random_logits(1, NUM_CLASSES, 4, 6, seed=seed), random_logits(1, NUM_CLASSES, 3, 5, seed=seed + 1)


def naive_softmax(logits_CHW, size):
    """Plain Python: upsampled, then softmax; (C, H, W)."""
    result = numpy.zeros((len(logits_CHW), *size))
    for row in range(size[0]):
        for column in range(size[1]):
            powers = [math.exp(upsampled_value(plane, row, column, size)) for plane in logits_CHW]
            result[:, row, column] = [power / sum(powers) for power in powers]
    return result


def naive_view(image_HWC, head, flip, size):
    """Labels at ``size`` for one head and flip, from softmax maps at image size."""
    both = [[each[0].numpy() for each in fake_heads(image_HWC)]]
    if flip:
        both.append([each[0].numpy() for each in fake_heads(image_HWC[:, ::-1])])
    chosen = {"final": [0], "low": [1], "ensemble": [0, 1]}[head]
    if not flip and len(chosen) == 1:
        return naive_labels(both[0][chosen[0]], size)
    maps = []
    for mirrored, logits in enumerate(both):
        for each in chosen:
            softmax_CHW = naive_softmax(logits[each], image_HWC.shape[:2])
            maps.append(softmax_CHW[:, :, ::-1] if mirrored else softmax_CHW)
    return naive_labels(sum(maps) / len(maps), size)


def test_every_view_equals_a_naive_one():
    samples = make_samples(2)
    result = evaluate(all_views(fake_heads), samples, NUM_CLASSES)
    assert set(result.statistics) == set(last_step_modes()) and len(result.statistics) == 12
    for mode, matrices_NCC in result.statistics.items():
        for sample, matrix_CC in zip(samples, matrices_NCC, strict=True):
            label_HW = getattr(sample, f"label_{mode.size}_HW")
            guess_HW = naive_view(sample.image_HWC, mode.head, mode.flip, label_HW.shape)
            naive = ConfusionMatrix(NUM_CLASSES)
            naive.update(label_HW, guess_HW)
            numpy.testing.assert_array_equal(matrix_CC, naive.matrix, mode.name)
    assert len({matrices_NCC.tobytes() for matrices_NCC in result.statistics.values()}) == 12, "all differ"


def test_the_network_runs_once_straight_and_once_mirrored():
    seen = []

    def counting(image_HWC):
        seen.append(image_HWC.copy())
        return fake_heads(image_HWC)

    (sample,) = make_samples(1)
    for flip, heads, modes in ((True, True, 12), (True, False, 4), (False, True, 6), (False, False, 2)):
        seen.clear()
        result = evaluate(all_views(counting, flip, heads), [sample], NUM_CLASSES)
        assert len(result.statistics) == modes and len(seen) == 1 + flip
        numpy.testing.assert_array_equal(seen[0], sample.image_HWC)
        numpy.testing.assert_array_equal(seen[-1], sample.image_HWC[:, :: -1 if flip else 1])


def test_a_model_without_a_low_head_has_no_such_view():
    result = evaluate(all_views(lambda image_HWC: (fake_predict(image_HWC), None)), make_samples(1), NUM_CLASSES)
    assert {mode.head for mode in result.statistics} == {"final"} and len(result.statistics) == 4
    with pytest.raises(UserError, match="'native ensemble' was not computed; this evaluation holds network, native"):
        result.miou("native", head="ensemble")


def test_names_of_modes_are_read_back():
    modes = [ScoringMode(*each) for each in itertools.product(LABEL_SIZES, HEADS, (False, True), (None, 0, 120))]
    assert [ScoringMode.of(mode.name) for mode in modes] == modes
    assert len({mode.name for mode in modes}) == len(modes)
    assert ScoringMode("native", "low", True, 120).name == "native low head flip step 120"
    for name in ("", "native ", "native step", "native flip low head", "half", "native  flip", "native step 1.5"):
        with pytest.raises(UserError):
            ScoringMode.of(name)
    with pytest.raises(UserError, match="unknown head 'lower'"):
        ScoringMode("native", "lower")


def test_a_snapshot_stands_beside_the_last_step():
    last, earlier = evaluate(fake_predict, make_samples(), NUM_CLASSES), make_samples()
    snapshot = evaluate(lambda image_HWC: fake_heads(image_HWC)[0], earlier, NUM_CLASSES)
    both = last.with_step(40, snapshot)
    for size in LABEL_SIZES:
        assert both.miou(size) == last.miou(size) != both.miou(size, step=40) == snapshot.miou(size)
    with pytest.raises(UserError, match="step 40 was scored on other images"):
        last.with_step(40, evaluate(fake_predict, earlier[:2], NUM_CLASSES))


def test_an_unknown_size_is_refused():
    with pytest.raises(UserError, match="label size 'full'"):
        evaluate(fake_predict, make_samples(1), NUM_CLASSES).matrix("full")


def test_no_samples_are_refused():
    with pytest.raises(UserError, match="no image to evaluate"):
        evaluate(fake_predict, [], NUM_CLASSES)


def test_a_name_that_comes_twice_is_refused():
    sample = make_samples(1)[0]
    with pytest.raises(UserError, match="street 0 comes twice"):
        evaluate(fake_predict, [sample, sample], NUM_CLASSES)


def test_a_head_of_other_classes_is_refused_with_the_image():
    with pytest.raises(UserError, match=r"street 0.*shape \(1, 5, 4, 6\).*19"):
        evaluate(fake_predict, make_samples(1), 19)


def test_a_foreign_label_is_refused_with_the_image():
    samples = make_samples(2)
    samples[1].label_native_HW[2, 3] = 77
    with pytest.raises(UserError, match="street 1: label value 77"):
        evaluate(fake_predict, samples, NUM_CLASSES)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "deep" / "evaluation.safetensors"
    evaluation = evaluate(all_views(fake_heads), make_samples(), NUM_CLASSES)
    evaluation = evaluation.with_step(7, evaluate(fake_predict, make_samples(), NUM_CLASSES))
    evaluation.save(path)
    return path, evaluation


def test_save_and_load_give_the_same_evaluation_and_bytes(saved, tmp_path):
    path, evaluation = saved
    loaded = Evaluation.load(path)
    assert loaded.image_names == evaluation.image_names
    assert loaded.statistics.keys() == evaluation.statistics.keys() and len(loaded.statistics) == 14
    for mode, each in evaluation.statistics.items():
        numpy.testing.assert_array_equal(loaded.statistics[mode], each)
    for index in range(5):
        loaded.save(tmp_path / f"again{index}")
        assert (tmp_path / f"again{index}").read_bytes() == path.read_bytes()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_every_truncation_is_refused(saved):
    path, _ = saved
    whole = path.read_bytes()
    for length in [0, 1, 7, 8, 9, 50, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=path.name):
            Evaluation.load(path)


def test_foreign_files_are_refused(saved, tmp_path):
    matrices = numpy.zeros((2, 3, 3), numpy.int64)
    names = {"segadapt.evaluation": '{"image_names": ["a", "b"]}'}
    both = {"confusion network": matrices, "confusion native": matrices}
    foreign = {
        "a model": save({"weight": matrices}),
        "no names": save(both),
        "one size": save({"confusion native": matrices}, names),
        "an unknown way": save({**both, "confusion native upside down": matrices}, names),
        "an unknown size": save({**both, "confusion half": matrices}, names),
        "more names": save(both, {"segadapt.evaluation": '{"image_names": ["a"]}'}),
        "floats": save({key: each.astype(numpy.float64) for key, each in both.items()}, names),
        "unequal": save({**both, "confusion native": matrices[:, :2, :2].copy()}, names),
        "text": b"{}" * 40,
    }
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(save(both, names))
    assert Evaluation.load(path).image_names == ("a", "b")
    for content in foreign.values():
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"foreign\.safetensors is not"):
            Evaluation.load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot read evaluation"):
        Evaluation.load(tmp_path / "nothing")

import math

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segadapt.core.errors import UserError
from segadapt.evaluation import ConfusionMatrix, iou_from_matrix, miou_from_matrix


def naive_matrix(label, prediction, num_classes, ignore_index):
    matrix = [[0] * num_classes for _ in range(num_classes)]
    for truth, guess in zip(label.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        if truth != ignore_index:
            matrix[truth][guess] += 1
    return matrix


def naive_iou(label, prediction, num_classes, ignore_index):
    pairs = [
        pair
        for pair in zip(label.ravel().tolist(), prediction.ravel().tolist(), strict=True)
        if pair[0] != ignore_index
    ]
    result = []
    for each in range(num_classes):
        both = sum(truth == each and guess == each for truth, guess in pairs)
        either = sum(truth == each or guess == each for truth, guess in pairs)
        result.append(both / either if either else math.nan)
    return result


@st.composite
def maps(draw):
    num_classes = draw(st.integers(1, 20))
    ignore_index = draw(st.sampled_from([255, num_classes, -1, 100]))
    shape = draw(st.sampled_from([(1,), (7, 5), (2, 3, 4), (0,)]))
    size = math.prod(shape)
    values = st.one_of(st.integers(0, num_classes - 1), st.just(ignore_index))
    kind = draw(st.sampled_from(["uint8", "int64"] if ignore_index >= 0 else ["int16", "int64"]))
    label = numpy.array(draw(st.lists(values, min_size=size, max_size=size)), dtype=kind).reshape(shape)
    guesses = st.integers(0, num_classes - 1)
    kind = draw(st.sampled_from(["uint8", "int64"]))
    prediction = numpy.array(draw(st.lists(guesses, min_size=size, max_size=size)), dtype=kind).reshape(shape)
    return label, prediction, num_classes, ignore_index


@given(maps())
def test_equals_a_loop_over_pixels(case):
    label, prediction, num_classes, ignore_index = case
    confusion = ConfusionMatrix(num_classes, ignore_index)
    confusion.update(label, prediction)
    assert confusion.matrix.dtype == numpy.int64
    assert confusion.matrix.tolist() == naive_matrix(*case)
    expected = naive_iou(*case)
    numpy.testing.assert_allclose(confusion.iou(), expected, rtol=1e-15, equal_nan=True)
    present = [value for value in expected if not math.isnan(value)]
    mean = sum(present) / len(present) if present else math.nan
    numpy.testing.assert_allclose(confusion.miou(), mean, rtol=1e-14, equal_nan=True)


@given(maps(), st.data())
def test_parts_add_up_to_the_whole(case, data):
    label, prediction, num_classes, ignore_index = case
    flat_label, flat_prediction = label.ravel(), prediction.ravel()
    cut = data.draw(st.integers(0, flat_label.size))
    parts = ConfusionMatrix(num_classes, ignore_index)
    second = ConfusionMatrix(num_classes, ignore_index)
    parts.update(flat_label[:cut], flat_prediction[:cut])
    second.update(flat_label[cut:], flat_prediction[cut:])
    assert (parts + second).matrix.tolist() == naive_matrix(*case)
    parts.update(flat_label[cut:], flat_prediction[cut:])
    assert parts.matrix.tolist() == naive_matrix(*case)


LABEL = numpy.array([[0, 1, 255], [2, 2, 0]])
PREDICTION = numpy.array([[0, 2, 1], [2, 1, 0]])
EXPECTED = [[2, 0, 0], [0, 0, 1], [0, 1, 1]]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "int64"])
def test_every_integer_type_of_numpy(dtype):
    confusion = ConfusionMatrix(3)
    confusion.update(LABEL.astype(dtype), PREDICTION.astype(dtype))
    assert confusion.matrix.tolist() == EXPECTED


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_every_integer_type_of_torch_and_mixtures(dtype):
    label, prediction = torch.from_numpy(LABEL).to(dtype), torch.from_numpy(PREDICTION)
    flipped_twice = numpy.ascontiguousarray(PREDICTION[::-1, ::-1])[::-1, ::-1]
    for guess in (prediction, prediction.to(torch.uint8), flipped_twice, prediction.t().contiguous().t()):
        confusion = ConfusionMatrix(3)
        confusion.update(label, guess)
        assert confusion.matrix.tolist() == EXPECTED


def test_the_call_leaves_its_arguments_alone():
    for dtype in (torch.int32, torch.int64):
        label, prediction = torch.from_numpy(LABEL).to(dtype), torch.from_numpy(PREDICTION).to(dtype)
        before = label.clone(), prediction.clone()
        ConfusionMatrix(3).update(label, prediction)
        assert torch.equal(label, before[0])
        assert torch.equal(prediction, before[1])


@pytest.mark.parametrize("value", [3, 4, 254, -1, 2**40, -(2**40)])
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_a_label_out_of_range_is_named_and_nothing_counted(value, kind):
    label = numpy.array([0, value, 255])
    prediction = numpy.array([0, 1, 1])
    pair = (label, prediction) if kind == "numpy" else (torch.from_numpy(label), torch.from_numpy(prediction))
    confusion = ConfusionMatrix(3)
    with pytest.raises(ValueError, match=rf"label value {value} "):
        confusion.update(*pair)
    assert confusion.matrix.sum() == 0


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
@pytest.mark.parametrize("value", [3, 100, 254])
def test_a_foreign_label_in_bytes_is_named(value, dtype):
    for ignore_index in (255, 101):
        confusion = ConfusionMatrix(3, ignore_index)
        with pytest.raises(ValueError, match=rf"label value {value} "):
            confusion.update(numpy.array([0, value, ignore_index], dtype), numpy.array([0, 1, 1], dtype))
        assert confusion.matrix.sum() == 0


def test_bytes_of_255_are_foreign_if_another_value_is_ignored():
    with pytest.raises(ValueError, match="label value 255 "):
        ConfusionMatrix(3, 100).update(numpy.array([255], numpy.uint8), numpy.array([0], numpy.uint8))


def test_a_foreign_prediction_in_bytes_is_named():
    for value in (3, 255):
        with pytest.raises(ValueError, match=rf"prediction value {value} "):
            ConfusionMatrix(3).update(numpy.array([0, 255], numpy.uint8), numpy.array([0, value], numpy.uint8))


@pytest.mark.parametrize("value", [3, 255, -1, 256])
@pytest.mark.parametrize("label", [0, 255])
def test_a_prediction_out_of_range_is_named_even_where_the_label_is_ignored(value, label):
    confusion = ConfusionMatrix(3)
    with pytest.raises(UserError, match=rf"prediction value {value} "):
        confusion.update(numpy.array([0, label]), numpy.array([0, value]))
    assert confusion.matrix.sum() == 0


@pytest.mark.parametrize(
    ("label", "prediction", "message"),
    [
        (numpy.zeros((2, 3), int), numpy.zeros((3, 2), int), "same shape"),
        (numpy.zeros(4, int), numpy.zeros((2, 2), int), "same shape"),
        (numpy.zeros(4), numpy.zeros(4, int), "label must hold integer"),
        (torch.zeros(4, dtype=torch.int64), torch.zeros(4), "prediction must hold integer"),
        (numpy.zeros(4, bool), numpy.zeros(4, int), "label must hold integer"),
    ],
)
def test_refuses_other_shapes_and_types(label, prediction, message):
    with pytest.raises(UserError, match=message):
        ConfusionMatrix(3).update(label, prediction)


@pytest.mark.parametrize("arguments", [(0,), (256,), (3, 2), (3, 0)])
def test_refuses_an_ignore_index_among_the_classes(arguments):
    with pytest.raises(UserError, match="ignore_index"):
        ConfusionMatrix(*arguments)


def test_refuses_to_add_matrices_of_different_classes():
    with pytest.raises(UserError, match="3 and 4 classes"):
        ConfusionMatrix(3) + ConfusionMatrix(4)


def test_absent_is_nan_and_only_predicted_is_zero():
    # Class 0 is right, class 1 only predicted, class 2 only labelled, class 3 nowhere.
    matrix = numpy.array([[3, 0, 0, 0], [0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0]])
    numpy.testing.assert_array_equal(iou_from_matrix(matrix), [1.0, 0.0, 0.0, math.nan])
    assert miou_from_matrix(matrix) == 1 / 3
    assert miou_from_matrix(matrix, [0, 3]) == 1.0
    assert math.isnan(miou_from_matrix(matrix, [3]))


def test_a_class_that_is_predicted_at_ignored_pixels_only_is_absent():
    confusion = ConfusionMatrix(2)
    confusion.update(numpy.array([0, 255]), numpy.array([0, 1]))
    numpy.testing.assert_array_equal(confusion.iou(), [1.0, math.nan])


def test_nothing_seen_has_no_mean(recwarn):
    confusion = ConfusionMatrix(3)
    assert numpy.isnan(confusion.iou()).all()
    assert math.isnan(confusion.miou())
    assert not recwarn


def test_a_subset_still_counts_confusion_with_the_other_classes():
    # Two of class 0's pixels are taken for class 2, which the subset leaves out.
    matrix = numpy.array([[2, 0, 2], [0, 5, 0], [0, 0, 0]])
    assert miou_from_matrix(matrix, [0, 1]) == 0.75


def test_many_matrices_at_once():
    matrices = numpy.random.default_rng(0).integers(0, 5, (4, 3, 3))
    numpy.testing.assert_array_equal(iou_from_matrix(matrices), [iou_from_matrix(each) for each in matrices])


@pytest.mark.parametrize("classes", [[], [3], [-1], [0, 0]])
def test_refuses_a_wrong_subset(classes):
    with pytest.raises(UserError, match="class subset"):
        ConfusionMatrix(3).miou(classes)


def test_refuses_a_matrix_that_is_not_square():
    with pytest.raises(UserError, match="square"):
        iou_from_matrix(numpy.zeros((2, 3)))


def test_the_matrix_is_a_copy():
    confusion = ConfusionMatrix(2)
    confusion.matrix[0, 0] = 7
    assert confusion.matrix.sum() == 0

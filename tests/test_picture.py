import io

import numpy
import pytest

from segadapt.core.errors import UserError
from segadapt.labels import CAMVID11, CITYSCAPES19
from segadapt.reporting import colour_label, panel

PALETTE = CITYSCAPES19.palette


def test_colours_equal_a_loop_over_pixels():
    rng = numpy.random.default_rng(0)
    label = rng.choice([*range(19), 255], (17, 23)).astype(numpy.uint8)
    for dtype in ("uint8", "int64"):
        rgb = colour_label(label.astype(dtype), PALETTE)
        assert rgb.shape == (17, 23, 3) and rgb.dtype == numpy.uint8
        for position, value in numpy.ndenumerate(label):
            assert tuple(rgb[position]) == ((0, 0, 0) if value == 255 else PALETTE[value])


@pytest.mark.parametrize("value", [19, 254, -1, 256])
def test_a_value_without_a_colour_is_refused(value):
    with pytest.raises(UserError, match=f"label value {value} "):
        colour_label(numpy.array([[0, value]]), PALETTE)


@pytest.mark.parametrize("label", [numpy.zeros((2, 2, 3), numpy.uint8), numpy.zeros((2, 2))])
def test_what_is_no_label_map_is_refused(label):
    with pytest.raises(UserError, match="label map"):
        colour_label(label, PALETTE)


def pictures():
    image = numpy.zeros((20, 40, 3), numpy.uint8)
    image[...] = (10, 200, 30)
    label = numpy.full((20, 40), 10, numpy.uint8)
    label[:, 20:] = 255
    return image, label


def box_of(sheet, colour):
    rows, columns = numpy.nonzero((sheet == colour).all(axis=-1))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def test_pictures_stand_in_their_cells_side_by_side():
    image, label = pictures()
    sheet = numpy.asarray(panel(["scene", "truth"], [[image, label]], CITYSCAPES19, cell_width=80))
    top, bottom, left, right = box_of(sheet, (10, 200, 30))
    assert (bottom - top, right - left) == (40, 80)
    assert ((sheet[top:bottom, left:right]) == (10, 200, 30)).all()
    # The label's left half is sky, its right half ignored; the gap between the cells is white.
    start = right + (sheet[top, right:] != 255).any(axis=-1).argmax()
    assert start > right
    assert (sheet[top:bottom, start : start + 40] == PALETTE[10]).all()
    assert (sheet[top:bottom, start + 40 : start + 80] == 0).all()
    assert (
        (sheet[0] == 255).all()
        and (sheet[-1] == 255).all()
        and (sheet[:, 0] == 255).all()
        and (sheet[:, -1] == 255).all()
    )


def test_labels_take_no_colours_between_classes():
    label = numpy.random.default_rng(0).integers(0, 19, (13, 17))
    sheet = numpy.asarray(panel(["truth"], [[label]], CITYSCAPES19, cell_width=210))
    height = round(210 * 13 / 17)
    rows, _ = numpy.nonzero((sheet != 255).any(axis=-1))
    left = 24
    below = [row for row in numpy.unique(rows) if (sheet[row, left : left + 210] != 255).any(axis=-1).all()]
    assert len(below) == height
    found = {tuple(colour) for colour in sheet[below][:, left : left + 210].reshape(-1, 3)}
    assert found <= set(PALETTE)


@pytest.mark.parametrize("class_set", [CITYSCAPES19, CAMVID11])
@pytest.mark.parametrize("cell_width", [120, 384])
def test_the_legend_shows_every_colour(class_set, cell_width):
    image = numpy.full((20, 40, 3), 255, numpy.uint8)
    sheet = numpy.asarray(panel(["scene"], [[image]], class_set, cell_width=cell_width))
    found = {tuple(colour) for colour in sheet.reshape(-1, 3)}
    assert set(class_set.palette) | {(0, 0, 0)} <= found


def test_a_picture_of_another_shape_is_fitted():
    image, label = pictures()
    tall = numpy.zeros((80, 10, 3), numpy.uint8)
    tall[...] = (1, 2, 3)
    sheet = numpy.asarray(panel(["a", "b"], [[image, tall], [image, label]], CITYSCAPES19, ["one", "two λ"], 80))
    top, bottom, left, right = box_of(sheet, (1, 2, 3))
    assert (bottom - top, right - left) == (40, 5)


def test_equal_pictures_give_equal_bytes():
    image, label = pictures()
    files = []
    for _ in range(2):
        files.append(io.BytesIO())
        panel(["scene", "a title that is far too long " * 9], [[image, label]], CITYSCAPES19).save(files[-1], "PNG")
    assert files[0].getvalue() == files[1].getvalue()


@pytest.mark.parametrize(
    ("columns", "rows", "titles", "message"),
    [
        ([], [], None, "at least one"),
        (["a"], [], None, "at least one"),
        (["a", "b"], [[pictures()[0]]], None, "row 0 .* 1 pictures for 2 columns"),
        (["a"], [[pictures()[0]]], ["x", "y"], "2 captions .* 1 rows"),
        (["a"], [[pictures()[0].astype(float)]], None, "uint8 RGB"),
        (["a"], [[pictures()[0][..., :2]]], None, "uint8 RGB"),
    ],
)
def test_wrong_grids_are_refused(columns, rows, titles, message):
    with pytest.raises(UserError, match=message):
        panel(columns, rows, CITYSCAPES19, titles)

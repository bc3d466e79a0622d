"""The built-in digits: who gets which, three looks, and a folder that holds exactly what was asked for."""

import json
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from toy_objects import objects
from toy_sets import packed

from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.core.seeding import generator
from segadapt.data.digits import LOOKS, render_digits
from segadapt.data.digits.dealing import deal
from segadapt.data.digits.strokes import corners, strokes
from segadapt.labels import DIGITS10

NUMBERS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
"""How often each digit is among scikit-learn's."""
COUNTS = {"clean": 21, "camera": 13, "textured": 30}


def toy_digits(count: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """A bar of another length for each class."""
    labels_N = np.arange(count) % 10
    digits_NHW = np.zeros((count, 8, 8))
    for index, label in enumerate(labels_N):
        digits_NHW[index, 1:7, 1 : 2 + label // 2] = 1 - 0.05 * (label % 2)
    return digits_NHW, labels_N


def draw(root: Path, splits: dict | None = None, **changes) -> str:
    settings = {"splits": splits or COUNTS, "size": (24, 20), "seed": 3}
    return render_digits(root, *toy_digits(), **(settings | changes))


def files_of(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# --- dealing --------------------------------------------------------------------------------------


def test_the_1797_digits_are_divided_evenly():
    labels_N = np.repeat(range(10), NUMBERS)
    dealt = deal(labels_N, {"clean": 599, "camera": 599, "textured": 599}, seed=0)
    assert sorted(chain(*dealt.values())) == list(range(1797))
    for indices in dealt.values():
        counts = np.bincount(labels_N[indices], minlength=10)
        assert len(indices) == 599 and all(
            abs(each - total / 3) < 2 for each, total in zip(counts, NUMBERS, strict=True)
        )


@settings(max_examples=40)
@given(st.data())
def test_each_digit_goes_to_one_domain_at_most_and_classes_are_even(data):
    numbers = data.draw(st.lists(st.integers(12, 30), min_size=10, max_size=10))
    labels_N = np.array(data.draw(st.permutations(np.repeat(range(10), numbers).tolist())))
    counts = {domain: data.draw(st.integers(10, 36)) for domain in ("clean", "camera", "textured")}
    dealt = deal(labels_N, counts, seed=data.draw(st.integers(0, 9)))
    every = list(chain(*dealt.values()))
    assert len(set(every)) == len(every)
    for domain, indices in dealt.items():
        assert len(indices) == counts[domain] and indices == sorted(indices)
        held = np.bincount(labels_N[indices], minlength=10)
        assert held.min() >= 1 and held.max() - held.min() <= 3


def test_the_deal_depends_on_the_seed_alone():
    labels_N = toy_digits()[1]
    assert deal(labels_N, COUNTS, 3) == deal(labels_N, dict(reversed(COUNTS.items())), 3) != deal(labels_N, COUNTS, 4)


def test_more_digits_than_there_are_or_too_few_are_refused():
    labels_N = toy_digits()[1]
    with pytest.raises(UserError, match=r"40 \+ 41 built-in digits are asked for but there are 80"):
        deal(labels_N, {"clean": 40, "camera": 41}, 0)
    with pytest.raises(UserError, match="domain 'camera' asks for 9 digits: use 10 or more"):
        deal(labels_N, {"clean": 40, "camera": 9}, 0)


# --- drawing --------------------------------------------------------------------------------------


def test_strokes_go_where_their_corners_are():
    digit_HW = np.ones((8, 8))
    box_42 = np.array([(4, 6), (16, 6), (16, 14), (4, 14)], float)
    ink_HW = strokes(digit_HW, (24, 20), box_42)
    assert ink_HW.shape == (20, 24) and ink_HW.min() == 0 and ink_HW.max() == 1
    # Full inside and empty outside, a pixel from the edge.
    assert (ink_HW[8:12, 6:14] > 0.99).all()
    ink_HW[4:16, 2:18] = 0
    assert ink_HW.max() < 0.01


def test_strokes_are_turned_with_their_corners():
    digit_HW = np.zeros((8, 8))
    digit_HW[:4] = 1  # ink in the upper half
    box_42 = np.array([(2, 2), (22, 2), (22, 22), (2, 22)], float)
    upper = strokes(digit_HW, (24, 24), box_42)
    assert upper[6:9].mean() > 0.7 and upper[16:20].max() < 0.01
    right = strokes(digit_HW, (24, 24), np.roll(box_42, -1, axis=0))  # the digit's upper left in the upper right corner
    np.testing.assert_allclose(right, np.rot90(upper, -1), atol=0.02)


def test_corners_stay_within_their_ranges():
    for position in range(50):
        box_42 = corners((60, 40), generator(position), (0.5, 0.7), 0, 0.1, 0)
        sides = np.linalg.norm(box_42 - np.roll(box_42, 1, axis=0), axis=1)
        assert np.allclose(sides, sides[0]) and 20 <= sides[0] <= 28
        assert (abs(box_42.mean(axis=0) - (30, 20)) <= 4).all()


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", [(16, 16), (32, 32), (48, 33)])
def test_a_look_is_a_function_of_its_generator(look, size):
    digit_HW = toy_digits()[0][5]
    pictures = [np.asarray(LOOKS[look](digit_HW, size, generator("x", seed))) for seed in (1, 1, 2)]
    assert pictures[0].shape == (size[1], size[0], 3) and pictures[0].dtype == np.uint8
    assert (pictures[0] == pictures[1]).all() and (pictures[0] != pictures[2]).any()
    blank = np.asarray(LOOKS[look](np.zeros((8, 8)), size, generator("x", 1)))
    assert abs(pictures[0].astype(int) - blank).max() > 40  # ink can be seen


# --- the data set ---------------------------------------------------------------------------------


def test_a_drawn_set_is_sound_and_holds_what_was_asked_for(tmp_path, capsys):
    draw(tmp_path / "digits")
    assert main(["check", "office31", str(tmp_path / "digits"), "--processes", "1"]) == 0
    output = capsys.readouterr().out
    assert "21 of 21 images" in output and "13 of 13 images" in output and "30 of 30 images" in output
    assert "not there" not in output and "note" not in output
    dealt, labels_N = deal(toy_digits()[1], COUNTS, 3), toy_digits()[1]
    for domain, indices in dealt.items():
        names = sorted(f"{domain}/{DIGITS10.classes[labels_N[index]]}/digit_{index:04d}" for index in indices)
        cache = packed(objects(tmp_path / "digits", domain, count=COUNTS[domain]), tmp_path / domain)
        assert sorted(cache.name(index) for index in range(len(cache))) == names
        assert all(DIGITS10.classes[cache.label(index)[0, 0]] == cache.name(index).split("/")[1] for index in range(10))
    path = next((tmp_path / "digits/camera/images").rglob("*.png"))
    assert Image.open(path).size == (24, 20) and Image.open(path).mode == "RGB"


def test_the_same_arguments_give_the_same_bytes_and_others_leave_nothing_behind(tmp_path):
    digest = draw(tmp_path / "one")
    assert draw(tmp_path / "two") == digest and files_of(tmp_path / "one") == files_of(tmp_path / "two")
    for changes in ({"seed": 4}, {"size": (20, 20)}, {"splits": {"clean": 40, "textured": 20}}):
        assert draw(tmp_path / "one", **changes) != digest
        draw(tmp_path / "new" / str(changes), **changes)
        assert files_of(tmp_path / "one") == files_of(tmp_path / "new" / str(changes))
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["clean", "digits.json", "textured"]


def test_a_killed_drawing_is_continued_and_what_was_changed_is_mended(tmp_path):
    digest, root = draw(tmp_path / "whole"), tmp_path / "killed"

    def killed(numbers, total):
        assert total == 64
        yield from list(numbers)[:20]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(root, progress=killed)
    there = {path: path.stat().st_mtime_ns for path in root.rglob("*.png")}
    assert len(there) == 20
    cut = next(iter(there))
    cut.write_bytes(cut.read_bytes()[:100])
    (cut.parent / f".{cut.name}.77.tmp").write_bytes(b"half")
    assert draw(root) == digest and files_of(root) == files_of(tmp_path / "whole")
    untouched = [path for path in there if path != cut]
    assert [path.stat().st_mtime_ns for path in untouched] == [there[path] for path in untouched]


def test_a_folder_with_other_pictures_is_refused(tmp_path):
    other = tmp_path / "amazon/images/mug"
    other.mkdir(parents=True)
    (other / "frame_0001.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match=r"no digits\.json says that we drew it: choose an empty folder"):
        draw(tmp_path)
    assert list(files_of(tmp_path)) == ["amazon/images/mug/frame_0001.jpg"]


def test_an_unknown_domain_and_a_tiny_size_are_refused(tmp_path):
    with pytest.raises(UserError, match="domain 'neon' of the built-in digits is unknown: use clean, camera, textured"):
        draw(tmp_path / "digits", {"neon": 20})
    with pytest.raises(UserError, match="size 15x40 of the built-in digits is too small: use 16x16"):
        draw(tmp_path / "digits", size=(15, 40))
    assert not (tmp_path / "digits").exists()


def test_the_description_says_what_was_asked_for(tmp_path):
    draw(tmp_path)
    asked = json.loads((tmp_path / "digits.json").read_text())
    assert asked == {"domain": "digits", "splits": COUNTS, "size": [24, 20], "seed": 3}

"""The built-in streets: same bytes every time, every class, the authors' formats, resumption, refusals."""

import builtins
import errno
import json
import math
import os
import subprocess
import sys
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segadapt.core.errors import UserError
from segadapt.data.streets import DOMAINS, dataset, engine, render_dataset, render_scene, write
from segadapt.data.streets.light import vertices
from segadapt.data.streets.scene import Scene
from segadapt.data.streets.shapes import Pass, box, join, quads
from segadapt.labels import CITYSCAPES19

SIZE = (96, 48)


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _render(root: Path, layout: str = "cityscapes", **changes) -> int:
    arguments = {"domain": "camera", "splits": {"train": 2, "val": 1}, "size": SIZE, "seed": 3, "processes": 1}
    return render_dataset(root, layout=layout, **(arguments | changes))


@pytest.fixture
def in_this_process(monkeypatch):
    """Runs the workers' tasks here at once, so that a test can disturb them; returns the finished task count."""
    submitted = []

    class Pool:
        def __init__(self, *_, **__):
            self.cancelled = False

        def submit(self, function, *arguments):
            submitted.append(arguments[0])
            future = Future()
            try:
                future.set_result(function(*arguments))
            except Exception as error:
                future.set_exception(error)
            return future

        def shutdown(self, **_):
            self.cancelled = True

    monkeypatch.setattr(dataset, "worker_pool", Pool)
    return submitted


@pytest.mark.parametrize("domain", ["game", "camera", "town"])
def test_a_scene_depends_on_its_arguments_alone(domain):
    first = [render_scene(domain, 5, index, SIZE) for index in (0, 1, 2)]
    render_scene(domain, 5, 9, (64, 32))
    again = [render_scene(domain, 5, index, SIZE) for index in (2, 0, 1)]
    for (image, label), (image_again, label_again) in zip(first, (again[1], again[2], again[0]), strict=True):
        assert image.tobytes() == image_again.tobytes()
        assert label.tobytes() == label_again.tobytes()
    other_seed = render_scene(domain, 6, 0, SIZE)
    assert not np.array_equal(first[0][0], other_seed[0])
    assert not np.array_equal(first[0][1], other_seed[1])
    assert not np.array_equal(first[0][1], first[1][1])


@pytest.mark.parametrize("domain", ["game", "camera", "town"])
def test_all_classes_occur_and_nothing_else(domain):
    seen, images_with = set(), dict.fromkeys(CITYSCAPES19.label_ids, 0)
    count = 40
    for index in range(count):
        image, label = render_scene(domain, 0, index, SIZE)
        assert image.shape == (48, 96, 3) and image.dtype == np.uint8
        assert label.shape == (48, 96) and label.dtype == np.uint8
        present = set(np.unique(label).tolist())
        seen |= present
        for each in present:
            images_with[each] += 1
    assert seen == set(CITYSCAPES19.label_ids)
    names = dict(zip(CITYSCAPES19.label_ids, CITYSCAPES19.classes, strict=True))
    rare = {names[each]: number for each, number in images_with.items() if number < count * 0.2}
    # A British town: hardly a tram, and fewer motorcycles than elsewhere.
    assert set(rare) <= ({"train", "motor"} if domain == "town" else set())


def test_the_domains_differ_in_looks_and_layout():
    mean = {
        domain: np.mean([render_scene(domain, 1, index, SIZE)[0].std(axis=2).mean() for index in range(6)])
        for domain in ("game", "camera")
    }
    assert mean["game"] > 1.3 * mean["camera"]
    labels = [render_scene(domain, 1, 0, SIZE)[1] for domain in ("game", "camera")]
    assert not np.array_equal(*labels)


@pytest.mark.parametrize("size", [(16, 16), (33, 17), (128, 40), (40, 128)])
def test_any_size(size):
    image, label = render_scene("game", 0, 0, size)
    assert image.shape == (size[1], size[0], 3) and label.shape == (size[1], size[0])


def _plain_scene(*pieces: np.ndarray) -> Scene:
    scene = Scene(DOMAINS["game"], np.random.default_rng(0), camera=(0.0, 0.0, 0.0), fov=90.0)
    for piece in pieces:
        scene.add(piece)
    return scene


def test_the_camera_projects_like_a_pinhole():
    """A square at y=10, from x=2..6 and z=-1..1, seen with 90 degrees: column = W/2 (1 + x/y), to a pixel."""
    corners = np.array([(2, 10, -1), (6, 10, -1), (6, 10, 1), (2, 10, 1)])
    scene = _plain_scene(quads(corners, 0.5, label=3))
    width, height = 200, 100
    colour, number = engine.Renderer((width, height)).render(
        *vertices(scene, 0.0, np.ones(3), height / width), scene.fov
    )
    assert set(np.unique(number).tolist()) == {0, 3}
    exact = np.array([width / 2 * 1.2, width / 2 * 1.6, height / 2 - width * 0.05, height / 2 + width * 0.05])
    for drawn, factor in ((number == 3, 1), ((colour != engine.SKY_KEY).any(-1), engine.SUPERSAMPLING)):
        rows, columns = np.nonzero(drawn)
        found = np.array([columns.min(), columns.max() + 1, rows.min(), rows.max() + 1])
        assert np.abs(found - exact * factor).max() <= 1


def test_passes_and_depth():
    """The nearer thing hides the farther; label-only and image-only things go to their own picture."""
    wide = (-60, 60)
    far = box(wide, (40, 41), wide, (0.0, 0.0, 1.0), label=1)
    near = box((-60, 0), (20, 21), wide, (1.0, 0.0, 0.0), label=2)
    ghost = box((5, 60), (10, 11), wide, (0.0, 1.0, 0.0), label=4, drawn=Pass.LABEL)
    picture = box((-60, -8), (10, 11), wide, (0.0, 1.0, 0.0), label=5, drawn=Pass.IMAGE)
    scene = _plain_scene(far, near, ghost, picture)
    colour, number = engine.Renderer((64, 32)).render(*vertices(scene, 0.0, np.zeros(3), 0.5), scene.fov)
    assert number[16, 2] == 2 and number[16, 30] == 2 and number[16, 36] == 1 and number[16, 60] == 4
    assert colour[32, 4].argmax() == 1 and colour[32, 56].argmax() == 0 and colour[32, 120].argmax() == 2
    assert 5 not in number


def test_haze_follows_the_exponential_law():
    distance, haze = 50.0, 0.02
    scene = _plain_scene(quads(np.array([(-1, 50, -1), (1, 50, -1), (1, 50, 1), (-1, 50, 1)]), 0.0, label=1))
    batches, _, _ = vertices(scene, haze, np.full(3, 0.8), 0.5)
    exact = 0.8 * (1 - math.exp(-haze * math.hypot(distance, math.sqrt(2)))) * 255
    assert np.abs(batches[0]["colour"][:, :3].astype(float) - exact).max() <= 1


def test_joining_nothing_gives_no_quads():
    assert len(join([])) == 0


def test_cityscapes_files(tmp_path):
    assert _render(tmp_path, processes=2) == 3
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png"))
    stems = [f"{split}/{city}/{city}_{number:06d}_000019" for split, city, number in
             (("train", "rendered1", 0), ("train", "rendered1", 1), ("val", "rendered2", 0))]  # fmt: skip
    pictures = [f"leftImg8bit/{stem}_leftImg8bit.png" for stem in stems]
    assert names == sorted(pictures + [f"gtFine/{stem}_gtFine_labelIds.png" for stem in stems])
    scenes = [write.place_of(tmp_path, "cityscapes", split, number) for split, number in (("train", 1), ("val", 0))]
    for place in scenes:
        image, label = render_scene("camera", 3, place.scene, SIZE)
        with Image.open(place.image) as picture, Image.open(place.label) as ids:
            assert (picture.mode, ids.mode, picture.size, ids.size) == ("RGB", "L", SIZE, SIZE)
            np.testing.assert_array_equal(np.asarray(picture), image)
            np.testing.assert_array_equal(np.asarray(ids), label)


def test_gta5_files(tmp_path):
    assert _render(tmp_path, "gta5", domain="game", splits={"train": 2, "val": 1}) == 3
    numbers = {"train": [1, 2], "val": [write.SCENES_PER_SPLIT + 1]}
    for split, expected in numbers.items():
        assert (tmp_path / "list" / f"{split}.txt").read_text() == "".join(f"{number}\n" for number in expected)
        for number in expected:
            image, label = render_scene("game", 3, number - 1, SIZE)
            picture, ids = (Image.open(tmp_path / kind / f"{number:05d}.png") for kind in ("images", "labels"))
            assert (picture.mode, ids.mode, picture.size) == ("RGB", "P", SIZE)
            np.testing.assert_array_equal(np.asarray(picture), image)
            np.testing.assert_array_equal(np.asarray(ids), label)
            palette = dict(zip(CITYSCAPES19.label_ids, CITYSCAPES19.palette, strict=True))
            colour = np.asarray(ids.convert("RGB"))
            assert all((colour[label == each] == palette[each]).all() for each in np.unique(label))


def test_splits_share_no_scene():
    last = write.SCENES_PER_SPLIT - 1
    ends = [
        tuple(write.place_of(Path(), "gta5", split, end).scene for end in (0, last)) for split in write.SPLIT_NUMBER
    ]
    assert all(high < low for (_, high), (low, _) in pairwise(ends))


@pytest.mark.parametrize("layout", write.LAYOUTS)
def test_finished_pictures_stay_and_missing_ones_come_back(tmp_path, in_this_process, layout):
    shown = []

    def progress(items, total):
        for item in items:
            shown.append(total)
            yield item

    second = "test" if layout == "nthu" else "val"  # a labelled split that the data set has
    splits = {"train": 5, second: 1}
    assert _render(tmp_path, layout, splits=splits, progress=progress) == 6
    assert shown == [6] * 6
    whole = _files(tmp_path)
    assert _render(tmp_path, layout, splits=splits) == 0
    place = write.place_of(tmp_path, layout, "train", 3)
    other = write.place_of(tmp_path, layout, second, 0)
    place.image.unlink()
    other.label.unlink()
    place.image.with_name(".killed.png.1.tmp").write_bytes(b"half")
    in_this_process.clear()
    assert _render(tmp_path, layout, splits=splits) == 2
    assert [each.scene for chunk in in_this_process for each in chunk] == [place.scene, other.scene]
    assert _files(tmp_path) == whole


def test_other_parameters_replace_the_pictures(tmp_path, in_this_process):
    _render(tmp_path / "a", "gta5", seed=1)
    _render(tmp_path / "b", "gta5", seed=1)
    assert _render(tmp_path / "a", "gta5", seed=2) == 3
    assert _files(tmp_path / "a") != _files(tmp_path / "b")
    assert _render(tmp_path / "a", "gta5", seed=1, splits={"train": 3, "val": 1}) == 4
    assert _render(tmp_path / "a", "gta5", seed=1, splits={"train": 2, "val": 1}) == 0
    assert _files(tmp_path / "a") == _files(tmp_path / "b")


def test_pictures_from_elsewhere_are_refused_and_kept(tmp_path):
    real = tmp_path / "images" / "00001.png"
    real.parent.mkdir()
    real.write_bytes(b"real")
    with pytest.raises(UserError, match="choose an empty folder"):
        _render(tmp_path, "gta5")
    assert real.read_bytes() == b"real"


def test_damaged_description_is_refused(tmp_path):
    (tmp_path / dataset.DESCRIPTION_NAME).write_text("{")
    with pytest.raises(UserError, match=r"streets\.json"):
        _render(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"domain": "film"}, "domain 'film'.*game, camera, town"),
        ({"layout": "kitti"}, "layout 'kitti'.*gta5, cityscapes"),
        ({"splits": {"dev": 1}}, "split 'dev'.*train, val, test"),
        ({"splits": {"val": -1}}, "'val' asks for -1"),
        ({"size": (8, 8)}, "too small"),
        ({"seed": -1}, "seed -1"),
        ({"processes": 0}, "processes 0"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(tmp_path, change, message):
    arguments = {"domain": "game", "layout": "gta5", "splits": {"train": 1}, "size": SIZE, "seed": 0, "processes": 1}
    with pytest.raises(UserError, match=message):
        render_dataset(tmp_path, **(arguments | change))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_names_file_and_space(tmp_path, monkeypatch, in_this_process):
    replace = os.replace

    def full(source, target):
        if str(target).endswith("_leftImg8bit.png"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match=r"000000_000019_leftImg8bit\.png.*MiB free"):
        _render(tmp_path)
    assert not list(tmp_path.rglob("*.tmp")) and not list((tmp_path / "leftImg8bit").rglob("*.png"))


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(UserError, match="not a folder"):
        _render(tmp_path / "data")


def test_a_killed_worker_is_explained(tmp_path, monkeypatch, in_this_process):
    def killed(*_):
        raise BrokenProcessPool("gone")

    monkeypatch.setattr(dataset, "_render_places", killed)
    with pytest.raises(UserError, match="was killed"):
        _render(tmp_path)


def test_missing_panda3d_names_the_remedy(monkeypatch):
    original = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.startswith("panda3d"):
            raise ImportError(name)
        return original(name, *arguments, **options)

    engine.renderer_of.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match="pip install panda3d"):
        render_scene("game", 0, 0, SIZE)


_PARENT = """
import os, signal
from segadapt.data.packed.parallel import worker_pool

if __name__ == "__main__":
    pool = worker_pool(1)
    print(pool.submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_their_parent(tmp_path):
    """The worker holds the write end of the output pipe, so reading it to its end waits for the worker's death."""
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60
    )
    assert finished.returncode == -9
    assert int(finished.stdout) > 0


def test_description_says_what_the_folder_holds(tmp_path, in_this_process):
    _render(tmp_path, splits={"val": 1})
    found = json.loads((tmp_path / dataset.DESCRIPTION_NAME).read_text())
    assert (found["domain"], found["seed"], tuple(found["size"])) == ("camera", 3, SIZE)

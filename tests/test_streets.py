"""The built-in streets: the same bytes for the same arguments, whole data sets in their authors' layouts."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import REPOSITORY, environment

from segadapt.core.errors import UserError
from segadapt.data.datasets import dataset_module
from segadapt.data.shipped.reading import read_sample
from segadapt.data.streets import DOMAINS, render_dataset, render_scene
from segadapt.labels import CITYSCAPES19, IGNORE_INDEX

SIZE = (128, 64)
SMALL = (48, 32)
TRAIN = CITYSCAPES19.label_ids[CITYSCAPES19.classes.index("train")]


def render(root: Path, **changes) -> int:
    """A small data set of the game; ``changes`` replace arguments."""
    arguments = {"domain": "game", "layout": "gta5", "splits": {"train": 3}, "size": SMALL, "seed": 5, "processes": 1}
    return render_dataset(root, **(arguments | changes))


def tree(root: Path) -> dict[str, bytes]:
    """Every file below ``root``."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def game(tmp_path_factory) -> Path:
    """A small data set in the GTA5 layout, not to be written to."""
    root = tmp_path_factory.mktemp("game")
    assert render(root) == 3
    return root


@pytest.mark.parametrize("domain", ["game", "camera", "town"])
def test_a_scene_depends_on_its_arguments_alone(domain):
    first = [render_scene(domain, 1, index, SMALL) for index in (0, 1, 2)]
    render_scene(domain, 9, 9, SIZE)
    again = [render_scene(domain, 1, index, SMALL) for index in (2, 0, 1)]
    for (image_HWC, label_HW), (other_HWC, other_HW) in zip(first, (again[1], again[2], again[0]), strict=True):
        np.testing.assert_array_equal(image_HWC, other_HWC)
        np.testing.assert_array_equal(label_HW, other_HW)
    pictures = [image_HWC.tobytes() for image_HWC, _ in first]
    pictures += [render_scene(domain, 2, 0, SMALL)[0].tobytes()]
    pictures += [render_scene(other, 1, 0, SMALL)[0].tobytes() for other in DOMAINS if other != domain]
    assert len(set(pictures)) == 4 + len(DOMAINS) - 1


def test_another_process_draws_the_same_scene():
    script = (
        "import hashlib; from segadapt.data.streets import render_scene; "
        f"print(hashlib.sha256(b''.join(each.tobytes() for each in render_scene('camera', 3, 4, {SMALL}))).hexdigest())"
    )
    results = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=environment(REPOSITORY) | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(results) == 1 and len(results.pop().strip()) == 64


@pytest.mark.parametrize("domain", ["game", "camera", "town"])
def test_every_class_of_cityscapes_appears(domain):
    # British towns of our days have no trams; one scene in fifty shows one.
    wanted = set(CITYSCAPES19.label_ids) - ({TRAIN} if domain == "town" else set())
    seen: set[int] = set()
    for index in range(30):
        image_HWC, label_HW = render_scene(domain, 0, index, SIZE)
        assert image_HWC.shape == (64, 128, 3) and label_HW.shape == (64, 128)
        assert image_HWC.dtype == label_HW.dtype == np.uint8
        assert image_HWC.std() > 5
        ids = set(np.unique(label_HW).tolist())
        assert ids <= set(CITYSCAPES19.label_ids)
        seen |= ids
        if index >= 3 and seen >= wanted:
            break
    assert seen >= wanted


def test_the_gta5_layout_is_the_authors(game):
    names = [f"{number:05d}.png" for number in (1, 2, 3)]
    assert sorted(path.name for path in (game / "images").iterdir()) == names
    assert sorted(path.name for path in (game / "labels").iterdir()) == names
    assert (game / "list" / "train.txt").read_text() == "1\n2\n3\n"
    for index, name in enumerate(names):
        image, label = Image.open(game / "images" / name), Image.open(game / "labels" / name)
        assert (image.mode, label.mode) == ("RGB", "P")
        assert image.size == label.size == SMALL
        colours = np.array(label.getpalette()).reshape(-1, 3)
        for label_id, colour in zip(CITYSCAPES19.label_ids, CITYSCAPES19.palette, strict=True):
            assert tuple(colours[label_id]) == colour
        image_HWC, label_HW = render_scene("game", 5, index, SMALL)
        np.testing.assert_array_equal(np.array(image), image_HWC)
        np.testing.assert_array_equal(np.array(label), label_HW)


def test_the_cityscapes_layout_is_the_authors(tmp_path):
    assert render(tmp_path, domain="camera", layout="cityscapes", splits={"train": 2, "val": 1}) == 3
    images = sorted(tmp_path.glob("leftImg8bit/*/*/*.png"))
    assert [path.parts[-3] for path in images] == ["train", "train", "val"]
    for path in images:
        label = tmp_path / "gtFine" / path.parts[-3] / path.parts[-2]
        label /= path.name.replace("_leftImg8bit.png", "_gtFine_labelIds.png")
        assert path.name.startswith(path.parts[-2] + "_")
        assert (Image.open(path).mode, Image.open(label).mode) == ("RGB", "L")
        assert Image.open(path).size == Image.open(label).size == SMALL
    train, val = images[0], images[2]
    assert train.read_bytes() != val.read_bytes()


@pytest.mark.parametrize("layout", ["gta5", "cityscapes"])
def test_both_layouts_are_read_as_the_authors_data_are(game, tmp_path, layout):
    root = game
    if layout == "cityscapes":
        root = tmp_path
        render(root, layout=layout)
    module = dataset_module(layout)
    samples = module.list_samples(root, "train")
    assert len(samples) == 3
    table = module.train_id_table(CITYSCAPES19)
    for index, files in enumerate(samples):
        sample = read_sample(files, SMALL, table, labels=True, native_labels=True)
        image_HWC, label_HW = render_scene("game", 5, index, SMALL)
        np.testing.assert_array_equal(sample.image_HWC, image_HWC)
        assert (sample.native_label_HW != IGNORE_INDEX).all()
        np.testing.assert_array_equal(np.array(CITYSCAPES19.label_ids)[sample.native_label_HW], label_HW)


def test_the_number_of_processes_changes_no_byte(tmp_path):
    for processes in (1, 2):
        render(tmp_path / str(processes), splits={"train": 6}, processes=processes)
    assert tree(tmp_path / "1") == tree(tmp_path / "2")


def test_rendering_again_does_nothing_and_repairs_what_is_missing(game, tmp_path):
    assert render(tmp_path) == 3
    whole = tree(tmp_path)
    assert whole == tree(game)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert render(tmp_path) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")} == times
    (tmp_path / "images" / "00002.png").unlink()
    assert render(tmp_path) == 1
    (tmp_path / "labels" / "00001.png").unlink()
    (tmp_path / "labels" / "00003.png").unlink()
    (tmp_path / "list" / "train.txt").unlink()
    assert render(tmp_path) == 2
    os.truncate(tmp_path / "images" / "00001.png", 300)
    (tmp_path / "labels" / "00002.png").write_bytes(b"")
    (tmp_path / "images" / "00003.png").write_bytes(bytes(2000))
    assert render(tmp_path) == 3
    assert tree(tmp_path) == whole


def test_more_pictures_leave_the_first_as_they_are(game, tmp_path):
    render(tmp_path, splits={"train": 2})
    assert render(tmp_path) == 1
    assert tree(tmp_path) == tree(game)


@pytest.mark.parametrize("before", [{"splits": {"train": 4}}, {"seed": 6}, {"size": (64, 32)}, {"domain": "camera"}])
def test_other_arguments_give_the_same_files_as_a_fresh_folder(game, tmp_path, before):
    render(tmp_path, **before)
    render(tmp_path)
    assert tree(tmp_path) == tree(game)


def test_a_folder_with_files_of_the_users_is_not_touched(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "00001.png").write_bytes(b"mine")
    with pytest.raises(UserError, match="empty folder"):
        render(tmp_path)
    assert tree(tmp_path) == {"images/00001.png": b"mine"}


def test_progress_sees_every_picture(tmp_path):
    seen = []

    def watch(items, total):
        seen.append(total)
        for item in items:
            seen.append(item)
            yield item

    assert render(tmp_path, progress=watch) == 3
    assert seen == [3, 1, 1, 1]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"domain": "rain"}, "domain 'rain'"),
        ({"layout": "kitti"}, "layout 'kitti'"),
        ({"splits": {"tset": 3}}, "split 'tset'"),
        ({"splits": {"train": -1}}, "-1 pictures"),
        ({"size": (48, 8)}, "too small"),
        ({"seed": -1}, "seed -1"),
        ({"processes": 0}, "processes 0"),
    ],
)
def test_arguments_without_sense_are_refused_before_anything_is_written(tmp_path, change, expected):
    with pytest.raises(UserError, match=expected):
        render(tmp_path / "new", **change)
    assert not (tmp_path / "new").exists()


def test_an_unknown_domain_or_size_of_a_scene_is_refused():
    with pytest.raises(UserError, match=r"domain 'rain'.*game, camera"):
        render_scene("rain", 0, 0, SMALL)
    with pytest.raises(UserError, match="too small"):
        render_scene("game", 0, 0, (4, 4))


def test_a_description_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "streets.json").write_text("{ cut")
    with pytest.raises(UserError, match=r"streets\.json"):
        render(tmp_path)


def test_a_failed_write_is_one_sentence(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UserError, match=r"cannot write .*streets\.json"):
        render(tmp_path)
    assert tree(tmp_path) == {}


LIMITED = """
import resource, signal, sys
from pathlib import Path
from segadapt.core.errors import UserError
from segadapt.data.streets import render_dataset

if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        render_dataset(
            Path(sys.argv[1]), domain="game", layout="gta5", splits={"train": 3}, size=(48, 32), seed=5, processes=1
        )
    except UserError as error:
        sys.exit(f"UserError: {error}")
"""


def test_a_full_disk_in_a_worker_is_one_sentence_and_mended_by_the_same_call(game, tmp_path):
    script, root = tmp_path / "limited.py", tmp_path / "data"
    script.write_text(LIMITED)
    result = subprocess.run(
        [sys.executable, str(script), str(root)], env=environment(REPOSITORY), capture_output=True, text=True
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("UserError: cannot write") and ".png" in last
    assert not list(root.rglob("*.tmp"))
    render(root)
    assert tree(root) == tree(game)

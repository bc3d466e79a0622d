"""A data set whose files changed after its cache was made is told by name; whatever else happens to it is not."""

import json
import os
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny import toy_scene
from toy_sets import camera, game, packed, preparation, sets  # noqa: F401 - fixtures are used by name

from segadapt.data.packed.prepare import Preparation, prepare
from segadapt.data.shipped import sources
from segadapt.data.shipped.sources import changed_sources, is_here, seen_path, verify_sources

LABEL = "gtFine/val/toytown/toytown_000001_000019_gtFine_labelIds.png"
IMAGE = LABEL.replace("gtFine", "leftImg8bit").replace("_labelIds", "")


class Cache:
    """A cache of a data set, its memo, and what is said of the sources."""

    def __init__(self, what: Preparation, folder: Path) -> None:
        self.root, self.memo, self.folder = what.root, folder / "seen.json", folder
        prepare(what, folder / "cache", folder / "scratch", 1, self.memo)
        self.manifest = folder / "cache/manifest.json"

    def changed(self) -> str | None:
        return changed_sources(self.manifest, self.root, self.memo)

    def verified(self) -> sources.Verified:
        return verify_sources(self.manifest, self.root, lambda items, total: items, self.memo)


@pytest.fixture
def cache(camera, tmp_path) -> Cache:
    return Cache(preparation(camera), tmp_path)


def mend(path: Path) -> None:
    """Another label of as many bytes, times as they were."""
    about, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def hashed(monkeypatch) -> list[Path]:
    """The files that are hashed from now on."""
    found, real = [], sources.sha256_file
    monkeypatch.setattr(sources, "sha256_file", lambda path: found.append(path) or real(path))
    return found


def test_the_manifest_says_bytes_and_hash_of_every_source_and_no_time(sets, tmp_path):
    manifests = []
    for name, seconds in (("a", 1e9), ("b", 1.7e9)):
        root = Path(shutil.copytree(sets / "cityscapes", tmp_path / name / "cityscapes"))
        for path in root.rglob("*"):
            os.utime(path, (seconds, seconds))
        manifests.append(Cache(preparation(root), tmp_path / name).manifest.read_bytes())
    assert manifests[0] == manifests[1]
    manifest = json.loads(manifests[0])
    hashes = {path: each for record in manifest["records"] for path, each in record["sources"].items()}
    assert len(hashes) == 8 and manifest["source_bytes"].keys() == hashes.keys()
    for path, size in manifest["source_bytes"].items():
        content = (sets / "cityscapes" / path).read_bytes()
        assert (len(content), sha256(content).hexdigest()) == (size, hashes[path])


def test_untouched_files_are_not_read_again(cache, monkeypatch):
    files = hashed(monkeypatch)
    assert cache.changed() is None and cache.changed() is None
    assert files == []


def test_a_mended_label_is_named_also_when_size_and_time_are_as_they_were(cache, monkeypatch):
    assert cache.changed() is None
    mend(cache.root / LABEL)
    files = hashed(monkeypatch)
    assert cache.changed() == f"data changed: {LABEL} has other content"
    assert cache.changed() is not None and files == [cache.root / LABEL]  # once


def test_a_file_of_another_time_alone_is_hashed_once_and_is_no_change(cache, monkeypatch):
    os.utime(cache.root / IMAGE, (1, 1))
    files = hashed(monkeypatch)
    assert cache.changed() is None and files == [cache.root / IMAGE]
    assert cache.changed() is None and len(files) == 1


def test_more_than_one_are_counted(cache):
    for path in cache.root.rglob("*_labelIds.png"):
        if "val" in path.parts:
            mend(path)
    assert cache.changed().endswith("has other content (and 3 more)")
    shutil.rmtree(cache.root / "leftImg8bit/val")
    assert "is not there any more (and " in cache.changed()


def test_files_of_another_split_or_what_systems_leave_behind_are_no_change(cache):
    mend(next(cache.root.rglob("train/*/*_labelIds.png")))
    (cache.root / "gtFine/val/toytown/.DS_Store").write_text("x")
    (cache.root / "leftImg8bit/val/toytown/Thumbs.db").write_text("x")
    (cache.root / "more").mkdir()
    assert cache.changed() is None


def test_a_pair_more_a_pair_less_and_half_a_pair(cache):
    other = {path: cache.root / path.replace("000001", "000777") for path in (LABEL, IMAGE)}
    shutil.copy(cache.root / LABEL, other[LABEL])
    assert f"data changed: {other[IMAGE].relative_to(cache.root)} is missing" in cache.changed()
    shutil.copy(cache.root / IMAGE, other[IMAGE])
    assert cache.changed() == "data changed: toytown_000777_000019 is listed now"
    for path in other.values():
        path.unlink()
    assert cache.changed() is None
    for path in (LABEL, IMAGE):
        (cache.root / path).unlink()
    assert cache.changed() == f"data changed: {IMAGE} is not there any more (and 1 more)"


def test_an_edited_list_is_a_change_if_it_lists_others(game, tmp_path):
    cache, path = Cache(preparation(game), tmp_path), game / "list/train.txt"
    assert cache.changed() is None
    lines = path.read_text().splitlines()
    path.write_bytes("\r\n".join([*lines, ""]).encode())
    assert cache.changed() is None
    path.write_text("\n".join(reversed(lines)))
    assert cache.changed() == "data changed: split 'train' has another order"
    path.write_text("\n".join(lines[:-1]))
    assert cache.changed() == "data changed: 00006 is not listed any more"
    path.write_text("../x\n")
    assert "entry 1 is '../x'" in cache.changed()
    path.unlink()
    assert "split list" in cache.changed()


def test_accepted_files_stay_left_out(game, tmp_path):
    (game / "labels/00002.png").write_bytes(b"")
    cache = Cache(preparation(game, accept=("labels/00002.png",)), tmp_path)
    assert cache.changed() is None
    (game / "labels/00002.png").unlink()
    assert cache.changed() is None
    (game / "images/00002.png").unlink()  # a preparation refuses this, for it is not accepted
    assert "images/00002.png is missing" in cache.changed()


def test_originals_that_are_gone_as_a_whole_are_no_change(cache):
    shutil.rmtree(cache.root)
    assert cache.changed() is None and not is_here(cache.root)
    cache.root.mkdir()  # where a disk was mounted
    assert cache.changed() is None and not is_here(cache.root)
    (cache.root / "gtFine").mkdir()
    assert is_here(cache.root) and "is not there any more" in cache.changed()


def test_a_memo_belongs_to_files_not_to_a_manifest(cache, tmp_path):
    """An earlier cache may be restored under the memo of a later one."""
    before = cache.manifest.read_bytes()
    Image.fromarray(np.full((48, 96), 7, np.uint8)).save(cache.root / LABEL)
    Cache(preparation(cache.root), tmp_path)
    assert cache.changed() is None
    cache.manifest.write_bytes(before)
    assert cache.changed() == f"data changed: {LABEL} has other content"


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b'{"files": {"a": 1}}', b'{"files": {"a": [[1], "b"]}}'])
def test_without_a_memo_the_first_look_believes_files_of_the_right_size(cache, content):
    mend(cache.root / LABEL)
    cache.memo.unlink() if content is None else cache.memo.write_bytes(content)
    assert cache.changed() is None
    mend(cache.root / LABEL)
    assert cache.changed() is None  # back again
    with open(cache.root / LABEL, "ab") as file:
        file.write(b"x")
    cache.memo.unlink()
    assert cache.changed() == f"data changed: {LABEL} has other content"


def test_verify_names_what_differs_and_what_is_gone_and_the_memo_knows_it(cache):
    cache.memo.unlink()
    mend(cache.root / LABEL)
    assert cache.changed() is None
    found = cache.verified()
    recorded, now = found.differ.pop(LABEL)
    assert now == sha256((cache.root / LABEL).read_bytes()).hexdigest() != recorded
    assert found == sources.Verified({}, (), 7)
    assert cache.changed() == f"data changed: {LABEL} has other content"
    (cache.root / IMAGE).unlink()
    assert cache.verified() == sources.Verified({LABEL: (recorded, now)}, (IMAGE,), 6)


def test_the_rows_of_an_archive_are_one_file(tmp_path):
    root = tmp_path / "digits"
    root.mkdir()
    images_NHW = np.random.default_rng(0).integers(0, 256, (12, 28, 28)).astype(np.uint8)
    np.savez_compressed(root / "some.npz", mnist_x=images_NHW, mnist_y=np.arange(12) % 10)
    cache = Cache(Preparation("digits_npz", root, "mnist", (28, 28), "digits10", True, False), tmp_path)
    assert list(json.loads(cache.manifest.read_text())["source_bytes"]) == ["some.npz"]
    assert cache.changed() is None and cache.verified() == sources.Verified({}, (), 1)
    mend(root / "some.npz")
    assert cache.changed() == "data changed: some.npz has other content"


def test_a_resumed_preparation_reads_a_file_that_changed_in_between_again(game, tmp_path, monkeypatch):
    from segadapt.data.packed import prepare as module

    real = module._pack_one

    def dying(files, **named):
        if files.name == "00004":
            raise KeyboardInterrupt
        return real(files, **named)

    monkeypatch.setattr(module, "_pack_one", dying)
    with pytest.raises(KeyboardInterrupt):
        packed(preparation(game), tmp_path / "killed")
    monkeypatch.undo()
    image, label_HW = toy_scene(77, 96, 54)
    image.save(game / "images/00002.png")
    Image.fromarray(label_HW).save(game / "labels/00002.png")
    packed(preparation(game), tmp_path / "killed")
    packed(preparation(game), tmp_path / "whole")
    for name in ("pack.bin", "manifest.json"):
        assert (tmp_path / "killed/cache" / name).read_bytes() == (tmp_path / "whole/cache" / name).read_bytes()


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["flip", "grow", "touch", "remove", "restore"])), max_size=6)
)
def test_any_edits_are_a_change_exactly_if_the_bytes_differ(sets, tmp_path_factory, edits):
    folder = tmp_path_factory.mktemp("edits")
    root = Path(shutil.copytree(sets / "cityscapes", folder / "cityscapes"))
    cache = Cache(preparation(root), folder)
    files = sorted(json.loads(cache.manifest.read_text())["source_bytes"])
    for index, edit in edits:
        path, original = root / files[index], sets / "cityscapes" / files[index]
        if edit == "restore":
            shutil.copy2(original, path)
        elif edit == "remove":
            path.unlink(missing_ok=True)
        elif path.exists() and edit == "touch":
            os.utime(path, (2e9, 2e9))
        elif path.exists():
            content = path.read_bytes()
            path.write_bytes(content + b"x" if edit == "grow" else content[:-1] + bytes([content[-1] ^ 4]))
        same = [
            (root / each).is_file() and (root / each).read_bytes() == (sets / "cityscapes" / each).read_bytes()
            for each in files
        ]
        assert (cache.changed() is None) == all(same)


def test_the_memo_of_a_cache_lies_with_its_preset():
    assert seen_path("tiny", "target_val") == Path("work/tiny/seen/originals/target_val.json")

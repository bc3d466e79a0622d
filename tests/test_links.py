"""Folders of ``work`` that are links to another disk: the same bytes, and still whole or not there at all."""

import errno
import os
import shutil
from pathlib import Path

import pytest
import tiny

from segadapt.core.artifacts import move_into_place
from segadapt.core.errors import UserError

MADE = "work/tiny/models/maxsquare/seed1/model.safetensors"
KEPT = [MADE, "work/tiny/cache/source_train/pack.bin", "work/tiny/sources/source/seed1/model.safetensors"]
OTHER = Path("/dev/shm")


@pytest.fixture
def disks(monkeypatch):
    """Makes every rename out of a folder named ``scratch`` fail as between two disks."""
    replace = os.replace

    def across(source, target):
        if "scratch" in Path(source).parts:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", across)


@pytest.mark.parametrize("two_disks", [False, True], ids=["one disk", "two disks"])
def test_a_finished_file_is_moved(two_disks, tmp_path, request):
    if two_disks:
        request.getfixturevalue("disks")
    finished, target = tmp_path / "scratch/pack.bin", tmp_path / "cache/train/pack.bin"
    finished.parent.mkdir()
    finished.write_bytes(b"new" * 100)
    target.parent.mkdir(parents=True)
    target.write_bytes(b"old")
    move_into_place(finished, target)
    assert target.read_bytes() == b"new" * 100
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [target]


@pytest.mark.parametrize("moment", ["copyfile", "fsync"])
def test_a_copy_that_fails_leaves_both_files_as_they_were(moment, disks, tmp_path, monkeypatch):
    """The disk of the target is full: nothing is lost, and what was made need not be made again."""
    finished, target = tmp_path / "scratch/pack.bin", tmp_path / "pack.bin"
    finished.parent.mkdir()
    finished.write_bytes(b"new")
    target.write_bytes(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((shutil, "copyfile") if moment == "copyfile" else (os, "fsync")), full)
    with pytest.raises(UserError, match=r"pack\.bin: no space left"):
        move_into_place(finished, target)
    assert (finished.read_bytes(), target.read_bytes()) == (b"new", b"old")
    assert len(list(tmp_path.rglob("*"))) == 3


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict[str, bytes]:
    """The bytes of a project in which nothing is a link."""
    folder = tiny.make_project(tmp_path_factory.mktemp("plain") / "project")
    tiny.make_here(folder, MADE)
    return {path: (folder / path).read_bytes() for path in KEPT}


@pytest.mark.parametrize("linked", ["run", "cache", "models", "."])
def test_a_linked_folder_gives_the_same_bytes(linked, expected, tmp_path, request):
    if not OTHER.is_dir() or not os.access(OTHER, os.W_OK) or os.stat(OTHER).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is no second disk, /dev/shm, that can be written")
    disk = OTHER / f"segadapt-test-{os.getpid()}-{tmp_path.name}"
    request.addfinalizer(lambda: shutil.rmtree(disk, ignore_errors=True))
    disk.mkdir()
    folder = tiny.make_project(tmp_path / "project")
    link = folder / "work/tiny" / linked
    link.parent.mkdir(parents=True)
    link.symlink_to(disk)
    tiny.make_here(folder, MADE)
    assert {path: (folder / path).read_bytes() for path in KEPT} == expected
    assert link.is_symlink() and any(disk.iterdir())
    assert not list(disk.rglob("*.tmp")) and not list(folder.rglob("work/**/*.tmp"))

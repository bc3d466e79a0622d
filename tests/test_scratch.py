"""Packs on a machine's own disk: a copy that is made once, by its manifest's hash, and is checked like the original."""

import numpy as np
import pytest
from tiny import write_gta5
from toy_sets import packed, preparation

from segadapt.core.errors import UserError
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.scratch import SCRATCH


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Two different caches on the shared disk, and a folder for copies that is not there yet."""
    made = []
    for name, count in (("one", 2), ("two", 3)):
        write_gta5(tmp_path / name / "gta5", count)
        packed(preparation(tmp_path / name / "gta5"), tmp_path / name)
        made.append(tmp_path / name / "cache" / "manifest.json")
    monkeypatch.setenv(SCRATCH, str(tmp_path / "scratch/me"))
    return made


def copies(tmp_path):
    return sorted((tmp_path / "scratch/me").glob("*.bin"))


def test_each_cache_is_read_from_a_copy_of_its_own(caches, tmp_path, monkeypatch):
    images = [PackedCache(manifest).image(1).copy() for manifest in caches]
    assert len(copies(tmp_path)) == 2
    monkeypatch.delenv(SCRATCH)
    for manifest, image_HWC in zip(caches, images, strict=True):
        np.testing.assert_array_equal(PackedCache(manifest).image(1), image_HWC)


def test_the_copy_is_made_once_and_again_if_it_is_cut(caches, tmp_path):
    PackedCache(caches[0])
    (copy,) = copies(tmp_path)
    before = copy.stat()
    PackedCache(caches[0])
    assert copy.stat().st_mtime_ns == before.st_mtime_ns and copy.stat().st_ino == before.st_ino
    copy.write_bytes(copy.read_bytes()[:-1])
    assert PackedCache(caches[0]).image(0).any() and copy.stat().st_size == before.st_size


def test_a_flipped_byte_of_the_copy_is_refused_and_named(caches, tmp_path):
    PackedCache(caches[0])
    (copy,) = copies(tmp_path)
    content = bytearray(copy.read_bytes())
    content[7] ^= 1
    copy.write_bytes(content)
    with pytest.raises(UserError, match="checksum at record 0") as told:
        PackedCache(caches[0]).image(0)
    assert f"delete {copy}" in str(told.value) and str(caches[0].parent) not in str(told.value)


def test_a_folder_that_cannot_be_written_is_a_sentence(caches, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(SCRATCH, str(tmp_path / "file/below"))
    with pytest.raises((UserError, NotADirectoryError)):
        PackedCache(caches[0])

"""Preparation killed, cut, on a full disk; caches damaged: the same bytes in the end, or one clear sentence."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny import REPOSITORY, environment
from toy_sets import SIZE, camera, game, packed, preparation, refusal, sets  # noqa: F401 - fixtures are used by name

from segadapt.core.errors import UserError
from segadapt.data.packed.cache import PackedCache
from segadapt.labels import CITYSCAPES19

# --- killed, damaged, full ------------------------------------------------------------------------

PREPARE = """
import resource, sys
from pathlib import Path
from segadapt.core.errors import UserError
from segadapt.data.packed import prepare as module

root, folder, limit, kill_after = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
if limit:
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
if kill_after:
    import os, signal
    pack_one, done = module._pack_one, []
    def dying(*arguments, **named):
        done.append(1)
        if len(done) > kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return pack_one(*arguments, **named)
    module._pack_one = dying
what = module.Preparation("gta5", root, "train", (40, 24), "cityscapes19", True, True)
try:
    module.prepare(what, folder / "cache", folder / "scratch", 1)
except UserError as error:
    sys.exit(f"UserError: {error}")
"""


def prepare_in_a_process(root: Path, folder: Path, limit: int = 0, kill_after: int = 0) -> subprocess.CompletedProcess:
    """Prepares in a child process that has a file size limit or is killed after some records."""
    command = [sys.executable, "-c", PREPARE, str(root), str(folder), str(limit), str(kill_after)]
    return subprocess.run(command, env=environment(REPOSITORY), capture_output=True, text=True)


def cache_bytes(folder: Path) -> list[bytes]:
    """Pack and manifest."""
    return [(folder / "cache" / name).read_bytes() for name in ("pack.bin", "manifest.json")]


@pytest.mark.parametrize("kill_after", [1, 4])
def test_a_killed_preparation_goes_on_to_the_same_bytes(sets, tmp_path, kill_after):
    root = sets / "gta5"
    packed(preparation(root), tmp_path / "whole")
    assert prepare_in_a_process(root, tmp_path / "killed", kill_after=kill_after).returncode == -9
    journal = tmp_path / "killed/scratch/journal.jsonl"
    assert len(journal.read_text().splitlines()) == kill_after
    assert not (tmp_path / "killed/cache").exists()
    packed(preparation(root), tmp_path / "killed")
    assert cache_bytes(tmp_path / "killed") == cache_bytes(tmp_path / "whole")


@pytest.fixture(scope="module")
def scratch_of(sets, tmp_path_factory):
    """The scratch folder of a preparation that was killed after five records, and the whole cache."""
    folder = tmp_path_factory.mktemp("killed")
    packed(preparation(sets / "gta5"), folder / "whole")
    assert prepare_in_a_process(sets / "gta5", folder, kill_after=5).returncode == -9
    return folder


@settings(max_examples=25)
@given(st.floats(0, 1), st.floats(0, 1), st.booleans(), st.none() | st.floats(0, 0.999))
def test_a_preparation_cut_anywhere_goes_on_to_the_same_bytes(
    sets, scratch_of, tmp_path_factory, pack, journal, flip, other
):
    folder = tmp_path_factory.mktemp("again")
    scratch = Path(shutil.copytree(scratch_of / "scratch", folder / "scratch"))
    for name, share in (("pack.bin", pack), ("journal.jsonl", journal)):
        os.truncate(scratch / name, int((scratch / name).stat().st_size * share))
    content = bytearray((scratch / "pack.bin").read_bytes())
    if flip and content:  # what a power cut may leave of blocks that were never written
        content[len(content) // 2] ^= 0x55
        (scratch / "pack.bin").write_bytes(content)
    lines = bytearray((scratch / "journal.jsonl").read_bytes())
    if other is not None and lines:  # another digit or letter, in a line that may well be JSON all the same
        lines[int(other * len(lines))] ^= 1
        (scratch / "journal.jsonl").write_bytes(lines)
    packed(preparation(sets / "gta5"), folder)
    assert cache_bytes(folder) == cache_bytes(scratch_of / "whole")
    assert not (folder / "scratch" / "pack.bin").exists()


def test_preparing_again_replaces_the_cache(sets, game, tmp_path):
    packed(preparation(game), tmp_path)
    before = cache_bytes(tmp_path)
    (game / "list" / "train.txt").write_text("2\n")
    shutil.rmtree(tmp_path / "scratch")
    assert len(packed(preparation(game), tmp_path)) == 1
    assert cache_bytes(tmp_path) != before
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["manifest.json", "pack.bin"]


def test_a_full_disk_is_one_sentence_and_leaves_the_earlier_cache(sets, tmp_path):
    packed(preparation(sets / "gta5"), tmp_path)
    before = cache_bytes(tmp_path)
    result = prepare_in_a_process(sets / "gta5", tmp_path, limit=9000)
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith("UserError: cannot write")
    assert "no space left" in result.stderr and "pack.bin" in result.stderr and "Traceback" not in result.stderr
    assert cache_bytes(tmp_path) == before
    packed(preparation(sets / "gta5"), tmp_path)
    assert cache_bytes(tmp_path) == before


def test_a_disk_without_room_is_told_before_the_work_begins(sets, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    assert "free some space" in refusal(preparation(sets / "gta5"), tmp_path)
    assert not (tmp_path / "scratch").exists()


def test_a_flipped_byte_anywhere_is_refused_when_it_is_read(sets, tmp_path):
    cache = packed(preparation(sets / "gta5"), tmp_path)
    path = tmp_path / "cache" / "pack.bin"
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    offsets = [0, len(whole) - 1, *random.integers(0, len(whole), 20).tolist()]
    for offset in offsets:
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        owner = next(
            index
            for index, record in enumerate(cache.records)
            if record["offset"] <= offset < record["offset"] + record["bytes"]
        )
        opened = PackedCache(path.parent / "manifest.json")
        for read in (opened.image, opened.label, opened.native_label):
            with pytest.raises(UserError) as caught:
                read(owner)
            assert str(path) in str(caught.value) and "delete" in str(caught.value)
        opened.image((owner + 1) % len(opened))


@pytest.mark.parametrize("change", [-1, -5000, 1, None])
def test_a_pack_of_another_length_is_refused_when_it_is_opened(sets, tmp_path, change):
    packed(preparation(sets / "gta5"), tmp_path)
    path = tmp_path / "cache" / "pack.bin"
    if change is None:
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size + change)
    with pytest.raises(UserError, match=r"pack\.bin .*delete"):
        PackedCache(tmp_path / "cache" / "manifest.json")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"size": [1]}', None])
def test_a_damaged_manifest_is_refused_by_name(sets, tmp_path, content):
    packed(preparation(sets / "gta5"), tmp_path)
    path = tmp_path / "cache" / "manifest.json"
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(UserError, match=r"manifest\.json"):
        PackedCache(path)


def test_native_labels_are_stored_without_loss_whatever_they_hold(sets, tmp_path):
    cache = packed(preparation(sets / "gta5"), tmp_path)
    record, whole = cache.records[2], (tmp_path / "cache/pack.bin").read_bytes()
    start = record["offset"] + SIZE[0] * SIZE[1] * 4
    content = zstandard.decompress(whole[start : start + record["lengths"][2]])
    ids_HW = np.array(Image.open(sets / "gta5/labels/00003.png"))
    expected = [CITYSCAPES19.label_ids.index(each) for each in ids_HW.ravel().tolist()]
    assert list(content) == expected
    assert json.loads((tmp_path / "cache/manifest.json").read_text())["records"][2]["native"] == [96, 54]

"""``segadapt verify`` and ``explain --verify`` name a mended label and a flipped output; what is gone is told apart."""

import shutil

import numpy as np
import pytest
import tiny
from PIL import Image

from segadapt.cli import main
from segadapt.core.seen import memo_path

LABEL = "toy/cityscapes/gtFine/val/toytown/toytown_000001_000019_gtFine_labelIds.png"
PACK = "work/tiny/cache/source_train/pack.bin"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tiny.make_project(tmp_path_factory.mktemp("verify") / "project", tiny.tiny_parameters(("source_only",)))
    tiny.make_here(folder, "results/table2.csv")
    return folder


@pytest.fixture
def here(finished, tmp_path, monkeypatch):
    copy = tmp_path / "project"
    shutil.copytree(finished, copy, symlinks=True)
    monkeypatch.chdir(copy)
    return copy


def verified(capsys) -> tuple[int, list[str]]:
    status = main(["verify"])
    return status, capsys.readouterr().out.splitlines()


def test_a_sound_run_is_counted(here, capsys):
    status, lines = verified(capsys)
    assert status == 0 and len(lines) == 1 and lines[0].endswith("are the recorded ones, 0 are not here, 0 differ")
    assert int(lines[0].split()[0]) > 30  # 12 + 5 + 8 sources, and what the jobs made


def test_a_mended_label_and_a_missing_image_are_named_with_the_mend(here, capsys):
    Image.fromarray(np.full((48, 96), 7, np.uint8)).save(here / LABEL)
    image = here / "toy/gta5/images/00003.png"
    image.unlink()
    status, lines = verified(capsys)
    assert status == 1 and len(lines) == 3
    assert f"{image.relative_to(here)} is not there any more; restore it" in "\n".join(lines)
    assert f"{LABEL} is not the file that cache target_val was made from" in "\n".join(lines)
    assert main(["explain", "results/table2.csv", "source_only", "--verify"]) == 1
    told = capsys.readouterr().out
    assert f"{LABEL}: " in told and "it touches Source only" in told and "1 are not here, 1 differ" in told


def test_a_flipped_output_is_named_and_forgotten(here, capsys):
    content = bytearray((here / PACK).read_bytes())
    content[7] ^= 1
    (here / PACK).write_bytes(content)
    memo = here / memo_path("tiny", "work/tiny/cache/source_train/provenance.json")
    memo.parent.mkdir(parents=True, exist_ok=True)
    memo.write_text("{}")
    status, lines = verified(capsys)
    assert status == 1 and len(lines) == 2 and not memo.exists()
    assert lines[0] == (
        f"{PACK} is not the file that prepare/source_train wrote; run the same command again, which makes it anew"
    )


def test_a_damaged_manifest_is_one_line(here, capsys):
    (here / "work/tiny/cache/target_val/manifest.json").write_text("{")
    status, lines = verified(capsys)
    assert status == 1 and len(lines) == 2 and "cache/target_val/manifest.json is not the file" in lines[0]


def test_an_edited_record_is_named(here, capsys):
    record = here / "work/tiny/cache/target_val/provenance.json"
    record.write_text(record.read_text().replace('"commit": "', '"commit": "x'))
    status, lines = verified(capsys)
    assert status == 1 and "cache/target_val/provenance.json was edited" in lines[0]


def test_originals_that_were_removed_are_no_fault(here, capsys):
    shutil.rmtree(here / "toy")
    status, lines = verified(capsys)
    assert status == 0 and lines[:2] == [f"not here: toy/{name} (a data set)" for name in ("cityscapes", "gta5")]
    assert main(["explain", "results/table2.csv", "source_only", "--verify"]) == 0

"""Files accepted with their faults: recorded, never without a fault, and no matter when or how often one was killed."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
from shipped import SHIPPED, refused_files
from toy_sets import camera, game, preparation, sets  # noqa: F401 - fixtures are used by name

from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.core.parameters.loader import parameters_from
from segadapt.data.packed import prepare as module
from segadapt.data.packed.prepare import prepare
from segadapt.data.shipped.as_shipped import labelled_files
from segadapt.data.shipped.faults import Faulty
from segadapt.plan import make_plan


def cut(path: Path) -> Path:
    os.truncate(path, path.stat().st_size // 2)
    return path


def cache_bytes(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("pack.bin", "manifest.json")]


def names(folder: Path) -> list[str]:
    return [each["name"] for each in json.loads((folder / "manifest.json").read_text())["records"]]


def test_the_manifest_says_what_was_left_out_and_why_but_not_where_the_data_lay(game, tmp_path):
    cut(game / "images/00002.png")
    (game / "labels/00004.png").unlink()
    (game / "list/train.txt").write_bytes(b"\xef\xbb\xbf1\r\n2\r\n2\r\n../3\r\n4\r\n5\r\n6\r\n")
    accept = ("list/train.txt", "images/00002.png", "labels/00004.png")
    prepare(preparation(game, accept=accept), tmp_path / "cache", tmp_path / "scratch", 1)
    assert names(tmp_path / "cache") == ["00001", "00005", "00006"]
    manifest = (tmp_path / "cache/manifest.json").read_text()
    refused = json.loads(manifest)["refused"]
    assert [(each["file"], each["reason"].split(":")[0]) for each in refused] == [
        ("images/00002.png", "damaged or cut file"),
        ("labels/00004.png", "missing label"),
        ("list/train.txt", "bad name in a list"),
        ("list/train.txt", "duplicate list entry"),
    ]
    assert str(tmp_path) not in manifest


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("images/00001.png", "has no fault; take images/00001.png out"),
        ("list/train.txt", "has no fault; take list/train.txt out"),
        ("images/99999.png", "is no file of this data set"),
        ("README", "is no file of this data set"),
    ],
)
def test_a_file_without_a_fault_is_not_accepted(game, tmp_path, path, expected):
    cut(game / "images/00002.png")
    what = preparation(game, accept=("images/00002.png", path))
    with pytest.raises(UserError, match=expected):
        prepare(what, tmp_path / "cache", tmp_path / "scratch", 1)
    assert not (tmp_path / "cache").exists()


def test_a_file_of_another_split_may_stand_in_the_list(camera, tmp_path):
    file = cut(next(camera.glob("gtFine/train/*/*_000001_*")))
    accept = (file.relative_to(camera).as_posix(), "leftImg8bit/val", "leftImg8bit/train")
    for split, count in (("val", 4), ("train", 4)):
        official = {"train": 2975, "val": 500}[split]
        what = preparation(camera, split=split, accept=accept, count=official)
        prepare(what, tmp_path / split, tmp_path / f"{split}_scratch", 1)
        assert len(names(tmp_path / split)) == count
    assert refused_files(tmp_path / "val") == ["leftImg8bit/val"]
    assert refused_files(tmp_path / "train") == [file.relative_to(camera).as_posix(), "leftImg8bit/train"]


def test_a_cache_without_labels_leaves_out_the_same_samples(game, tmp_path):
    cut(game / "labels/00002.png")
    for labels in (True, False):
        what = preparation(game, accept=("labels/00002.png",), labels=labels, native_labels=labels)
        prepare(what, tmp_path / str(labels), tmp_path / "scratch", 1)
    assert names(tmp_path / "True") == names(tmp_path / "False") == ["00001", "00003", "00004", "00005", "00006"]


def test_all_accepted_is_an_empty_data_set(game, tmp_path):
    (game / "list/train.txt").write_text("2\n")
    cut(game / "images/00002.png")
    with pytest.raises(UserError, match="without a sample"):
        prepare(preparation(game, accept=("images/00002.png",)), tmp_path / "cache", tmp_path / "scratch", 1)


class Killed(Exception):
    pass


@pytest.mark.parametrize("kill_after", [0, 1, 2, 4])
@pytest.mark.parametrize("scratch_of", ["this run", "a run before the file was accepted"])
def test_killed_and_continued_is_the_same_bytes(game, tmp_path, monkeypatch, kill_after, scratch_of):
    cut(game / "images/00003.png")
    accepted = preparation(game, accept=("images/00003.png",))
    prepare(accepted, tmp_path / "whole", tmp_path / "other", 1)
    pack_one, done = module._pack_one, []

    def dying(*arguments, **named):
        done.append(1)
        if len(done) > kill_after:
            raise Killed
        return pack_one(*arguments, **named)

    first = accepted if scratch_of == "this run" else replace(accepted, accept=())
    with monkeypatch.context() as patch:
        patch.setattr(module, "_pack_one", dying)
        with pytest.raises(Killed):
            prepare(first, tmp_path / "cache", tmp_path / "scratch", 1)
    assert not (tmp_path / "cache").exists()
    prepare(accepted, tmp_path / "cache", tmp_path / "scratch", 1)
    assert cache_bytes(tmp_path / "cache") == cache_bytes(tmp_path / "whole")


def test_a_sample_accepted_after_it_was_journalled_shifts_nothing(game, tmp_path, monkeypatch):
    pack_one, done = module._pack_one, []

    def dying(*arguments, **named):
        done.append(1)
        if len(done) > 4:
            raise Killed
        return pack_one(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_pack_one", dying)
        with pytest.raises(Killed):
            prepare(preparation(game), tmp_path / "cache", tmp_path / "scratch", 1)
    cut(game / "images/00002.png")
    accepted = preparation(game, accept=("images/00002.png",))
    for scratch in ("scratch", "other"):
        prepare(accepted, tmp_path / f"{scratch}_cache", tmp_path / scratch, 1)
    assert names(tmp_path / "scratch_cache") == ["00001", "00003", "00004", "00005", "00006"]
    assert cache_bytes(tmp_path / "scratch_cache") == cache_bytes(tmp_path / "other_cache")


def test_after_a_refusal_the_first_records_are_kept_and_mending_gives_the_bytes_of_a_sound_set(game, tmp_path):
    prepare(preparation(game), tmp_path / "whole", tmp_path / "other", 1)
    whole = (game / "images/00003.png").read_bytes()
    cut(game / "images/00003.png")
    with pytest.raises(Faulty):
        prepare(preparation(game), tmp_path / "cache", tmp_path / "scratch", 1)
    assert len((tmp_path / "scratch/journal.jsonl").read_text().splitlines()) == 2
    (game / "images/00003.png").write_bytes(whole)
    prepare(preparation(game), tmp_path / "cache", tmp_path / "scratch", 1)
    assert cache_bytes(tmp_path / "cache") == cache_bytes(tmp_path / "whole")


def test_faults_and_acceptance_are_the_same_in_worker_processes(tmp_path):
    tiny.write_gta5(tmp_path / "gta5", count=36, width=16, height=12)
    files = [cut(tmp_path / "gta5/images/00003.png"), cut(tmp_path / "gta5/labels/00030.png")]
    for processes in (1, 2):
        with pytest.raises(Faulty) as caught:
            prepare(preparation(tmp_path / "gta5"), tmp_path / "no", tmp_path / f"no{processes}", processes)
        assert [fault.file for fault in caught.value.faults] == files
        accept = tuple(file.relative_to(tmp_path / "gta5").as_posix() for file in files)
        folder = tmp_path / str(processes)
        prepare(preparation(tmp_path / "gta5", accept=accept), folder, tmp_path / "scratch", processes)
    assert cache_bytes(tmp_path / "1") == cache_bytes(tmp_path / "2")
    assert len(names(tmp_path / "1")) == 34


# --- where it is said -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (["/a.png"], "below the data set's folder"),
        (["../a.png"], "below the data set's folder"),
        (["a/../b.png"], "below the data set's folder"),
        (["a\\b.png"], "forward slashes"),
        (["./a.png"], "below the data set's folder"),
        ([""], "below the data set's folder"),
        (["a.png", "a.png"], "'a.png' stands there twice"),
        ("a.png", r"datasets\.game\.accept"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(accept, expected):
    parameters = tiny.tiny_parameters()
    parameters["presets"]["tiny"]["datasets"]["game"]["accept"] = accept
    with pytest.raises(UserError, match=expected):
        parameters_from(parameters, "params.yaml")


def test_a_card_carries_the_files_and_the_expected_count():
    parameters = tiny.tiny_parameters()
    jobs = make_plan(parameters_from(parameters, "params.yaml")).by_name
    config = jobs["prepare/source_train"].config
    assert (config["count"], config["accept"]) == (12_403, ["list/train.txt"])
    assert jobs["prepare/target_val"].config["count"] == 500
    parameters["preset"] = "streets"
    jobs = make_plan(parameters_from(parameters, "params.yaml")).by_name
    assert jobs["prepare/source_train"].config["count"] == 400


def test_another_accepted_file_is_another_job():
    before = tiny.tiny_parameters()
    after = tiny.tiny_parameters()
    after["presets"]["tiny"]["datasets"]["game"]["accept"] = ["list/train.txt", "images/00001.png"]
    first, second = (make_plan(parameters_from(each, "")).by_name for each in (before, after))
    assert first["prepare/source_train"].identity() != second["prepare/source_train"].identity()
    assert first["prepare/target_val"].identity() == second["prepare/target_val"].identity()


# --- what scores a data set, and what checks it ---------------------------------------------------


def test_scoring_refuses_a_faulty_split_but_not_a_part_of_the_data_set(camera, capsys):
    assert len(labelled_files("cityscapes", camera, "val")) == 4
    assert "4 samples, not 500" in capsys.readouterr().err
    (next(camera.glob("gtFine/val/*/*_000001_*"))).unlink()
    os.truncate(next(camera.glob("leftImg8bit/val/*/*_000002_*")), 0)
    with pytest.raises(Faulty) as caught:
        labelled_files("cityscapes", camera, "val")
    assert [str(fault.kind) for fault in caught.value.faults] == ["missing label", "zero-byte file"]


def test_scoring_a_rendered_folder_counts_its_pictures(camera):
    (camera / "streets.json").write_text(json.dumps({"splits": {"val": 5}}))
    with pytest.raises(UserError, match="4 samples, not 5"):
        labelled_files("cityscapes", camera, "val")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["gta6", "{root}"], "'gta6' is not known; known are camvid, cityscapes"),
        (["../gta5", "{root}"], "is not known"),
        (["gta5", "{root}/nowhere"], "nowhere is no folder"),
        (["gta5", "{root}/list"], "images is missing, but"),
        (["gta5", "{root}", "--split", "val"], "val.txt is missing"),
        (["gta5", "{root}", "--accept", "images/00001.png", "list/train.txt"], "has no fault"),
        (["gta5", "{root}", "--accept", "images/0.png", "list/train.txt"], "is no file of this data set"),
    ],
)
def test_a_mistake_of_the_users_is_status_2(game, capsys, arguments, expected):
    assert main(["check", *(each.format(root=game) for each in arguments), "--processes", "1"]) == 2
    assert expected in capsys.readouterr().err


def test_check_reads_every_split_and_the_number_of_processes_changes_nothing(tmp_path, capsys):
    tiny.write_cityscapes(tmp_path, {"train": 33, "val": 33}, width=16, height=12)
    cut(next(tmp_path.glob("leftImg8bit/val/*/*_000031_*")))
    printed = []
    for processes in ("1", "2"):
        accept = ["--accept", "leftImg8bit/train", "leftImg8bit/val"]
        assert main(["check", "cityscapes", str(tmp_path), "--processes", processes, *accept]) == 1
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] and "not there: test" in printed[0] and "1 fault:" in printed[0]
    assert main(["check", "cityscapes", str(tmp_path), "--split", "train", "--accept", "leftImg8bit/train"]) == 0
    assert "val" not in capsys.readouterr().out


def test_the_help_of_check_needs_no_heavy_module():
    code = (
        "import sys\nfrom segadapt.cli import main\ntry:\n    main(['check', '--help'])\nexcept SystemExit: pass\n"
        "assert not {'numpy', 'PIL', 'torch', 'scipy', 'pydantic'} & set(sys.modules)"
    )
    tiny.call(tiny.REPOSITORY, sys.executable, "-c", code)


OF_OBJECTS = {"office31", "digits_npz"}
"""Formats whose images have one class as a whole; ``test_data_objects`` plants their faults."""


def test_the_table_of_shipped_sets_covers_every_format():
    from segadapt.data.datasets import known_formats
    from segadapt.data.streets.layouts import LAYOUTS

    assert {each.format for each in SHIPPED.values()} == set(known_formats()) - OF_OBJECTS == set(LAYOUTS)

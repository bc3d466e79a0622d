"""The package by itself: a wheel where no repository is, its version, completion, and what it says as JSON."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest
import tiny
import torch

from segadapt import __version__
from segadapt.cli import main
from segadapt.models import deeplabv2, initialise, save_model

ACCEPTED = ("--accept", "leftImg8bit/train", "leftImg8bit/val")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The content of a wheel that was built from the sources alone."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    shutil.copytree(tiny.REPOSITORY / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(tiny.REPOSITORY / name, source)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run([*pip, "--wheel-dir", str(source / "dist"), "."], cwd=source, check=True)
    (wheel,) = (source / "dist").glob("segadapt-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_a_wheel_checks_imports_evaluates_and_predicts_in_an_empty_folder(installed, tmp_path):
    data, here = tmp_path / "cityscapes", tmp_path / "empty"
    here.mkdir()
    tiny.write_cityscapes(data, {"val": 2})
    model = initialise(deeplabv2("streets"), 1, "kaiming")
    model.architecture = replace(model.architecture, class_set="cityscapes19")
    save_model(tmp_path / "model.safetensors", model, {"image_size": "64x32"})
    backbone = {name: each for name, each in model.state_dict().items() if not name.startswith(("layer5.", "layer6."))}
    torch.save(backbone, tmp_path / "his.pth")

    def run(*words, status=0):
        environment = {key: each for key, each in os.environ.items() if key != "PYTHONPATH"}
        command = [sys.executable, "-P", "-m", "segadapt", *map(str, words)]
        found = subprocess.run(
            command, cwd=here, env=environment | {"PYTHONPATH": str(installed)}, capture_output=True, text=True
        )
        assert found.returncode == status, found.stdout + found.stderr
        return found.stdout, found.stderr

    assert run("--version")[0] == f"segadapt {__version__}\n"
    (part,) = json.loads(run("check", "cityscapes", data, *ACCEPTED[:1], ACCEPTED[2], "--json")[0])["parts"]
    assert [(each["split"], each["count"], each["faults"]) for each in part["splits"]] == [("val", 2, [])]
    scoring = ("evaluate", "--weights", tmp_path / "model.safetensors", "--dataset", "cityscapes", "--root", data)
    scored = json.loads(run(*scoring, "--json")[0])
    assert scored["network_size"] == "64x32" and 0 <= scored["mIoU_of_class_sets"]["cityscapes19"]["network"] <= 1
    photograph = next(data.rglob("*_leftImg8bit.png"))
    run("predict", "--weights", tmp_path / "model.safetensors", photograph, "-o", "drawn")
    assert len(list((here / "drawn").iterdir())) >= 2
    run("import-weights", tmp_path / "his.pth", "ours.safetensors", "--kind", "torchvision")
    assert (here / "ours.safetensors").is_file()
    for command in ("status", "verify", "estimate"):
        told = run(command, status=2)[1]
        assert told.count("\n") == 1 and "the project's repository" in told and str(here) in told


def test_completion_knows_every_command(capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "bash"])
    printed = capsys.readouterr().out
    assert not ended.value.code and all(name in printed for name in ("import-weights", "predict", "estimate", "--json"))


def test_without_what_completes_a_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "zsh"])
    assert ended.value.code == 2 and "pip install shtab" in capsys.readouterr().err


def test_status_and_estimate_as_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tiny.make_project(tmp_path / "project"))
    assert main(["status", "--json"]) == 0
    jobs = json.loads(capsys.readouterr().out)
    assert {"job": "adapt/maxsquare/seed1", "stage": "adapt", "state": "missing"} in jobs
    assert main(["estimate", "--json", "--device", "cpu-core"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["preset"], told["table"], told["device"]["name"], told["so_far"]) == (
        "tiny",
        "table2",
        "cpu-core",
        None,
    )
    (row,) = (each for each in told["rows"] if each["title"] == "MaxSquare")
    assert row["amount"]["steps"] == 6 and row["amount"]["flops"] > 0


def test_check_as_json_tells_the_faults_too(tmp_path, capsys):
    tiny.write_cityscapes(tmp_path, {"val": 2})
    next(tmp_path.rglob("*_labelIds.png")).unlink()
    assert main(["check", "cityscapes", str(tmp_path), "--json", "--processes", "1"]) == 1
    (part,) = json.loads(capsys.readouterr().out)["parts"]
    assert "missing label" in {each["kind"] for split in part["splits"] for each in split["faults"]}

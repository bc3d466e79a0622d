"""One environment, several checkouts: what runs is the code of the folder in which a command is started."""

import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from segadapt.cli import main

MARK = "this checkout's own code"


@pytest.fixture(scope="module")
def second(tmp_path_factory) -> Path:
    """A second checkout, which the environment was not made in and whose code says so."""
    folder = tiny.make_project(tmp_path_factory.mktemp("checkouts") / "a second one")
    for name in ("commands/status.py", "stages/prepare.py"):
        path = folder / "src/segadapt" / name
        docstring, _, code = path.read_text().partition("\n\n")
        path.write_text(f"{docstring}\n\nimport sys\n\nprint({MARK!r}, file=sys.stderr)\n\n{code}")
    return folder


def run_in(folder: Path, *command: str) -> str:
    """What a command prints that knows of no PYTHONPATH."""
    environment = {name: each for name, each in tiny.environment(folder).items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_the_command_line_goes_over_to_the_folders_code(second):
    assert MARK in run_in(second, sys.executable, "-m", "segadapt.cli", "status")
    assert MARK in run_in(second, str(Path(sys.executable).with_name("segadapt")), "status")
    assert MARK not in run_in(tiny.REPOSITORY, sys.executable, "-m", "segadapt.cli", "schema")


def test_a_checkout_whose_path_cannot_be_handed_on_is_refused(tmp_path, monkeypatch, capsys):
    """PYTHONPATH would be split, and the process would go over again and again."""
    module = tmp_path / "c:d/src/segadapt/cli.py"
    module.parent.mkdir(parents=True)
    module.touch()
    monkeypatch.chdir(tmp_path / "c:d")
    monkeypatch.setattr(sys, "argv", ["segadapt", "status"])
    monkeypatch.setattr("segadapt.cli.os.execv", lambda *arguments: pytest.fail("went over"))
    assert main() == 2
    assert f"Python cannot import from {Path.cwd()}, for it splits paths at ':'" in capsys.readouterr().err


def test_snakemake_plans_with_and_runs_the_folders_code(second):
    manifest = "work/tiny/cache/target_val/manifest.json"
    snakemake = (sys.executable, "-m", "snakemake", "--cores", "1")
    assert MARK in run_in(second, *snakemake, manifest)
    assert "Nothing to be done" in run_in(second, *snakemake, "-n", manifest)
    records = second / "src/segadapt/data/packed/records.py"
    records.write_text(records.read_text() + "\nEDIT = 1\n")
    assert "prepare" in run_in(second, *snakemake, "-n", manifest)

"""A project, or a part of it, that cannot be written: one sentence before anything is touched."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from segadapt.core.errors import UserError
from segadapt.core.parameters import load_parameters
from segadapt.plan import make_plan
from segadapt.plan.place import require_writable

FOLDERS = [".", "work", "work/tiny", "work/tiny/run", "work/tiny/models", ".snakemake", "results", "results/figures"]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return tiny.make_project(tmp_path_factory.mktemp("writable") / "project")


@pytest.fixture
def plan(project, tmp_path, monkeypatch):
    plan = make_plan(load_parameters(project / "params.yaml"))
    monkeypatch.chdir(tmp_path)
    return plan


@pytest.fixture
def read_only(monkeypatch):
    """Makes one folder answer as a read-only or forbidden one does: as root permissions would not hold."""

    def make(folder: str) -> None:
        access = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != Path(folder) and access(path, mode))

    return make


def everything_there() -> None:
    for folder in FOLDERS:
        Path(folder).mkdir(parents=True, exist_ok=True)


def test_an_empty_project_and_a_used_one_are_writable(plan):
    require_writable(plan)
    everything_there()
    require_writable(plan)


@pytest.mark.parametrize("folder", [each for each in FOLDERS if each != "."])
def test_a_folder_that_forbids_it_is_named(folder, plan, read_only):
    if folder not in ("work", "work/tiny"):  # these need not be writable when all within are there
        everything_there()
    Path(folder).mkdir(parents=True, exist_ok=True)
    read_only(folder)
    with pytest.raises(UserError, match=rf"^cannot write in the folder {folder}: its permissions forbid it; ") as told:
        require_writable(plan)
    assert "\n" not in str(told.value)


def test_the_projects_own_folder_matters_only_where_one_has_to_be_made(plan, read_only, tmp_path):
    read_only(".")
    with pytest.raises(UserError, match=rf"^cannot write in the folder {tmp_path}: "):
        require_writable(plan)
    for job in plan.jobs:
        for path in (*job.outputs.values(), job.card, job.log):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
    for folder in (
        "work/tiny/run",
        "work/tiny/seen",
        *(f".snakemake/{each}" for each in ("locks", "incomplete", "metadata", "log")),
    ):
        Path(folder).mkdir(parents=True, exist_ok=True)
    require_writable(plan)


@pytest.mark.parametrize("folder", [each for each in FOLDERS if each != "."])
def test_a_file_in_place_of_a_folder_is_named(folder, plan):
    Path(folder).parent.mkdir(parents=True, exist_ok=True)
    Path(folder).write_text("")
    with pytest.raises(UserError, match=rf"^{folder} is a file, but a run keeps a folder there; move it away$"):
        require_writable(plan)


@pytest.mark.parametrize("folder", ["work", "work/tiny/run", "results"])
def test_a_link_to_a_folder_that_is_gone_is_named(folder, plan):
    Path(folder).parent.mkdir(parents=True, exist_ok=True)
    Path(folder).symlink_to("/nowhere/there")
    with pytest.raises(UserError, match=rf"^{folder} is a link to /nowhere/there, which is missing; "):
        require_writable(plan)


MOUNT = "mkdir -p {0} && mount --bind {0} {0} && mount -o remount,ro,bind {0}"
CAN_MOUNT = (
    shutil.which("unshare")
    and not subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, check=False
    ).returncode
)


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a folder read-only")
@pytest.mark.parametrize("folder", [".", "work", "work/tiny/run", ".snakemake", "results"])
def test_a_real_read_only_mount_is_one_sentence_of_the_engine(folder, project, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(project, copy, symlinks=True)
    script = f"{MOUNT.format(folder)} && cd {copy} && exec {sys.executable} -m snakemake --cores 1 results/table2.csv"
    result = tiny.call(copy, "unshare", "-m", "sh", "-c", script, check=False)
    told = result.stdout + result.stderr
    # Of a whole project the first folder that is needed is named.
    shown = rf"({re.escape(str(copy))}|results|work\S*)" if folder == "." else re.escape(folder)
    assert result.returncode == 1
    assert re.search(f"cannot write in the folder {shown}: its file system is read-only; mount it for writing", told)
    assert "Traceback" not in told

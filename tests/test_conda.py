"""``--software-deployment-method conda``: its file stands alone, and jobs run in what it makes."""

import os
import sys
from pathlib import Path

import pytest
import tiny
import yaml

FILE = tiny.REPOSITORY / "workflow/envs/segadapt.yaml"
TARGET = "work/tiny/cache/source_train/pack.bin"


def pip_part() -> list[str]:
    return next(each["pip"] for each in yaml.safe_load(FILE.read_text())["dependencies"] if isinstance(each, dict))


def test_its_file_pins_what_requirements_pin_for_the_project():
    ours = (tiny.REPOSITORY / "requirements.txt").read_text().partition("\n# The engines")[0].splitlines()
    assert pip_part() == [line for line in ours if line and not line.startswith("#")]


def test_its_file_refers_to_no_other():
    """Conda copies it into a folder of its own, from where no relative path leads anywhere."""
    assert not [line for line in pip_part() if line.startswith(("-", ".", "/")) or "==" not in line]


@pytest.fixture
def conda(tmp_path) -> Path:
    """A conda that makes environments of one Python, which leaves a mark when it runs; returns its bin folder."""
    folder = tmp_path / "conda/bin"
    folder.mkdir(parents=True)
    python = f'#!/bin/sh\necho "$PYTHONPATH" >> {tmp_path}/ran\nexec {sys.executable} "$@"\n'
    (tmp_path / "python").write_text(python)
    (folder / "conda").write_text(f"""#!/bin/bash
case "$*" in
"info --json") echo '{{"conda_prefix": "{folder.parent}", "platform": "linux-64"}}' ;;
--version) echo "conda 25.1.1" ;;
"config --get channel_priority --json") echo '{{"get": {{"channel_priority": "strict"}}}}' ;;
"env create"*) while [ "$1" != --prefix ]; do shift; done; prefix=$2
    mkdir -p "$prefix/bin" && cp {tmp_path}/python "$prefix/bin/python" && chmod +x "$prefix/bin/python" ;;
esac
""")
    (folder / "activate").write_text('export PATH="$1/bin:$PATH"\n')
    (folder / "conda").chmod(0o755)
    return folder


def test_jobs_run_in_the_environment_and_with_this_code(conda, tmp_path):
    folder = tiny.make_project(tmp_path / "my project")
    path = os.pathsep.join([str(conda), tiny.environment(folder)["PATH"]])
    engine = ["env", f"PATH={path}", sys.executable, "-m", "snakemake", "--cores", "1"]
    tiny.call(folder, *engine, TARGET, "--software-deployment-method", "conda")
    assert (folder / TARGET).is_file()
    assert (tmp_path / "ran").read_text() == f"{folder}/src\n"


def test_without_it_jobs_run_in_the_engines_own(conda, tmp_path):
    folder = tiny.make_project(tmp_path / "project")
    path = os.pathsep.join([str(conda), tiny.environment(folder)["PATH"]])
    tiny.call(folder, "env", f"PATH={path}", sys.executable, "-m", "snakemake", "--cores", "1", TARGET)
    assert (folder / TARGET).is_file() and not (tmp_path / "ran").exists()

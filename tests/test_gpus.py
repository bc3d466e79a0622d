"""Which GPUs a job may use and how jobs are spread over them, with device files that only look like a GPU's."""

import os
import re
import signal
import subprocess
import sys
import tempfile

import pytest
import tiny

from segadapt.core import devices
from segadapt.core.devices import VISIBLE, own_gpus, visible_gpus


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Gives this machine the GPUs of these numbers, and ``CUDA_VISIBLE_DEVICES``."""

    def make(numbers, visible=None):
        for number in numbers:
            (tmp_path / f"nvidia{number}").touch()
        for other in ("nvidiactl", "nvidia-uvm", "null"):
            (tmp_path / other).touch()
        monkeypatch.setattr(devices, "DEVICE_FILES", tmp_path)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        # So that what a block sets is put back.
        monkeypatch.setenv(VISIBLE, visible or "")
        if visible is None:
            monkeypatch.delenv(VISIBLE)

    return make


@pytest.mark.parametrize(
    ("numbers", "visible", "found"),
    [
        ((), None, []),
        ((0, 1, 2), None, ["0", "1", "2"]),
        ((3,), None, ["0"]),  # CUDA numbers what it can open
        ((0, 1, 10), None, ["0", "1", "2"]),
        ((0, 1), "", []),
        ((0, 1), "1", ["1"]),
        ((0, 1), " 1, 0", ["1", "0"]),
        ((0, 1), "1,5,0", ["1"]),  # up to the first that is not there
        ((0, 1), "-1", []),
        ((0, 1), "0,no,1", ["0"]),
        ((0, 1), "GPU-8932f937,MIG-1/0", ["GPU-8932f937", "MIG-1/0"]),
        ((), "0", []),
        ((), "GPU-8932f937", []),
    ],
)
def test_the_gpus_that_cuda_shows(machine, numbers, visible, found):
    machine(numbers, visible)
    assert visible_gpus() == found


@pytest.mark.parametrize(("numbers", "visible"), [((), None), ((0,), None), ((0, 1), "1"), ((0, 1), "")])
def test_without_a_choice_nothing_changes(machine, numbers, visible):
    machine(numbers, visible)
    with own_gpus() as gpu:
        assert gpu is None and os.environ.get(VISIBLE) == visible


def test_each_takes_the_gpu_that_the_fewest_took(machine, monkeypatch):
    machine((0, 1, 2), "2,0")

    def take():
        monkeypatch.setenv(VISIBLE, "2,0")
        block = own_gpus()
        gpu = block.__enter__()
        assert os.environ[VISIBLE] == gpu
        return gpu, block

    taken = [take() for _ in range(5)]
    assert [gpu for gpu, _ in taken] == ["2", "0", "2", "0", "2"]
    taken[1][1].__exit__(None, None, None)
    assert take()[0] == "0", "given back"


def test_a_job_of_several_processes_takes_as_many(machine, monkeypatch):
    machine((0, 1, 2), "2,0,1")
    with own_gpus() as alone:
        monkeypatch.setenv(VISIBLE, "2,0,1")
        with own_gpus(2) as two:
            assert (alone, two, os.environ[VISIBLE]) == ("2", "0,1", "0,1")
            monkeypatch.setenv(VISIBLE, "2,0,1")
            with own_gpus(3) as three:
                assert three == "2,0,1", "each has another"
        monkeypatch.setenv(VISIBLE, "2")
        with own_gpus(2) as two:
            assert two is None and os.environ[VISIBLE] == "2", "the job says that there are too few"


def test_a_gpu_is_given_back_by_a_death(machine, tmp_path):
    machine((0, 1))
    holds = (
        "import sys, pathlib, tempfile; from segadapt.core import devices; tempfile.tempdir = sys.argv[1]; "
        "devices.DEVICE_FILES = pathlib.Path(sys.argv[1]); block = devices.own_gpus(); "
        "print(block.__enter__(), flush=True); sys.stdin.read()"
    )

    def start():
        command = [sys.executable, "-c", holds, str(tmp_path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return process, process.stdout.readline().strip()

    (first, gpu), (second, other) = start(), start()
    assert (gpu, other) == ("0", "1")
    first.send_signal(signal.SIGKILL)
    first.wait()
    third, again = start()
    assert again == "0"
    for process in (second, third):
        process.communicate()


@pytest.mark.parametrize(("jobs_per_gpu", "most"), [(1, 2), (2, 4)])
def test_snakemake_has_a_job_a_gpu_or_as_many_as_the_preset_says(tmp_path, jobs_per_gpu, most):
    parameters = tiny.tiny_parameters()
    parameters["presets"]["tiny"]["run"]["jobs_per_gpu"] = jobs_per_gpu
    parameters["presets"]["tiny"]["adapt"] |= {"batch_size": 2, "processes": 2}
    project = tiny.make_project(tmp_path / "project", parameters)
    (tmp_path / "dev").mkdir()
    for number in (0, 3):
        (tmp_path / f"dev/nvidia{number}").touch()
    module = project / "src/segadapt/core/devices.py"
    module.write_text(
        module.read_text().replace('DEVICE_FILES = Path("/dev")', f'DEVICE_FILES = Path("{tmp_path}/dev")')
    )
    (project / "Snakefile").open("a").write('\nprint("GPUs:", workflow.global_resources["gpu"].value)\n')
    output = tiny.snakemake(project, "-n", "results/table2.csv").stdout
    assert f"GPUs: {most}" in output
    asked = {
        line.split()[1].rstrip(":"): int("".join(re.findall(r"gpu=(\d)", resources)) or 0)
        for line, resources in zip(
            (line for line in output.splitlines() if line.startswith(("rule ", "localrule "))),
            (line for line in output.splitlines() if line.startswith("    resources: ")),
            strict=True,
        )
    }
    assert asked == {"prepare": 0, "pretrain": 1, "adapt": 2, "refine": 1, "evaluate": 1, "table": 0}
    # The threads of both processes, as far as there are cores.
    assert re.search(r"rule adapt:.*?threads: (\d)", output, re.DOTALL)[1] == "2"

"""SIGINT and SIGTERM: a job stops at the next step that it can save and says so; the same command ends as if nothing.

``kill -INT`` of the engine alone reaches its jobs, which it would else wait for.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny

from segadapt.core.errors import Stopped
from segadapt.core.stopping import at_saved_steps, listening, stopped_after

STEPS, LOG_STEPS = 4000, 4
MODEL = "work/tiny/sources/source/seed1/model.safetensors"


def test_a_request_ends_work_that_saves_nothing_at_once():
    with (
        pytest.raises(Stopped, match="stopped; what is saved is kept and the same command goes on") as told,
        listening(),
    ):
        signal.raise_signal(signal.SIGTERM)
    assert told.value.status == 143


@pytest.mark.parametrize("signals", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGTERM)])
def test_a_loop_that_saves_ends_when_it_has(signals, capfd):
    """Two different signals are one request: from a terminal a job hears both the terminal's and the engine's."""
    with (
        pytest.raises(Stopped, match=r"^stopped after step 3 of 9; the same") as told,
        listening(),
        at_saved_steps() as asked,
    ):
        assert not asked()
        for number in signals:
            signal.raise_signal(number)
        assert asked()
        raise stopped_after("step 3 of 9")
    assert told.value.status == 128 + signals[0]
    assert capfd.readouterr().err.count("stopping at the next step that is saved") == 1


def test_the_same_signal_twice_ends_at_once():
    with pytest.raises(Stopped, match=r"^stopped; what is saved"), listening(), at_saved_steps():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_handlers_are_put_back_and_requests_forgotten():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with listening(), at_saved_steps():
        signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    with listening(), at_saved_steps() as asked:
        assert not asked()


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project whose source model takes minutes, unless it is stopped; its next save by itself is far away."""
    parameters = tiny.tiny_parameters(("source_only",))
    preset = parameters["presets"]["tiny"]
    preset["pretrain"] |= {"steps": STEPS, "horizon": STEPS}
    preset["run"] |= {"log_steps": LOG_STEPS, "save_steps": STEPS, "save_seconds": 1e6}
    return tiny.make_project(tmp_path_factory.mktemp("stopping") / "project", parameters)


def saved_steps(project: Path) -> list[int]:
    return sorted(int(path.stem.partition("-")[2]) for path in project.glob("work/tiny/run/*/state-*.safetensors"))


def start_and_signal(project: Path, number: int, whole_group: bool) -> tuple[int, str]:
    """Starts the engine in a session of its own, signals it once its job trains; exit status and output."""
    log = project / "engine.log"
    with open(log, "wb") as output:
        engine = subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "1", MODEL],
            cwd=project, env=tiny.environment(project), stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    while engine.poll() is None and "step/s" not in log.read_text():
        time.sleep(0.01)  # polling for the output of another process
    (os.killpg if whole_group else os.kill)(engine.pid, number)
    return engine.wait(timeout=120), log.read_text()


@pytest.mark.parametrize("whole_group", [False, True], ids=["the engine alone", "Ctrl-C in a terminal"])
def test_an_interrupt_of_the_engine_stops_its_job_at_a_saved_step(whole_group, project):
    before = max(saved_steps(project), default=0)
    status, output = start_and_signal(project, signal.SIGINT, whole_group)
    assert status == 1
    last = saved_steps(project)[-1]
    assert before < last < STEPS and last % LOG_STEPS == 0
    assert f"segadapt: stopped after step {last} of {STEPS}; the same command goes on from there" in output
    assert not (project / MODEL).exists()


def test_a_job_stops_by_itself_and_the_same_command_ends_with_the_same_bytes(project, tmp_path):
    parameters = tiny.tiny_parameters(("source_only",))
    preset = parameters["presets"]["tiny"]
    preset["pretrain"] |= {"steps": 48, "horizon": 48}
    preset["run"] |= {"log_steps": 4, "save_steps": 1000, "save_seconds": 1e6}
    folder = tiny.make_project(tmp_path / "project", parameters)
    tiny.make_here(folder, MODEL)
    expected = (folder / MODEL).read_bytes()
    job = ("segadapt.stages.train", "work/tiny/cards/pretrain/source/seed1.json")
    command = [sys.executable, "-m", *job]
    for path in (folder / MODEL).parent.iterdir():
        path.unlink()
    process = subprocess.Popen(command, cwd=folder, env=tiny.environment(folder), stderr=subprocess.PIPE, text=True)
    told = ""
    for line in process.stderr:
        if "step/s" in line and "step/s" not in told:
            process.send_signal(signal.SIGTERM)
        told += line
    assert process.wait() == 143
    step = saved_steps(folder)[-1]
    assert told.endswith(f"segadapt: stopped after step {step} of 48; the same command goes on from there\n")
    tiny.run_here(folder, *job)
    assert (folder / MODEL).read_bytes() == expected

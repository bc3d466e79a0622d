"""SIGKILL in the middle of a training stage, then the same command: not one byte of the model may differ."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny

from segadapt.core import stages
from segadapt.models import load_tensors, save_tensors

STAGES = {
    "pretrain": "pretrain/source/seed1",
    "adapt": "adapt/maxsquare/seed1",
    "refine": "refine/maxsquare_iw_multi/seed1",
    "a teacher": "adapt/mic_dacs/seed1",
    "several optimisers": "adapt/cross_city/seed1",
}
ROWS = ("source_only", "maxsquare", "maxsquare_iw_multi", "mic_dacs", "cross_city")
STEPS, SAVE_STEPS = 24, 4


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project with its models made, whose training stages save every few steps."""
    parameters = tiny.tiny_parameters(ROWS)
    for stage in ("pretrain", "adapt", "refine"):
        parameters["presets"]["tiny"][stage] |= {"steps": STEPS, "horizon": STEPS}
    parameters["presets"]["tiny"]["methods"]["cross_city"]["training"] |= {"steps": STEPS, "horizon": STEPS}
    parameters["presets"]["tiny"]["run"] |= {"save_steps": SAVE_STEPS}
    folder = tiny.make_project(tmp_path_factory.mktemp("kill") / "project", parameters)
    models = (f"models/{name}/seed1/model.safetensors" for name in ROWS[1:])
    tiny.make_here(folder, *(f"work/tiny/{model}" for model in models))
    return folder


def stage_command(project: Path, stage: str) -> tuple[tuple[str, str], Path, dict]:
    card = f"work/tiny/cards/{STAGES[stage]}.json"
    content = json.loads((project / card).read_text())
    return (stages.STAGES[content["stage"]].module, card), project / content["outputs"]["model"], content


def forget(project: Path, content: dict) -> dict[str, bytes]:
    """Removes a job's outputs and returns what they were."""
    was = {path: (project / path).read_bytes() for path in content["outputs"].values()}
    for path in (*content["outputs"].values(), content["provenance"]):
        (project / path).unlink(missing_ok=True)
    return was


def run_until(project: Path, command: tuple[str, str], pattern: str) -> int:
    """Starts a stage and kills it as soon as a file in its scratch matches; returns its exit status."""
    words = [sys.executable, "-m", *command]
    process = subprocess.Popen(words, cwd=project, env=tiny.environment(project), stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(project.glob(f"work/tiny/run/{pattern}")):
        time.sleep(0.002)  # polling for a file of another process
    process.send_signal(signal.SIGKILL)
    return process.wait()


BEFORE, EARLY, LAST = "*.lock", *(f"*/state-{step:09d}.safetensors" for step in (SAVE_STEPS, STEPS - SAVE_STEPS))


@pytest.mark.parametrize(
    ("stage", "moment"),
    [
        *((stage, EARLY) for stage in STAGES),
        # One trainer saves for all of them: its moments, with the least and with the most to save.
        *((stage, moment) for stage in ("adapt", "several optimisers") for moment in (BEFORE, LAST)),
    ],
)
def test_the_same_command_ends_with_the_same_bytes(project, stage, moment):
    command, _, content = stage_command(project, stage)
    shutil.rmtree(project / "work/tiny/run")
    expected = forget(project, content)
    assert run_until(project, command, moment) == -signal.SIGKILL
    assert not (project / content["provenance"]).exists()
    tiny.run_here(project, *command)
    assert forget_nothing(project, content) == expected
    assert [path.name for path in (project / "work/tiny/run").iterdir() if path.is_dir()] == []


def forget_nothing(project: Path, content: dict) -> dict[str, bytes]:
    return {path: (project / path).read_bytes() for path in content["outputs"].values()}


def test_the_test_can_fail(project):
    """Negative control: a state that claims another step ends in other weights."""
    command, model, content = stage_command(project, "adapt")
    expected = forget(project, content)
    assert run_until(project, command, f"*/state-{2 * SAVE_STEPS:09d}.safetensors") == -signal.SIGKILL
    for state in project.glob("work/tiny/run/*/state-*.safetensors"):
        tensors, metadata = load_tensors(state)
        del metadata["sha256"]
        save_tensors(state, tensors, metadata | {"step": str(int(metadata["step"]) - 1)})
    tiny.run_here(project, *command)
    assert model.read_bytes() != expected[content["outputs"]["model"]]
    forget(project, content)
    tiny.run_here(project, *command)
    assert forget_nothing(project, content) == expected


def test_a_damaged_state_is_passed_over(project, capfd):
    """A flipped byte in the newest state: the older one is used, and the result is the same."""
    command, _, content = stage_command(project, "adapt")
    expected = forget(project, content)
    assert run_until(project, command, f"*/state-{3 * SAVE_STEPS:09d}.safetensors") == -signal.SIGKILL
    newest = max(project.glob("work/tiny/run/*/state-*.safetensors"))
    damaged = bytearray(newest.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    newest.write_bytes(damaged)
    tiny.run_here(project, *command)
    assert "passing over a saved state" in capfd.readouterr().out
    assert forget_nothing(project, content) == expected


@pytest.mark.parametrize("length", [None, 0, 1000])
def test_a_damaged_model_kept_on_the_way_is_made_again(project, length, capfd):
    """A state after it is whole, but going on from there would leave it as it is."""
    command, _, content = stage_command(project, "adapt")
    expected = forget(project, content)
    assert any("snapshot" in path for path in expected)
    assert run_until(project, command, f"*/state-{STEPS - SAVE_STEPS:09d}.safetensors") == -signal.SIGKILL
    (kept,) = project.glob("work/tiny/run/*/snapshot-*.safetensors")
    kept.unlink() if length is None else os.truncate(kept, length)
    tiny.run_here(project, *command)
    assert "passing over a saved state" in capfd.readouterr().out
    assert forget_nothing(project, content) == expected


def test_the_state_of_another_run_is_passed_over(project):
    """It fits this network as well, and is whole."""
    command, _, content = stage_command(project, "adapt")
    expected = forget(project, content)
    assert run_until(project, command, f"*/state-{STEPS - SAVE_STEPS:09d}.safetensors") == -signal.SIGKILL
    for state in project.glob("work/tiny/run/*/state-*.safetensors"):
        tensors, metadata = load_tensors(state)
        del metadata["sha256"]
        save_tensors(state, {name: each * 2 for name, each in tensors.items()}, metadata | {"run": "another"})
    tiny.run_here(project, *command)
    assert forget_nothing(project, content) == expected


def test_a_job_that_another_process_finished_is_not_done_again(project, capfd):
    command, model, _ = stage_command(project, "pretrain")
    before = os.stat(model).st_mtime_ns
    tiny.run_here(project, *command)
    assert "already made" in capfd.readouterr().err
    assert os.stat(model).st_mtime_ns == before

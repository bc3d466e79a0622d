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


def stage_command(project: Path, stage: str) -> tuple[list[str], Path, dict]:
    card = project / f"work/tiny/cards/{STAGES[stage]}.json"
    content = json.loads(card.read_text())
    module = stages.STAGES[content["stage"]].module
    return [sys.executable, "-m", module, str(card)], project / content["outputs"]["model"], content


def forget(project: Path, content: dict) -> dict[str, bytes]:
    """Removes a job's outputs and returns what they were."""
    was = {path: (project / path).read_bytes() for path in content["outputs"].values()}
    for path in (*content["outputs"].values(), content["provenance"]):
        (project / path).unlink(missing_ok=True)
    return was


def run_until(project: Path, command: list[str], pattern: str) -> int:
    """Starts a stage and kills it as soon as a file in its scratch matches; returns its exit status."""
    process = subprocess.Popen(command, cwd=project, env=tiny.environment(project), stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(project.glob(f"work/tiny/run/{pattern}")):
        time.sleep(0.002)  # polling for a file of another process
    process.send_signal(signal.SIGKILL)
    return process.wait()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "moment", ["*.lock", f"*/state-{SAVE_STEPS:09d}.safetensors", f"*/state-{STEPS - SAVE_STEPS:09d}.safetensors"],
    ids=["before the first save", "early", "at the last save"],
)  # fmt: skip
def test_the_same_command_ends_with_the_same_bytes(project, stage, moment):
    command, _, content = stage_command(project, stage)
    shutil.rmtree(project / "work/tiny/run")
    expected = forget(project, content)
    assert run_until(project, command, moment) == -signal.SIGKILL
    assert not (project / content["provenance"]).exists()
    tiny.call(project, *command)
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
    tiny.call(project, *command)
    assert model.read_bytes() != expected[content["outputs"]["model"]]
    forget(project, content)
    tiny.call(project, *command)
    assert forget_nothing(project, content) == expected


def test_a_damaged_state_is_passed_over(project):
    """A flipped byte in the newest state: the older one is used, and the result is the same."""
    command, _, content = stage_command(project, "adapt")
    expected = forget(project, content)
    assert run_until(project, command, f"*/state-{3 * SAVE_STEPS:09d}.safetensors") == -signal.SIGKILL
    newest = max(project.glob("work/tiny/run/*/state-*.safetensors"))
    damaged = bytearray(newest.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    newest.write_bytes(damaged)
    assert "passing over a saved state" in tiny.call(project, *command).stdout
    assert forget_nothing(project, content) == expected


@pytest.mark.parametrize("length", [None, 0, 1000])
def test_a_damaged_model_kept_on_the_way_is_made_again(project, length):
    """A state after it is whole, but going on from there would leave it as it is."""
    command, _, content = stage_command(project, "adapt")
    expected = forget(project, content)
    assert any("snapshot" in path for path in expected)
    assert run_until(project, command, f"*/state-{STEPS - SAVE_STEPS:09d}.safetensors") == -signal.SIGKILL
    (kept,) = project.glob("work/tiny/run/*/snapshot-*.safetensors")
    kept.unlink() if length is None else os.truncate(kept, length)
    assert "passing over a saved state" in tiny.call(project, *command).stdout
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
    tiny.call(project, *command)
    assert forget_nothing(project, content) == expected


def test_a_job_that_another_process_finished_is_not_done_again(project):
    command, model, _ = stage_command(project, "pretrain")
    before = os.stat(model).st_mtime_ns
    assert "already made" in tiny.call(project, *command).stderr
    assert os.stat(model).st_mtime_ns == before

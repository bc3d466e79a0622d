"""Event files for TensorBoard: what is in them, read by their layout; and that a run is the same with them."""

import struct
from pathlib import Path

import pytest
import tiny
from tensorboardX.proto.event_pb2 import Event, SessionLog

from segadapt.core.errors import UserError
from segadapt.core.events import EventFile, require_writer
from segadapt.core.job import read_card
from segadapt.core.parameters import load_parameters
from segadapt.plan import make_plan
from segadapt.plan.requirements import check_requirements
from segadapt.plan.status import statuses
from segadapt.training.trainer import Trainer

COLUMNS = ("step", "learning_rate", "loss_source", "loss_target", "sure_share")


def crc32c(data: bytes) -> int:
    """Castagnoli's, bit by bit."""
    found = 0xFFFFFFFF
    for byte in data:
        found ^= byte
        for _ in range(8):
            found = found >> 1 ^ (0x82F63B78 if found & 1 else 0)
    return found ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    value = crc32c(data)
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def events(folder: Path) -> list[Event]:
    """Those of the one file in a folder, whose records are length, its checksum, content, its checksum."""
    (path,) = folder.glob("events.out.tfevents.*")
    content, found = path.read_bytes(), []
    while content:
        length, check = struct.unpack("<QI", content[:12])
        data, (own,) = content[12 : 12 + length], struct.unpack("<I", content[12 + length : 16 + length])
        assert check == masked(content[:8]) and own == masked(data)
        found.append(Event.FromString(data))
        content = content[16 + length :]
    return found


def scalars(folder: Path) -> list[tuple[str, int, float]]:
    return [(each.tag, event.step, each.simple_value) for event in events(folder) for each in event.summary.value]


def test_rows_become_scalars_each_once(tmp_path):
    rows = [[19, 0.5, 2.0, None, 0.25]]
    file = EventFile(tmp_path / "run")
    file.write(COLUMNS, rows)
    wanted = [("learning_rate", 19, 0.5), ("loss/source", 19, 2.0), ("sure_share", 19, 0.25)]
    assert scalars(tmp_path / "run") == wanted
    rows.append([39, 0.25, 1.0, -0.5, 0.5])
    for _ in range(2):
        file.write(COLUMNS, rows)
    wanted += [
        ("learning_rate", 39, 0.25),
        ("loss/source", 39, 1.0),
        ("loss/target", 39, -0.5),
        ("sure_share", 39, 0.5),
    ]
    assert scalars(tmp_path / "run") == wanted
    # A process that goes on from the first row writes it again, and nothing of what came after.
    EventFile(tmp_path / "run").write(COLUMNS, rows[:1])
    assert scalars(tmp_path / "run") == wanted[:3]
    first, second, *_ = events(tmp_path / "run")
    assert first.file_version == "brain.Event:2" and second.session_log.status == SessionLog.START


def test_a_missing_package_is_one_sentence_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parameters = tiny.tiny_parameters(("source_only", "maxsquare"))
    parameters["presets"]["tiny"]["run"] = {"tensorboard": True}
    tiny.make_project(tmp_path / "project", parameters)
    monkeypatch.chdir(tmp_path / "project")
    due = statuses(make_plan(load_parameters("params.yaml")))
    check_requirements(due)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for refused in (lambda: require_writer("tiny"), lambda: check_requirements(due)):
        with pytest.raises(UserError, match=r"presets/tiny.yaml: run.tensorboard is true and .* set it to false$"):
            refused()


def fails_at_its_end(trainer) -> None:
    if trainer.target is not None:
        raise UserError("a fault on purpose, after the last saved state")


def test_a_run_with_events_is_the_run_without_them_also_after_a_resume(tmp_path, monkeypatch):
    model, history = (f"work/tiny/models/maxsquare/seed1/{name}" for name in ("model.safetensors", "history.csv"))
    made = {}
    for name in ("without", "with", "resumed"):
        parameters = tiny.tiny_parameters(("source_only", "maxsquare"))
        run = {"log_steps": 1, "save_steps": 1, "tensorboard": name != "without"}
        parameters["presets"]["tiny"]["run"] = run
        tiny.make_project(tmp_path / name, parameters)
        if name == "resumed":
            with monkeypatch.context() as patch, pytest.raises(SystemExit):
                patch.setattr(Trainer, "_require_finite_weights", fails_at_its_end)
                tiny.make_here(tmp_path / name, model)
            assert list((tmp_path / name).glob("work/tiny/run/*/state-*.safetensors"))
        tiny.make_here(tmp_path / name, model)
        made[name] = [(tmp_path / name / path).read_bytes() for path in (model, history)]
    assert made["without"] == made["with"] == made["resumed"]
    assert not (tmp_path / "without/work/tiny/tensorboard").exists()
    card = read_card(tmp_path / "with/work/tiny/cards/adapt/maxsquare/seed1.json")
    head, *rows = [line.split(",") for line in made["with"][1].decode().splitlines()]
    wanted = [
        (column.replace("loss_", "loss/"), int(row[0]), pytest.approx(float(value)))
        for row in rows
        for column, value in zip(head[1:], row[1:], strict=True)
        if value
    ]
    assert len(rows) > 1
    assert scalars(tmp_path / "with" / card.events) == scalars(tmp_path / "resumed" / card.events) == wanted

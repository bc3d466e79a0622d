"""``segadapt watch``: what a run is doing, told by its logs."""

import io
import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from tiny import tiny_parameters

from segadapt.cli import main
from segadapt.commands.watch import screen, sparkline
from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.plan import make_plan, watching
from segadapt.plan.session import begin_session
from segadapt.plan.watching import SESSION, look, write_session
from segadapt.training.history import HISTORY_SO_FAR, History

LINES = """adapt/maxsquare/seed1: 2026-11-26 09:00:00 UTC, process 4710 on node7
adapt/maxsquare/seed1: 0/200 (0 %), ?step/s, ? left, source 7
segadapt: stopped after step 0 of 200; the same command goes on from there
adapt/maxsquare/seed1: {moment} UTC, process 4711 on node7
adapt/maxsquare/seed1: 0/200 (0 %), ?step/s, ? left
adapt/maxsquare/seed1: 50/200 (25 %),  2.50step/s, 01:00 left, source 0.5, target -0.02
adapt/maxsquare/seed1: 100/200 (50 %),  3.36s/step, 05:36 left, source 0.25, target -1e-05
"""


def job(name: str) -> SimpleNamespace:
    return SimpleNamespace(name=name, log=f"work/tiny/logs/{name}.log", provenance=f"work/tiny/{name}/provenance.json")


def say(each: SimpleNamespace, text: str, seconds_ago: float = 0.0) -> None:
    path = Path(each.log)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - seconds_ago,) * 2)


def finish(each: SimpleNamespace) -> None:
    Path(each.provenance).parent.mkdir(parents=True, exist_ok=True)
    Path(each.provenance).write_text("{}")


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """A run that began five minutes ago: one job each that waits, runs, is done, has failed and crashed."""
    monkeypatch.chdir(tmp_path)
    names = ("table/table2", "adapt/maxsquare/seed1", "prepare/source", "adapt/minent/seed1", "adapt/minent/seed2")
    every = {name: job(name) for name in names}
    say(every["table/table2"], "of an earlier run\n", 1000)
    write_session("tiny", every.values())
    os.utime(SESSION, (time.time() - 300,) * 2)
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    say(every["adapt/maxsquare/seed1"], LINES.format(moment=moment), 90)
    finish(every["prepare/source"])
    say(every["adapt/minent/seed1"], "a/b: 1/2 (50 %), 1step/s, 00:01 left\nsegadapt: cannot write m: no space left\n")
    say(every["adapt/minent/seed2"], "Traceback (most recent call last):\n  File ...\nValueError: [b]odd[/b]\n", 20)
    return every


def seen(name: str):
    return {each.name: each for each in look().jobs}[name]


def test_the_state_of_every_job_is_what_its_files_say(jobs):
    assert [each.state for each in look().jobs] == ["waiting", "running", "done", "failed", "failed"]
    running = seen("adapt/maxsquare/seed1")
    assert (running.done, running.total, running.rate, running.left) == (100, 200, "3.36s/step", "05:36")
    assert running.losses == {"source": [0.5, 0.25], "target": [-0.02, -1e-05]} and 89 < running.silent < 120
    assert seen("adapt/minent/seed1").said == "cannot write m: no space left"
    assert seen("adapt/minent/seed2").said == "ValueError: [b]odd[/b]"


def test_the_losses_kept_beside_the_state_come_first(jobs):
    folder = Path("work/tiny/run/0123456789")
    for process, losses in ((4712, {"source": [0.5, 0.25], "target": [-0.02, -1e-05]}), (4711, {"source": [3, 2, 1]})):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "history.csv").write_text(
            "step,learning_rate,loss_source,loss_target\n1,0.1,3,\n2,0.1,2,\n3,0.1,1,\n"
        )
        folder.with_suffix(".lock").write_text(f"{process}\n")
        assert seen("adapt/maxsquare/seed1").losses == losses


def test_what_a_training_says_and_keeps_is_what_is_read(jobs):
    history = History(("sure_share",))
    history.rows.append([39, 0.01, 0.25, -0.5, 0.75])
    assert HISTORY_SO_FAR == watching._HISTORY
    assert watching._losses([history.latest()]) == {"source": [0.25], "target": [-0.5], "sure_share": [0.75]}


def test_a_job_that_has_said_nothing_yet_runs(jobs):
    say(jobs["table/table2"], "")
    assert (seen("table/table2").state, seen("table/table2").said) == ("running", "")
    say(jobs["table/table2"], "table/table2: reading\n")
    assert seen("table/table2").said == "table/table2: reading"
    # What an earlier run's try said is nothing of this one's, which has not come to say its first word.
    say(jobs["table/table2"], "table/table2: 2026-01-01 09:00:00 UTC, process 12 on here\nsegadapt: no space left\n")
    assert (seen("table/table2").state, seen("table/table2").said) == ("running", "")


def shown(width: int = 120) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(screen(look()))
    return console.export_text()


@pytest.mark.parametrize("width", [60, 120])
def test_the_screen_names_what_runs_what_is_done_and_what_failed(jobs, width):
    text = " ".join(shown(width).split())
    assert "1 of 5 jobs, 5 min 0 s" in text and "GiB free" in text and "prepare 1/1" in text and "adapt 0/3" in text
    assert "cannot write m: no space left" in text and "ValueError: [b]odd[/b]" in text
    if width == 120:
        assert "100/200 (50 %)" in text and "05:36, silent for 1 min 30 s" in text and "source █▁ 0.25" in text


def test_an_end_is_noticed_and_once_returns(jobs, capsys):
    assert not look().has_ended and "it has ended" not in shown()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    content = json.loads(SESSION.read_text())
    for changes, ended in (({"process": gone.pid}, True), ({"process": gone.pid, "host": "elsewhere"}, False)):
        before = SESSION.stat().st_mtime
        SESSION.write_text(json.dumps(content | changes))
        os.utime(SESSION, (before, before))
        assert look().has_ended == ended and ("interrupted" in shown()) == ended
    for each in jobs.values():
        finish(each)
    assert look().has_ended and "all done" in shown()
    # No terminal: it prints once and does not wait.
    assert main(["watch"]) == 0 and "5 of 5 jobs" in capsys.readouterr().out


def test_where_nothing_was_started_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["watch"]) == 2 and "no run was started" in capsys.readouterr().err
    SESSION.parent.mkdir()
    SESSION.write_text('{"jobs": []}')
    with pytest.raises(UserError, match=r"no note of a run.*delete it"):
        look()


def test_a_run_notes_what_it_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parameters = tiny_parameters(("source_only", "maxsquare"))
    for each in parameters["presets"]["tiny"]["datasets"].values():
        Path(each["root"]).mkdir(parents=True)
    plan = make_plan(parameters_from(parameters, "tiny"))
    session = begin_session(plan, ["work/tiny/metrics/maxsquare/seed1/metrics.json"])
    now = look()
    assert now.preset == "tiny" and now.process == os.getpid() and now.host == socket.gethostname()
    assert {each.state for each in now.jobs} == {"waiting"} and session is not None
    names = [each.name for each in now.jobs]
    assert names[-1] == "evaluate/maxsquare/seed1" and "adapt/maxsquare/seed1" in names
    assert not any(name.startswith(("table", "figure", "report")) for name in names)


@pytest.mark.parametrize(
    ("values", "width", "wanted"),
    [([1.0], 5, "▁"), ([2, 2], 5, "▁▁"), ([0, 7], 5, "▁█"), ([7, 7, 0, 0], 2, "█▁"), (list(range(8)), 8, "▁▂▃▄▅▆▇█")],
)
def test_curves_of_letters(values, width, wanted):
    assert sparkline(values, width) == wanted

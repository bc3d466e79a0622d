"""The same faults under Snakemake itself: fewer, for it starts a Python for every job."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import tiny

from .case import HEALED, SILENT, STUCK, TRACEBACK, WRONG, Case
from .corruption import AT_REST
from .damage import DAMAGES, newest_files
from .engine import Report, new_note
from .judging import Judgement
from .kills import forget_from
from .resources import TIMES
from .world import ENGINE, Reference, targets

SECONDS = 300.0
FROM = "adapt/maxsquare/seed1"
"""The job that is due, with all that follows: an adaptation, its evaluation and the table."""
MODEL = "work/tiny/models/maxsquare/seed1/model.safetensors"
MOMENTS = {
    "session": "work/tiny/cards/adapt",
    "start": "work/tiny/logs/adapt/maxsquare/*.log",
    "state": "work/tiny/run/*/state-*.safetensors",
    "model": MODEL,
    "scores": "work/tiny/metrics/maxsquare/seed1/confusion.safetensors",
    "table": "results/table2.csv",
}
"""A kill comes as soon as a file of this name is there."""
SIGNALS = {
    "engine-KILL": ("KILL", "engine"),
    "group-KILL": ("KILL", "group"),
    "job-KILL": ("KILL", "job"),
    "group-INT": ("INT", "group"),
    "engine-INT": ("INT", "engine"),
    "group-TERM": ("TERM", "group"),
}
RESTING = ("model", "confusion", "table-csv", "model-record", "card", "memo")


def _touch(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("work\n")


METADATA: dict[str, Callable[[Path], None]] = {
    "none": shutil.rmtree,
    "emptied": lambda folder: [os.truncate(path, 0) for path in folder.rglob("*") if path.is_file()],
    "noise": lambda folder: [path.write_bytes(os.urandom(64)) for path in folder.rglob("*") if path.is_file()],
    "locked": lambda folder: [_touch(folder / f"locks/0.{kind}.lock") for kind in ("input", "output")],
}


def cases() -> Iterator[Case]:
    """Kills at named moments, honest and lying disks, files at rest, clocks, and what Snakemake keeps for itself."""
    draw = random.Random(9)
    for kind in SIGNALS:
        yield from (
            Case("snakemake", kind, moment, world=ENGINE)
            for moment in draw.sample(sorted(MOMENTS), 1 + kind.endswith("KILL"))
        )
    for lie in ("cut", "zero"):
        yield from (Case("snakemake", f"lie-{lie}", moment, world=ENGINE) for moment in ("state", "scores"))
    for file in RESTING:
        yield Case("snakemake", draw.choice(["flip", "zero", "cut"]), file, world=ENGINE)
    yield from (Case("snakemake", f"clock-{kind}", FROM, world=ENGINE) for kind in TIMES)
    yield from (Case("snakemake", f"metadata-{kind}", FROM, world=ENGINE) for kind in METADATA)
    yield Case("snakemake", "touch", FROM, world=ENGINE)


def run(case: Case, folder: Path, reference: Reference) -> Judgement:
    """Afterwards one command ends with the bytes of an undisturbed run, and the next finds nothing to do."""
    draw, reports = random.Random(case.name), []
    if case.target in MOMENTS:
        forget_from(folder, reference, FROM)
        (folder / "work/tiny/cards").rename(folder / "work/tiny/former cards")
        reports.append(_killed(case, folder, draw))
    elif case.kind in DAMAGES:
        path = folder / AT_REST[case.target]
        DAMAGES[case.kind](path, draw)
    else:
        reports += _due(case, folder, reference, draw)
    reports.append(snakemake(folder))
    return _judge(folder, reference, reports)


def snakemake(folder: Path, *arguments: str) -> Report:
    """The command, to its end."""
    process, note = _started(folder, *arguments)
    report = Report()
    try:
        report.code = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        report.hung = True
        os.killpg(process.pid, signal.SIGKILL)
        report.code = process.wait()
    report.text = note.read_text(errors="replace")
    return report


def _started(folder: Path, *arguments: str) -> tuple[subprocess.Popen, Path]:
    note = new_note(folder)
    environment = tiny.environment(folder)
    environment.pop("PYTHONDONTWRITEBYTECODE")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments, *targets(ENGINE)]
    with open(note, "wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL, process_group=0
        )
    return process, note


def _killed(case: Case, folder: Path, draw: random.Random) -> Report:
    name, whom = SIGNALS.get(case.kind, ("KILL", "group"))
    process, note = _started(folder)
    began = time.monotonic()
    while process.poll() is None and not any(folder.glob(MOMENTS[case.target])) and time.monotonic() < began + SECONDS:
        time.sleep(0.01)  # polling for a file of another process
    number = getattr(signal, f"SIG{name}")
    with contextlib.suppress(ProcessLookupError, psutil.Error):
        if whom == "group":
            os.killpg(process.pid, number)
        elif whom == "engine":
            process.send_signal(number)
        else:
            for child in psutil.Process(process.pid).children(recursive=True):
                if any("segadapt.stages" in word for word in child.cmdline()):
                    child.send_signal(number)
    report = Report()
    try:
        report.code = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        report.hung = True
        os.killpg(process.pid, signal.SIGKILL)
    if case.kind.startswith("lie-"):
        DAMAGES[case.kind.removeprefix("lie-")](newest_files(folder)[draw.randrange(3)], draw)
    report.text = note.read_text(errors="replace")
    return report


def _due(case: Case, folder: Path, reference: Reference, draw: random.Random) -> list[Report]:
    """λ is edited, everything made with it, and λ is put back; clocks and metadata are spoilt before each command."""
    path, reports = folder / "params.yaml", []
    before = path.read_text()
    content = tiny.yaml.safe_load(before)
    content["methods"]["maxsquare"]["lambda_target"] = 0.7
    for text in (tiny.yaml.safe_dump(content, sort_keys=False, allow_unicode=True), before):
        path.write_text(text)
        if case.kind.startswith("clock-"):
            for where, _, names in os.walk(folder):
                for name in names:
                    moment = TIMES[case.kind.removeprefix("clock-")](draw)
                    os.utime(os.path.join(where, name), (moment, moment), follow_symlinks=False)
        if case.kind.startswith("metadata-") and (folder / ".snakemake").is_dir():
            METADATA[case.kind.removeprefix("metadata-")](folder / ".snakemake")
        if case.kind == "touch":
            snakemake(folder, "--touch")
        if text != before:
            reports.append(snakemake(folder))
            if reports[-1].code == 0 and MODEL not in reference.differences(folder):
                reports[-1].text += f"\n{_STALE}"
    return reports


_STALE = "the model is still that of the earlier value"


def _judge(folder: Path, reference: Reference, reports: list[Report]) -> Judgement:
    for report in reports:
        if report.has_traceback:
            return TRACEBACK, report.last_words()
        if report.hung:
            return STUCK, f"hangs: {report.last_words()}"
        if _STALE in report.text:
            return SILENT, _STALE
    differences = reference.differences(folder)
    if reports[-1].code != 0:
        return STUCK, f"exit {reports[-1].code}, {len(differences)} differ: {reports[-1].last_words()}"
    if differences:
        return WRONG, f"{len(differences)} differ: {', '.join(differences[:4])}"
    again = snakemake(folder, "-n")
    if again.code != 0 or "Nothing to be done" not in again.text:
        return STUCK, f"still due: {again.last_words()}"
    return HEALED, ""

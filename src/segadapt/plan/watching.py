"""What a run is doing, told by its logs alone: nothing is hashed, planned or locked, so it may be asked often."""

import os
import re
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json, write_json
from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.core.stages import STAGES

SESSION = Path("work/session.json")
"""What the last run was asked for; its time is the run's start."""
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
_PROGRESS = re.compile(r"(\d+)/(\d+) \(\d+ %\), +(.+), (\S+) left(?:, (.*))?$")
_LOSS = re.compile(r"(\w[\w ]*) (-?[\d.]+(?:e[-+]?\d+)?)(?:, |$)")
_PROCESS = re.compile(r": (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC, process (\d+) on \S+$")
_SKEW = 60.0
"""Seconds by which the clocks of two machines may differ."""
_HISTORY = next(stage.files["history"] for stage in STAGES.values() if stage.trains)
_SENTENCE, _TRACEBACK = "segadapt: ", "Traceback (most recent call last):"


@dataclass(frozen=True)
class Seen:
    """A job of the run. ``silent`` are the seconds since its log grew, ``said`` is the last line of it.

    Of one that runs: ``done`` of ``total`` items, ``rate`` and ``left`` as the log has them, and the values of its
    losses so far by name.
    """

    name: str
    state: str
    log: str
    silent: float = 0.0
    said: str = ""
    done: int = 0
    total: int = 0
    rate: str = ""
    left: str = ""
    losses: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """The jobs that a run had to make, in the plan's order; ``started`` is a time of the clock, ``process`` its own."""

    preset: str
    started: float
    process: int
    host: str
    jobs: tuple[Seen, ...]

    def of(self, state: str) -> list[Seen]:
        """The jobs in a state."""
        return [job for job in self.jobs if job.state == state]

    @property
    def has_ended(self) -> bool:
        """Whether its process is gone. Of another machine's it is not known, and taken to live until all is done."""
        if all(job.state == DONE for job in self.jobs):
            return True
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


def write_session(preset: str, due: Iterable[Job]) -> None:
    """Notes what a run that begins now is going to make."""
    jobs = [{"name": job.name, "log": job.log, "record": job.provenance} for job in due]
    about = {"preset": preset, "process": os.getpid(), "host": socket.gethostname(), "jobs": jobs}
    write_json(SESSION, about, lasting=False)


def look() -> Run:
    """How far the run of this folder is; UserError if there was none."""
    if not SESSION.is_file():
        raise UserError(
            f"{SESSION} is missing: no run was started in this folder; start one (make table2) and watch it from "
            "another terminal"
        )
    content, started = read_json(SESSION), SESSION.stat().st_mtime
    try:
        jobs = tuple(_seen(each, content["preset"], started) for each in content["jobs"])
        return Run(content["preset"], started, content["process"], content["host"], jobs)
    except (KeyError, TypeError) as error:
        raise UserError(f"{SESSION} is no note of a run ({error!r}); delete it, the next run writes it anew") from error


def _seen(job: dict[str, str], preset: str, started: float) -> Seen:
    name, log = job["name"], Path(job["log"])
    if _time(Path(job["record"])) >= started:
        return Seen(name, DONE, job["log"])
    if _time(log) < started:
        return Seen(name, WAITING, job["log"])
    silent = max(0.0, time.time() - _time(log))
    lines = [line for line in _text(log).splitlines() if line.strip()]
    # Logs grow from try to try, of earlier runs too; each try begins with its process.
    begins = [(place, match) for place, line in enumerate(lines) if (match := _PROCESS.search(line))]
    if begins:
        place, match = begins[-1]
        begun = datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
        lines = lines[place:] if begun + _SKEW >= started else []
    said = lines[-1] if lines else ""
    if said.startswith(_SENTENCE) or _TRACEBACK in lines:
        return Seen(name, FAILED, job["log"], silent, said.removeprefix(_SENTENCE))
    found = [match for line in lines if (match := _PROGRESS.search(line))]
    if not found:
        return Seen(name, RUNNING, job["log"], silent, said)
    done, total, rate, left, _ = found[-1].groups()
    losses = _history(preset, lines) or _losses(match[5] or "" for match in found)
    return Seen(name, RUNNING, job["log"], silent, said, int(done), int(total), rate, left, losses)


def _losses(told: Iterable[str]) -> dict[str, list[float]]:
    """By name, from the ends of a log's lines."""
    found: dict[str, list[float]] = {}
    for line in told:
        for name, value in _LOSS.findall(line):
            found.setdefault(name, []).append(float(value))
    return found


def _history(preset: str, lines: list[str]) -> dict[str, list[float]]:
    """The losses that a job has kept beside its state, those from before it was interrupted too; {} if it has not."""
    process = next((match[2] for line in lines if (match := _PROCESS.search(line))), None)
    for path in Path(f"work/{preset}/run").glob(f"*/{_HISTORY}"):
        if process is not None and _text(path.parent.with_suffix(".lock")).split()[:1] == [process]:
            head, *rows = [line.split(",") for line in _text(path).splitlines()]
            columns: dict[str, Any] = dict(zip(head, zip(*rows, strict=True), strict=True))
            return {
                name.removeprefix("loss_"): [float(value) for value in values if value]
                for name, values in columns.items()
                if name.startswith("loss_") and any(values)
            }
    return {}


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""


def _time(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0

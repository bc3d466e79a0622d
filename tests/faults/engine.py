"""The plan's own engine: what is due, one job after the other, each in a process that is forked and not started anew.

It does what Snakemake does with the plan's answer: a due job's outputs are removed before it runs and after it failed,
what follows a failed job is left out, the rest goes on. That costs 0.1 s a job instead of 3.
"""

import contextlib
import ctypes
import importlib
import json
import os
import runpy
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segadapt.core.edge import known_causes
from segadapt.core.errors import UserError
from segadapt.core.parameters import load_parameters
from segadapt.core.stages import STAGES
from segadapt.plan import make_plan, statuses
from segadapt.plan.session import begin_session
from segadapt.plan.shelf import shelve
from segadapt.plan.targets import jobs_behind

from .moments import Disturbance, Watch

TIMEOUT_SECONDS = 240.0
LONGEST = 1_000_000
"""Letters that are kept of what a command says."""
TRACEBACK_TEXT = "Traceback (most recent call last)"
BUSY, FAILED = 3, 1
SESSION, EVERYWHERE = "session", "everywhere"
_ended: dict[int, int] = {}
"""Exit status of the processes that this one has waited for."""


@dataclass
class Report:
    """What a command said and did. ``codes``: exit status by job, in the order in which they ran."""

    code: int | None = None
    due: list[str] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    text: str = ""
    hung: bool = False

    @property
    def has_traceback(self) -> bool:
        return TRACEBACK_TEXT in self.text

    @property
    def said(self) -> list[str]:
        """The sentences for users."""
        return [line for line in self.text.splitlines() if line.startswith("segadapt: ")]

    def last_words(self) -> str:
        """The end of what was said, for a verdict's detail."""
        return " | ".join(self.text.strip().splitlines()[-3:])[-600:]


def warm_up() -> None:
    """Imports what children need, so that none of them has to; torch keeps to one thread, else it could not fork."""
    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="runpy")
    # Stages, what they import by name, and libraries that are imported late: without memory OpenBLAS hangs there.
    for late in ("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "scipy.ndimage", "scipy.stats"):
        importlib.import_module(late)
    for folder in ("stages", "reporting/figures", "reporting/tables", "methods", "models/networks"):
        for path in sorted((Path(__import__("segadapt").__file__).parent / folder).glob("[a-z]*.py")):
            importlib.import_module(f"segadapt.{folder.replace('/', '.')}.{path.stem}")


def adopt_orphans() -> None:
    """Children of killed children become this process's own, so that all of them can be waited for."""
    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def start_command(
    folder: Path, targets: list[str], note: Path, disturbance: Disturbance | None = None,
    before: Callable[[], None] | None = None, only_session: bool = False,
) -> int:  # fmt: skip
    """Starts the command in a group of its own and returns its process id. ``before`` is called in the new process."""
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        _child(
            lambda: _until_cancelled(lambda: _command(folder, targets, note, disturbance, before, only_session)), note
        )
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    return pid


def command(folder: Path, targets: list[str], disturbance: Disturbance | None = None, **how) -> Report:
    """The command, run to its end or, after a while, to ours."""
    note = new_note(folder)
    return finish(start_command(folder, targets, note, disturbance, **how), note)


def start(folder: Path, work: Callable[[], int], note: Path) -> int:
    """Starts a function in a process of its own, with ``folder`` as its working folder; returns its process id."""
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.chdir(folder)
        _child(work, note)
    return pid


def call(folder: Path, work: Callable[[], int], timeout: float = TIMEOUT_SECONDS) -> Report:
    """A function as a command: it returns an exit status and writes to stdout and stderr."""
    note = new_note(folder)
    return finish(start(folder, work, note), note, timeout)


def stage(folder: Path, name: str, before: Callable[[], None] | None = None) -> Report:
    """One job's stage, run by hand on its card as it lies there."""
    return call(folder, lambda: by_hand(name, before))


def by_hand(name: str, before: Callable[[], None] | None = None) -> int:
    """What ``stage`` starts."""
    card = json.loads(Path(f"work/tiny/cards/{name}.json").read_text())
    if before is not None:
        before()
    _run_stage(STAGES[card["stage"]].module, f"work/tiny/cards/{name}.json")
    return 0


def finish(pid: int, note: Path, timeout: float = TIMEOUT_SECONDS) -> Report:
    """Waits for a command to end; one that stops is told to go on after a moment."""
    report = Report()
    deadline = time.monotonic() + timeout
    while pid not in _ended:
        _look()
        if time.monotonic() > deadline:
            report.hung = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            deadline = float("inf")
        time.sleep(0.002)
    report.code = _ended.pop(pid)
    with open(note, errors="replace") as file:
        words = file.read(LONGEST)
    for line in words.splitlines(keepends=True):
        if line.startswith('{"note"'):
            with contextlib.suppress(ValueError):
                _add(report, json.loads(line))
                continue
        report.text += line
    return report


def wait_for_orphans(timeout: float = TIMEOUT_SECONDS) -> None:
    """Until nothing that this process started or adopted is running; what then still runs is ended."""
    deadline = time.monotonic() + timeout
    while _look():
        if time.monotonic() > deadline:
            for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
        time.sleep(0.002)


def _look() -> bool:
    """Takes note of a process that has ended, if there is one; False where there is none left at all."""
    try:
        ended, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
    except ChildProcessError:
        return False
    if ended and os.WIFSTOPPED(status):
        _go_on(ended)
    elif ended:
        _ended[ended] = os.waitstatus_to_exitcode(status)
    return True


def _go_on(pid: int) -> None:
    time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _add(report: Report, note: dict) -> None:
    if note["note"] == "due":
        report.due = note["jobs"]
    elif note["note"] == "events":
        report.events[note["job"]] = note["count"]
    else:
        report.codes[note["job"]] = note["code"]


def new_note(folder: Path) -> Path:
    """A file beside the case's folder for what one more process says."""
    number = len(list(folder.parent.glob("note-*")))
    path = folder.parent / f"note-{number}"
    path.touch()
    return path


def _child(work: Callable[[], int], note: Path) -> None:
    """The rest of a forked process's life: its words go to ``note``, and it never returns."""
    code = FAILED
    try:
        # As at a terminal: whatever a shell starts in the background ignores it, and so would this suite there.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.stdin = open(os.devnull)  # noqa: SIM115 - lives as long as the process
        descriptor = os.open(note, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        code = work()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except KeyboardInterrupt:
        code = 130
        traceback.print_exc()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code or 0)


def _run_stage(module: str, card: str) -> None:
    sys.argv = [module, card, "1"]
    runpy.run_module(module, run_name="__main__")


def _command(
    folder: Path, targets: list[str], note: Path, disturbance: Disturbance | None, before: Callable[[], None] | None,
    only_session: bool,
) -> int:  # fmt: skip
    os.chdir(folder)
    if before is not None:
        before()
    engine = os.getpid()
    watch = _arm(disturbance, SESSION, engine)
    plan, session, due = _politely(lambda: _due(targets))
    if session is None:
        return BUSY
    if watch is not None:
        _say(note="events", job=SESSION, count=watch.count)
    _say(note="due", jobs=[job.name for job in due])
    if only_session:
        return 0
    failed: set[str] = set()
    for job in due:
        makers = {plan.by_output[each.maker].name for each in job.inputs if each.maker}
        if makers & failed:
            failed.add(job.name)
            continue
        _remove(job)
        code = _job(job, note, session, engine, disturbance)
        _say(note="job", job=job.name, code=code)
        if code:
            failed.add(job.name)
            _remove(job)
    if not failed:
        _politely(lambda: shelve(plan))
    return FAILED if failed else 0


def _until_cancelled(work: Callable[[], int]) -> int:
    """As Snakemake takes Ctrl-C, in its words; a stage that lets one pass has no such excuse."""
    try:
        return work()
    except KeyboardInterrupt:
        print("Cancelling snakemake on user request.", file=sys.stderr)
        return 130


def _politely(function: Callable[[], Any]) -> Any:
    """As the workflow does it: sentences for users, and of what is known of the machine's failures."""
    try:
        with known_causes():
            return function()
    except UserError as error:
        print(f"segadapt: {error}", file=sys.stderr)
        sys.exit(2)


def _due(targets: list[str]):
    plan = make_plan(load_parameters("params.yaml"))
    session = begin_session(plan, targets)
    needed = jobs_behind(plan, targets)
    found = statuses(plan) if session is not None else []
    return plan, session, [status.job for status in found if not status.is_ok and status.job.name in needed]


def _say(**note) -> None:
    os.write(1, (json.dumps(note) + "\n").encode())


def _arm(disturbance: Disturbance | None, where: str, engine: int) -> Watch | None:
    return disturbance.arm(engine) if disturbance is not None and disturbance.where in (where, EVERYWHERE) else None


def _job(job, note: Path, session, engine: int, disturbance: Disturbance | None) -> int:
    pid = os.fork()
    if pid == 0:
        session.lock.close()  # a program that is started anew would not have it either

        def work() -> int:
            watch = _arm(disturbance, job.name, engine)
            _run_stage(STAGES[job.stage].module, job.card)
            if watch is not None:
                _say(note="events", job=job.name, count=watch.count)
            return 0

        _child(work, note)
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            _go_on(pid)
            continue
        return os.waitstatus_to_exitcode(status)


def _remove(job) -> None:
    """As Snakemake does it: files and links, and empty folders; it leaves others where they are."""
    for path in (*job.outputs.values(), job.provenance):
        with contextlib.suppress(OSError):
            os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)

"""The start of an engine's run: who is at work here, stale locks away, file times in order."""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from segadapt.core.errors import UserError
from segadapt.core.locking import try_lock
from segadapt.core.stages import FOLDERS
from segadapt.plan.place import require_writable
from segadapt.plan.plan import Plan
from segadapt.plan.requirements import check_requirements
from segadapt.plan.shelf import shelve_leftovers, unshelve
from segadapt.plan.status import Status, tell_engines
from segadapt.plan.targets import jobs_behind
from segadapt.plan.watching import write_session

OWNER = Path("work/.owner")
SNAKEMAKE_MARKS = (Path(".snakemake/locks"), Path(".snakemake/incomplete"))
"""Folders of what Snakemake leaves behind when it is killed: locks, and marks on outputs that may not be whole. Ours
are whole or not there."""
SNAKEMAKE_NOTES = Path(".snakemake/metadata")


def lend_environment(source: str) -> None:
    """Jobs run with the Python of this process, activated or not, and with the code in ``source``.

    Set here and not before each command, where it would come before the environment that
    ``--software-deployment-method conda`` activates.
    """
    for name, first in (("PATH", str(Path(sys.executable).parent)), ("PYTHONPATH", source)):
        os.environ[name] = os.pathsep.join([first, *filter(None, [os.environ.get(name)])])


@dataclass(frozen=True)
class Session:
    """A run's own: the lock that its process must keep, and the paths that its due jobs will write anew."""

    lock: IO[str]
    made_anew: frozenset[str]


def begin_session(plan: Plan, targets: Iterable[str] = ()) -> Session | None:
    """Prepares the working folder for a run.

    The lock is the kernel's, so it is gone when its holder dies, even by SIGKILL. Whoever gets it is alone
    here: Snakemake's own marks, if any lie about, are a dead process's and are removed. None means that
    another run is at work; nothing is touched then, and Snakemake's own lock will say so. UserError if a folder
    cannot be written, if something that only the user can bring is missing and the ``targets`` need it (all that there
    is, if none is named), or if another run is at work and this preset was never asked for.
    """
    require_writable(plan)
    owner = try_lock(OWNER)
    if owner is None:
        _require_cards(plan)
        return None
    for stale in [path for folder in SNAKEMAKE_MARKS for path in folder.glob("*") if path.is_file()]:
        stale.unlink(missing_ok=True)
    _forget_damaged_notes()
    # DVC versions them all, also where nothing is made for one of them.
    for name in FOLDERS:
        Path(f"work/{plan.parameters.preset}/{name}").mkdir(parents=True, exist_ok=True)
    unshelve(plan)
    found, needed = tell_engines(plan), jobs_behind(plan, targets)
    due = [status for status in found if not status.is_ok]
    shelve_leftovers(plan, [status.job for status in found if status.is_ok])
    asked_for = [status for status in due if status.job.name in needed]
    _refuse_folders(asked_for)
    check_requirements(asked_for)
    write_session(plan.parameters.preset, [status.job for status in asked_for])
    return Session(owner, frozenset(path for status in due for path in status.job.outputs.values()))


def _forget_damaged_notes() -> None:
    """Snakemake's notes on earlier jobs decide nothing here, but one that is no JSON ends its run."""
    for path in SNAKEMAKE_NOTES.rglob("*"):
        if path.is_file():
            try:
                json.loads(path.read_bytes() or b"{}")
            except ValueError:
                path.unlink()


def _refuse_folders(due: Iterable[Status]) -> None:
    """What stands in the way of an output and could not be replaced by it."""
    for path in (path for status in due for path in (*status.job.outputs.values(), status.job.provenance)):
        if Path(path).is_dir():
            raise UserError(f"{path} is a folder where a file belongs; remove it and run the same command again")


def _require_cards(plan: Plan) -> None:
    """UserError if cards are missing, which only the run that is alone here may write."""
    if not all(Path(job.card).is_file() for job in plan.jobs):
        holder = OWNER.read_text().strip() or "unknown"
        raise UserError(
            f"another run (process {holder}) is at work in this folder, and preset {plan.parameters.preset} was not "
            "asked for with these parameters before; wait for its end, or ask "
            f"'segadapt status --preset {plan.parameters.preset}'"
        )

"""The start of an engine's run: who is at work here, stale locks away, file times in order."""

from collections.abc import Iterable
from pathlib import Path
from typing import IO

from segadapt.core.locking import try_lock
from segadapt.plan.jobs import Plan
from segadapt.plan.requirements import check_requirements
from segadapt.plan.shelf import unshelve
from segadapt.plan.status import order_times
from segadapt.plan.targets import jobs_behind

OWNER = Path("work/.owner")
SNAKEMAKE_LOCKS = Path(".snakemake/locks")
VERSIONED = ("data", "cache", "sources", "models", "classifiers", "metrics", "answers", "results")
"""Folders of a preset that DVC versions, also where nothing is made for one of them."""


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA device, told without importing torch."""
    return Path("/dev/nvidia0").exists()


def begin_session(plan: Plan, targets: Iterable[str] = ()) -> IO[str] | None:
    """Prepares the working folder for a run and returns the lock that its process must keep.

    The lock is the kernel's, so it is gone when its holder dies, even by SIGKILL. Whoever gets it is alone
    here: Snakemake's own lock files, if any lie about, are a dead process's and are removed. None means that
    another run is at work; nothing is touched then, and Snakemake's own lock will say so. UserError if something
    that only the user can bring is missing and the ``targets`` need it (all that there is, if none is named).
    """
    owner = try_lock(OWNER)
    if owner is None:
        return None
    for stale in SNAKEMAKE_LOCKS.glob("*.lock"):
        stale.unlink(missing_ok=True)
    for name in VERSIONED:
        Path(f"work/{plan.parameters.preset}/{name}").mkdir(parents=True, exist_ok=True)
    unshelve(plan)
    needed = jobs_behind(plan, targets)
    check_requirements(status for status in order_times(plan) if status.job.name in needed)
    return owner

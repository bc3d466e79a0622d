"""Every preset's tables and figures, ``work/<preset>/results``, which DVC versions, and the links that show them.

``results/`` shows the preset that was asked for last, and which files lie there depends on the preset; DVC must be
told once and for all what a phase makes. So when a run ends well, what it made in ``results/`` is moved to a folder of
the preset's own, and a link is left in its place: whatever ``dvc checkout`` brings back is what is shown.
"""

import filecmp
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from segadapt.core.artifacts import atomic_path
from segadapt.core.job import Job
from segadapt.core.provenance import read_provenance
from segadapt.plan.plan import Plan
from segadapt.plan.targets import jobs_of


def shelf(plan: Plan) -> Path:
    """The folder of the plan's preset."""
    return Path(f"work/{plan.parameters.preset}/results")


def shelve(plan: Plan) -> None:
    """Moves the tables and figures that are there; what the plan no longer makes is removed from the shelf."""
    pairs = {kept: shown for job in jobs_of(plan, "table") for kept, shown in _pairs(plan, job)}
    for kept in [path for path in shelf(plan).rglob("*") if path.is_file() and path not in pairs]:
        kept.unlink()
    _move(pairs)


def shelve_leftovers(plan: Plan, finished: Iterable[Job]) -> None:
    """Moves what these finished jobs have made and the run that started them, for it was killed, did not move."""
    names = {job.name for job in finished}
    _move({kept: shown for job in jobs_of(plan, "table") if job.name in names for kept, shown in _pairs(plan, job)})


def unshelve(plan: Plan) -> None:
    """Shows the tables and figures that are on the shelf and missing in ``results/``, or there of other parameters.

    A job's files are shown together. What lies in ``results/`` without a record stays: it is a partial table, or a
    user's.
    """
    for job in jobs_of(plan, "table"):
        pairs = [(kept, shown) for kept, shown in _pairs(plan, job) if kept.is_file()]
        is_there = any(shown.is_file() and not shown.is_symlink() for _, shown in pairs)
        if not is_there or _is_older_than_kept(job, shelf(plan) / _below(job.provenance)):
            for kept, shown in pairs:
                _show(kept, shown)


def _is_older_than_kept(job: Job, kept: Path) -> bool:
    """Whether what is shown is of other parameters or code than the plan's, and what is kept is not."""
    shown = read_provenance(Path(job.provenance))
    return shown is not None and shown["identity"] != job.identity() and _is_of(job, kept)


def _move(pairs: Mapping[Path, Path]) -> None:
    for kept, shown in pairs.items():
        if shown.is_file() and not _is_link_to(shown, kept):
            _keep(shown, kept)
            _show(kept, shown)


def _pairs(plan: Plan, job: Job) -> Iterator[tuple[Path, Path]]:
    for path in (*job.outputs.values(), job.provenance):
        yield shelf(plan) / _below(path), Path(path)


def _below(path: str) -> Path:
    return Path(path).relative_to("results")


def _is_of(job: Job, provenance: Path) -> bool:
    record = read_provenance(provenance)
    return record is not None and record["identity"] == job.identity()


def _is_link_to(shown: Path, kept: Path) -> bool:
    return shown.is_symlink() and shown.exists() and kept.exists() and shown.samefile(kept)


def _keep(shown: Path, kept: Path) -> None:
    # An equal file keeps its time, by which DVC tells whether anything was made anew.
    if kept.is_file() and filecmp.cmp(shown, kept, shallow=False):
        return
    with atomic_path(kept) as temporary:
        shutil.copyfile(shown, temporary)


def _show(kept: Path, shown: Path) -> None:
    if _is_link_to(shown, kept):
        return
    with atomic_path(shown, lasting=False) as temporary:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.path.relpath(kept, shown.parent))

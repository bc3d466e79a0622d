"""Every preset's own copy of its tables and figures, ``work/<preset>/results``, which DVC versions.

``results/`` shows the preset that was asked for last, and which files lie there depends on the preset; DVC must be
told once and for all what a phase makes. So what lies there is copied to a folder of the preset's own when a run ends
well, and what is missing there is copied back when one begins: after ``dvc pull``, or when the preset is changed.
"""

import filecmp
import shutil
from collections.abc import Iterator
from pathlib import Path

from segadapt.core.artifacts import atomic_path
from segadapt.plan.jobs import Plan
from segadapt.plan.targets import PHASES


def shelf(plan: Plan) -> Path:
    """The folder of the plan's preset."""
    return Path(f"work/{plan.parameters.preset}/results")


def shelve(plan: Plan) -> None:
    """Copies the tables and figures that are there; what the plan no longer makes is removed from the shelf."""
    wanted = {kept: shown for kept, shown in _pairs(plan) if shown.is_file()}
    for kept in [path for path in shelf(plan).rglob("*") if path.is_file() and path not in wanted]:
        kept.unlink()
    for kept, shown in wanted.items():
        _copy(shown, kept)


def unshelve(plan: Plan) -> None:
    """Copies back the tables and figures that are missing in ``results/``."""
    for kept, shown in _pairs(plan):
        if kept.is_file() and not shown.exists():
            _copy(kept, shown)


def _pairs(plan: Plan) -> Iterator[tuple[Path, Path]]:
    for job in plan.jobs:
        if job.stage in PHASES["table"]:
            for path in map(Path, (*job.outputs.values(), job.provenance)):
                yield shelf(plan) / path.relative_to("results"), path


def _copy(source: Path, target: Path) -> None:
    # Equal files keep their times, by which DVC and Snakemake tell whether anything was made anew.
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)

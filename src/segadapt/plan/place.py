"""Where a run may take place: in the project's own folder, on which disks, and where it can write.

Asked before anything is touched, for the engines tell of it by tracebacks.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from segadapt.core.edge import require_importable
from segadapt.core.errors import UserError
from segadapt.plan.plan import Plan

_ENGINES = (".snakemake", ".snakemake/locks", ".snakemake/incomplete", ".snakemake/metadata", ".snakemake/log")


def require_place(project: Path) -> None:
    """UserError unless the working folder is ``project``, the Snakefile's, and its path has no brace and no colon.

    All paths of a plan are relative to it. Snakemake takes braces in the paths of a workflow's own files for wildcards.
    """
    project = project.resolve()
    if Path.cwd() != project:
        raise UserError(
            f"this run would work in {Path.cwd()}, but the project is {project}; go there, or say "
            f"--directory '{project}'"
        )
    if {"{", "}"} & set(str(project)):
        raise UserError(f"Snakemake cannot work in {project}, for it takes its braces for wildcards; rename the folder")
    require_importable(project)


def require_versionable(preset: str) -> None:
    """UserError if DVC started this run and would afterwards refuse what it made, for it lies behind a link.

    DVC follows a link in the place of a folder that it versions (``work/<preset>/cache``), not one further up.
    """
    for folder in (Path("work"), Path("work") / preset):
        if "DVC_STAGE" in os.environ and folder.is_symlink():
            raise UserError(
                f"{folder} is a link, behind which DVC versions nothing; make it a folder and link those within that "
                f"are large (work/{preset}/cache, models, run), or run snakemake without DVC"
            )


def require_writable(plan: Plan) -> None:
    """UserError for a folder of the project that cannot be written, that is a file, or a link to nowhere.

    Asked of the folders of every job of the plan and the engine's own, or of the one where they would be made.
    """
    for folder in {_nearest(each) for each in _folders(plan)}:
        _require(folder)


def _folders(plan: Plan) -> Iterator[Path]:
    yield from map(Path, _ENGINES)
    yield from (Path("work", plan.parameters.preset, name) for name in ("run", "seen"))
    for job in plan.jobs:
        for path in (*job.outputs.values(), job.provenance, job.card, job.log):
            yield Path(path).parent


def _nearest(folder: Path) -> Path:
    """Itself, or the nearest folder above it that is there."""
    while not folder.exists():
        if folder.is_symlink():
            raise UserError(
                f"{folder} is a link to {os.readlink(folder)}, which is missing; make that folder (is its disk there?) "
                "or remove the link"
            )
        folder = folder.parent
    return folder


def _require(folder: Path) -> None:
    shown = folder.resolve() if folder == Path() else folder
    if not folder.is_dir():
        raise UserError(f"{shown} is a file, but a run keeps a folder there; move it away")
    if not os.access(folder, os.W_OK | os.X_OK):
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        mend = "mount it for writing" if read_only else f"allow it (chmod u+rwx '{shown}')"
        reason = "its file system is read-only" if read_only else "its permissions forbid it"
        raise UserError(f"cannot write in the folder {shown}: {reason}; {mend}, or work in a copy of the project")

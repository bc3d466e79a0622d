"""Where a run may take place: in the project's own folder, whose name every tool can write down, and on which disks."""

import os
from pathlib import Path

from segadapt.core.errors import UserError


def require_place(project: Path) -> None:
    """UserError unless the working folder is ``project``, the Snakefile's, and its path has no brace.

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

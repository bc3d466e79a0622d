"""The project in whose folder a command is given: what commands need that look at a run of the pipeline."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from segadapt.core.errors import UserError

if TYPE_CHECKING:
    from segadapt.plan import Plan


def add_preset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", help="another preset than params.yaml says")


def plan_of(preset: str | None) -> Plan:
    """The plan of this folder's project, of another preset if one is named; UserError where there is no project."""
    from segadapt.core.parameters import load_parameters
    from segadapt.plan import make_plan

    if not Path("params.yaml").exists():
        raise UserError(
            f"there is no params.yaml in {Path.cwd()}: this command is about a run of the pipeline; go to the folder "
            "of the project's repository"
        )
    return make_plan(load_parameters("params.yaml", {"preset": preset} if preset else {}))


def brought(table: Path) -> Path:
    """The table; if it is not there, results that are kept of this preset, by ``dvc pull`` for example, are linked."""
    if not table.exists() and Path("params.yaml").exists():
        from segadapt.plan.shelf import unshelve

        unshelve(plan_of(None))
    return table

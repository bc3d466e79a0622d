"""What all jobs of figures have in common."""

from typing import Any

from segadapt.core.job import Job
from segadapt.plan.planner import Planner

FIGURES = "results/figures"
DRAWN = {"picture": "png", "vector": "svg", "data": "csv"}
"""The files of a drawn figure: as pixels, as lines, and the points behind it."""


def figure(
    planner: Planner, stage: str, name: str, inputs: dict[str, str], config: dict[str, Any],
    kinds: dict[str, str] = DRAWN,
) -> Job:  # fmt: skip
    """A job of ``results/figures/<name>.*``; ``kinds`` are its files, role to ending."""
    files = {role: f"{name}.{kind}" for role, kind in kinds.items()}
    provenance = f"{FIGURES}/{name}.provenance.json"
    return planner.job(stage, f"figure/{name}", FIGURES, files, provenance=provenance, inputs=inputs, config=config)


def about_figure(planner: Planner) -> dict[str, Any]:
    """What every figure of scores goes by and says."""
    return {
        "evaluation_size": planner.parameters.active_protocol.evaluation_size,
        "data_note": planner.preset.data_note,
    }

"""Named sets of targets for the engines: DVC's phases and the tables."""

from segadapt.core.job import Job
from segadapt.plan.jobs import Plan

PHASES = {
    "data": ("render", "prepare"),
    "pretrain": ("pretrain",),
    "adapt": ("adapt", "refine"),
    "evaluate": ("evaluate",),
    "table": ("table",),
}
"""The phases that DVC versions, and the stages of each."""


def phase_targets(plan: Plan, phase: str) -> list[str]:
    """The provenance files of a phase's jobs: asking for them asks for the whole phase."""
    return [job.provenance for job in plan.jobs if job.stage in PHASES[phase]]


def table_jobs(plan: Plan) -> list[Job]:
    """The jobs that assemble tables."""
    return [job for job in plan.jobs if job.stage == "table"]

"""Named sets of targets for the engines: DVC's phases and the tables."""

from segadapt.plan.jobs import Plan

PHASES = {
    "data": ("render", "prepare"),
    "pretrain": ("pretrain",),
    "adapt": ("adapt", "refine"),
    "evaluate": ("evaluate",),
    "table": ("table", "protocols", "figure", "curves"),
}
"""The phases that DVC versions, and the stages of each."""


def phase_targets(plan: Plan, phase: str) -> list[str]:
    """The provenance files of a phase's jobs: asking for them asks for the whole phase."""
    return [job.provenance for job in plan.jobs if job.stage in PHASES[phase]]

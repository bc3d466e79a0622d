"""Named sets of targets for the engines: DVC's phases and the tables."""

from segadapt.plan.jobs import Plan

PHASES = {
    "data": ("render", "prepare"),
    "pretrain": ("pretrain",),
    "adapt": ("adapt", "refine", "joint"),
    "evaluate": ("evaluate",),
    "table": (
        "table",
        "protocols",
        "statistics",
        "costs",
        "figure",
        "curves",
        "bars",
        "slopes",
        "confidence",
        "frequency",
        "sensitivity",
    ),
}
"""The phases that DVC versions, and the stages of each."""


def result_files(plan: Plan) -> list[str]:
    """One file of every table and figure: asking for them asks for all."""
    return [next(iter(job.outputs.values())) for job in plan.jobs if job.stage in PHASES["table"]]


def phase_targets(plan: Plan, phase: str) -> list[str]:
    """The provenance files of a phase's jobs: asking for them asks for the whole phase."""
    return [job.provenance for job in plan.jobs if job.stage in PHASES[phase]]

"""Named sets of targets for the engines: DVC's phases and the tables."""

from collections.abc import Iterable

from segadapt.plan.jobs import Plan

PHASES = {
    "data": ("render", "prepare"),
    "pretrain": ("pretrain",),
    "adapt": ("adapt", "refine", "joint", "prior", "pseudo_label", "self_train"),
    "evaluate": ("evaluate",),
    "table": (
        "table",
        "protocols",
        "statistics",
        "measures",
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


def jobs_behind(plan: Plan, targets: Iterable[str]) -> set[str]:
    """Names of the jobs that make these targets and all upstream of them; every job for a target that is no file."""
    paths = list(targets)
    if not paths or any(path not in plan.by_output for path in paths):
        return set(plan.by_name)
    found: set[str] = set()
    waiting = [plan.by_output[path] for path in paths]
    while waiting:
        job = waiting.pop()
        if job.name not in found:
            found.add(job.name)
            waiting += [plan.by_output[path] for path in job.inputs.values() if path in plan.by_output]
    return found

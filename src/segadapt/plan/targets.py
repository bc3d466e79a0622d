"""Named sets of targets for the engines: DVC's phases and the tables."""

from collections.abc import Iterable

from segadapt.plan.jobs import Plan

PHASES = {
    "data": ("render", "render_digits", "prepare"),
    "pretrain": ("pretrain",),
    "adapt": ("adapt", "refine", "joint", "prior", "pseudo_label", "self_train", "train_classifier"),
    "evaluate": ("evaluate", "classify"),
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
        "accuracy_table",
        "accuracy_protocols",
        "accuracy_statistics",
        "easy_and_hard",
    ),
}
"""The phases that DVC versions, and the stages of each."""


def result_files(plan: Plan, of_paper: bool = False) -> list[str]:
    """One file of every table and figure: asking for them asks for all.

    With ``of_paper``, without the tables (and what goes with them) that stand beside none of the paper's.
    """
    tables = plan.parameters.tables
    others = {name for name, table in tables.items() if of_paper and table.published is None}
    jobs = [job for job in plan.jobs if job.stage in PHASES["table"]]
    return [next(iter(job.outputs.values())) for job in jobs if not _goes_with(job.name, others)]


def _goes_with(name: str, tables: set[str]) -> bool:
    last = name.rpartition("/")[2]
    return any(last in (table, f"{table}_classes", f"{table}_sensitivity") for table in tables)


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

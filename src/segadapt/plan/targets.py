"""Named sets of targets for the engines: DVC's phases and the tables."""

from collections.abc import Iterable

from segadapt.core.job import Job
from segadapt.core.parameters.methods import LATER_WORK
from segadapt.core.stages import STAGES
from segadapt.plan.plan import Plan


def jobs_of(plan: Plan, phase: str) -> list[Job]:
    """The jobs of one of DVC's phases."""
    return [job for job in plan.jobs if STAGES[job.stage].phase == phase]


def result_files(plan: Plan, of_paper: bool = False) -> list[str]:
    """One file of every table and figure: asking for them asks for all.

    With ``of_paper``, without the tables (and what goes with them) that stand beside none of the paper's.
    """
    jobs = jobs_of(plan, "table")
    if of_paper:
        others = {name for name, table in plan.parameters.experiments.items() if table.published in (None, LATER_WORK)}
        jobs = [job for job in jobs if job.subject.get("table") not in others]
    return [next(iter(job.outputs.values())) for job in jobs]


def phase_targets(plan: Plan, phase: str) -> list[str]:
    """The provenance files of a phase's jobs: asking for them asks for the whole phase."""
    return [job.provenance for job in jobs_of(plan, phase)]


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
            waiting += [plan.by_output[each.maker] for each in job.inputs if each.maker]
    return found

"""Named sets of targets for the engines: DVC's phases and the tables."""

from collections.abc import Iterable

from segadapt.core.job import Job
from segadapt.core.parameters.methods import LATER_WORK
from segadapt.core.stages import PHASES, STAGES
from segadapt.plan.plan import Plan

MAIN = ("results/table2.csv", "results/table2_statistics.csv", "results/table2_protocols.csv")
SHOWN = ("results/figures/qualitative.png", "results/report/index.html")


def jobs_of(plan: Plan, phase: str) -> list[Job]:
    """The jobs of one of DVC's phases."""
    return [job for job in plan.jobs if STAGES[job.stage].phase == phase]


def result_files(plan: Plan, of_paper: bool = False) -> list[str]:
    """One file of every table and figure: asking for them asks for all.

    With ``of_paper``, without the tables (and what goes with them) that stand beside none of the paper's, and without
    figures of models that those alone train.
    """
    jobs = jobs_of(plan, "table")
    if of_paper:
        others = {name for name, table in plan.parameters.experiments.items() if table.published in (None, LATER_WORK)}
        foreign = [job for job in jobs if job.subject.get("table") in others]
        jobs = [job for job in jobs if job not in foreign]
        own = [job for job in jobs if "table" in job.subject]
        theirs_alone = _trained_for(plan, foreign) - _trained_for(plan, own)
        jobs = [job for job in jobs if not theirs_alone & _trained_for(plan, [job])]
    return [next(iter(job.outputs.values())) for job in jobs]


def main_table(plan: Plan) -> list[str]:
    """Table 2, its statistics and scoring modes, and those of the picture and the page that show no further model."""
    trained = _trained_for(plan, [plan.by_output[path] for path in MAIN if path in plan.by_output])
    showing = [path for path in SHOWN if path in plan.by_output]
    return [*MAIN, *(path for path in showing if _trained_for(plan, [plan.by_output[path]]) <= trained)]


def named_targets(plan: Plan) -> dict[str, list[str]]:
    """What can be asked for by a name instead of files: what its files are."""
    phases = {f"phase_{phase}": phase_targets(plan, phase) for phase in PHASES}
    return {"all": result_files(plan), "paper": result_files(plan, of_paper=True), "table2": main_table(plan)} | phases


def _trained_for(plan: Plan, jobs: list[Job]) -> set[str]:
    """Names of the trainings behind some jobs."""
    behind = jobs_behind(plan, (job.provenance for job in jobs)) if jobs else set()
    return {name for name in behind if STAGES[plan.by_name[name].stage].trains}


def phase_targets(plan: Plan, phase: str) -> list[str]:
    """The provenance files of a phase's jobs: asking for them asks for the whole phase."""
    return [job.provenance for job in jobs_of(plan, phase)]


def jobs_behind(plan: Plan, targets: Iterable[str]) -> set[str]:
    """Names of the jobs that make these targets, files or names, and all upstream of them; every job for others."""
    paths = list(targets)
    if any(path not in plan.by_output for path in paths):
        named = named_targets(plan)
        paths = [path for each in paths for path in named.get(each, [each])]
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

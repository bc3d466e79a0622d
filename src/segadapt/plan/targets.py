"""Named sets of targets for the engines: DVC's phases and the tables."""

from collections.abc import Iterable

from segadapt.core.job import Job
from segadapt.core.parameters.methods import LATER_WORK
from segadapt.core.stages import PHASES, QUALITATIVE, REPORT, SCORING_MODES, STAGES, STATISTICS, TABLE
from segadapt.plan.plan import Plan

MAIN_TABLE = "table2"


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
    return _first_outputs(jobs)


def main_table(plan: Plan) -> list[str]:
    """Table 2, its statistics and scoring modes, and those of the pictures and the page that show no further model.

    Empty if the preset makes no such table.
    """
    jobs = jobs_of(plan, "table")
    own = [job for job in jobs if job.subject.get("table") == MAIN_TABLE]
    own = [job for job in own if job.stage in (TABLE, STATISTICS, SCORING_MODES)]
    trained = _trained_for(plan, own)
    shown = [job for job in jobs if job.stage in (QUALITATIVE, REPORT) and _trained_for(plan, [job]) <= trained]
    return _first_outputs([*own, *shown] if own else [])


def named_targets(plan: Plan) -> dict[str, list[str]]:
    """What can be asked for by a name instead of files: what its files are."""
    found = {"all": result_files(plan), "paper": result_files(plan, of_paper=True)}
    found |= {f"phase_{phase}": phase_targets(plan, phase) for phase in PHASES}
    main = main_table(plan)
    return found | {MAIN_TABLE: main} if main else found


def _first_outputs(jobs: Iterable[Job]) -> list[str]:
    return [next(iter(job.outputs.values())) for job in jobs]


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

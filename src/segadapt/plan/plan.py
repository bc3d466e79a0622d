"""From validated parameters to the list of jobs: the one description of the pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.core.parameters import Parameters
from segadapt.core.parameters.root import ORACLE, SOURCE_ONLY
from segadapt.core.stages import STAGES, Stage
from segadapt.plan.jobs.classification import Classifiers
from segadapt.plan.jobs.data import data_jobs
from segadapt.plan.jobs.figures import figures
from segadapt.plan.jobs.report import galleries, report
from segadapt.plan.jobs.scoring import evaluate
from segadapt.plan.jobs.selftraining import self_training
from segadapt.plan.jobs.static import static_jobs
from segadapt.plan.jobs.tables import Reporter
from segadapt.plan.jobs.training import adapt, pretrain
from segadapt.plan.methods import checked_options
from segadapt.plan.networks import check_discriminators, check_heads, check_sides, check_tokens
from segadapt.plan.planner import Planner
from segadapt.plan.rows import SOURCE, SOURCE_MULTI


@dataclass(frozen=True)
class Plan:
    """All jobs of the active preset, upstream first."""

    parameters: Parameters
    jobs: tuple[Job, ...]

    @cached_property
    def by_output(self) -> dict[str, Job]:
        """The job that makes a path, for every output and provenance file."""
        made = {path: job for job in self.jobs for path in job.outputs.values()}
        return made | {job.provenance: job for job in self.jobs}

    @cached_property
    def stages(self) -> list[tuple[Stage, list[Job]]]:
        """Each stage that the preset goes through, and its jobs."""
        found = {name: [] for name in STAGES}
        for job in self.jobs:
            found[job.stage].append(job)
        return [(STAGES[name], jobs) for name, jobs in found.items() if jobs]

    @cached_property
    def by_name(self) -> dict[str, Job]:
        return {job.name: job for job in self.jobs}


def make_plan(parameters: Parameters, hash_code: bool = True) -> Plan:
    """The jobs of every experiment of the active preset; UserError for what params.yaml says and no job could do.

    Without ``hash_code``, half of the time, jobs do not know their code: for who runs one that has its card.
    """
    for name, method in parameters.methods.items():
        checked_options(name, method)
    planners = {setting: Planner(parameters, setting, hash_code=hash_code) for setting in parameters.resolved}
    reporter = Reporter(parameters, planners)
    rows = {row.key: row for table in reporter.rows.values() for row in table}.values()
    wanted = {setting: [row.method for row in rows if row.setting == setting] for setting in planners}
    trained, scored = [], []
    for setting, planner in planners.items():
        training, scoring = _models(planner, wanted[setting])
        trained += training
        scored += scoring
    reports = [job for name in parameters.tables for job in reporter.tables(name)]
    reports += figures(reporter)
    if parameters.classification_tables:
        reports += Classifiers(parameters, planners[None]).jobs()
    reports += galleries(reporter)
    reports += report(reporter, reports)
    jobs = _each_once([*trained, *scored, *reports])
    sizes = {planners[None].cache(name): each.size for name, each in parameters.active_preset.caches.items()}
    check_heads(jobs.values(), parameters.preset)
    check_sides(jobs.values(), sizes, parameters.preset)
    check_tokens(jobs.values(), parameters.preset)
    check_discriminators(jobs.values(), sizes, parameters.preset)
    return Plan(parameters, _with_makers([*data_jobs(planners[None], jobs.values()), *jobs.values()]))


def _each_once(jobs: list[Job]) -> dict[str, Job]:
    """Settings share source models, tables rows, and methods static maps; UserError where one job would be two."""
    found: dict[str, Job] = {}
    for job in jobs:
        first = found.setdefault(job.name, job)
        if first != job:
            told = ", for another from ".join(", ".join(each.path for each in one.inputs) for one in (first, job))
            raise UserError(
                f"params.yaml: {job.name} would be made for one method from {told}; name the same caches for both "
                "methods, or list only one of them"
            )
    return found


def _with_makers(jobs: list[Job]) -> tuple[Job, ...]:
    """The jobs, each with the records of those that make its inputs."""
    records = {path: job.provenance for job in jobs for path in job.outputs.values()}
    return tuple(
        replace(job, inputs=tuple(replace(each, maker=records.get(each.path)) for each in job.inputs)) for job in jobs
    )


def _models(planner: Planner, rows: list[str]) -> tuple[list[Job], list[Job]]:
    """The training jobs, upstream first, and the scoring jobs behind the rows of one setting."""
    seeds = planner.parameters.seeds
    methods = _with_members(planner, [name for name in rows if name in planner.methods])
    trained = [name for name in methods if not planner.methods[name].ensemble]
    scored = [SOURCE] * (SOURCE_ONLY in rows) + [ORACLE] * (ORACLE in rows)
    training = []
    for own in dict.fromkeys((planner, *map(planner.of, trained))):
        sources = _sources(planner, own, trained, rows if own is planner else ())
        training += [pretrain(own, name, seed) for seed in seeds for name in sources]
    for seed in seeds:
        for name in trained:
            method, own = planner.methods[name], planner.of(name)
            if method.self_training is not None:
                training += self_training(own, name, seed)
            else:
                training += [*static_jobs(own, name, method), adapt(own, name, method, seed)]
    scored += [name for name in methods if name in rows]
    return training, [evaluate(planner.of(name), name, seed) for seed in seeds for name in scored]


def _sources(planner: Planner, own: Planner, trained: list[str], rows: Sequence[str]) -> list[str]:
    """The models of ``own`` that rows are, or that methods of its branches start from."""
    starting = [name for name in trained if planner.methods[name].start == "source" and planner.of(name) is own]
    auxiliary = [planner.has_auxiliary_head(name) for name in starting]
    needed = {SOURCE: SOURCE_ONLY in rows or not all(auxiliary), SOURCE_MULTI: any(auxiliary), ORACLE: ORACLE in rows}
    return [name for name, is_needed in needed.items() if is_needed]


def _with_members(planner: Planner, names: list[str]) -> list[str]:
    """The methods, and those that ensembles among them need, each once."""
    found: dict[str, None] = {}
    for name in names:
        found |= dict.fromkeys((*planner.methods[name].ensemble, name))
    return list(found)

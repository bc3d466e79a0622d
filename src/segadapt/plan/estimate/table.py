"""What a table takes: its jobs by source model and row, and the sum of what each does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from segadapt.core.devices import HALF, SINGLE, TF32, Device
from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.core.parameters.root import ORACLE
from segadapt.core.stages import PRETRAIN, TABLE
from segadapt.core.workload import Amount, Pass, Work
from segadapt.plan.estimate.passes import SCORING, TRAINING, passes, step_images
from segadapt.plan.plan import Plan
from segadapt.plan.targets import jobs_behind
from segadapt.reporting.estimate import Line


@dataclass
class Estimator:
    """Adds up what jobs take; every pass is counted once. ``count``: ``segadapt.models.counting.pass_work``."""

    plan: Plan
    count: Callable[[Pass], Work]
    _passes: dict[str, Counter[Pass]] = field(default_factory=dict)
    _known: dict[tuple[Pass, bool, str], Amount] = field(default_factory=dict)

    def amount(self, jobs: Iterable[Job], device: Device) -> Amount:
        """The sum over jobs, its seconds on a device."""
        return sum((self._of_job(job, device) for job in jobs), Amount())

    def _of_job(self, job: Job, device: Device) -> Amount:
        if job.name not in self._passes:
            self._passes[job.name] = passes(job, self.plan)
        flops, moved, seconds, images = 0, 0, 0.0, 0
        for each, times in self._passes[job.name].items():
            one = self._of_pass(each, job.config["precision"]["tf32"], device)
            flops, moved, seconds = flops + times * one.flops, moved + times * one.bytes, seconds + times * one.seconds
            images += times * each.batch_size
        steps = job.config["training"]["steps"] if job.stage in TRAINING else 0
        return Amount(steps, 0 if steps else images, flops, moved, seconds)

    def _of_pass(self, each: Pass, tf32: bool, device: Device) -> Amount:
        key = each, tf32, device.name
        if key not in self._known:
            work = self.count(each)
            self._known[key] = Amount(flops=work.flops, bytes=work.bytes, seconds=device.seconds(work, tf32))
        return self._known[key]


def table_jobs(plan: Plan, table: str) -> dict[str, list[Job]]:
    """The jobs of a table that run networks, each once: by source model, then by row (titles).

    What several rows need and is no source model, a member of an ensemble, is the row's of that name.
    UserError for a table that the preset does not make.
    """
    made = {job.subject["table"]: job for job in plan.jobs if job.stage == TABLE}
    if table not in made:
        raise UserError(
            f"there is no table '{table}'; the tables that preset {plan.parameters.preset} makes are: "
            f"{', '.join(made) or 'none'}"
        )
    titles, behind, oracles = {}, {}, set()
    for each in made[table].config["rows"]:
        row = each.get("row", each["key"])
        titles[row, each["title"]] = None
        behind[row] = behind.get(row, set()) | _behind(plan, made[table], each["key"])
        # The oracle is a row itself, and no other row's.
        oracles |= behind[row] if each["method"] == ORACLE else set()
    needed = set().union(*behind.values())
    of_sources = [job for job in plan.jobs if job.name in needed - oracles and job.stage == PRETRAIN]
    found: dict[str, list[Job]] = {}
    for job in of_sources:
        found.setdefault(f"source model: {job.subject['model']}", []).append(job)
    given = {job.name for job in of_sources}
    own: dict[str, list[Job]] = {}
    # Those with the fewest jobs first, so that an ensemble is left with what is no other row's.
    for key in sorted(behind, key=lambda key: len(behind[key])):
        own[key] = [job for job in plan.jobs if job.name in behind[key] - given]
        given |= behind[key]
    for key, title in titles:
        found[title] = own.pop(key, [])  # a cell of a sweep may be a row already
    return found


def _behind(plan: Plan, table: Job, key: str) -> set[str]:
    paths = [each.path for each in table.read("metrics", row=key)]
    return {name for name in jobs_behind(plan, paths) if plan.by_name[name].stage in (*TRAINING, *SCORING)}


def lines(estimator: Estimator, jobs: Mapping[str, list[Job]], device: Device) -> list[Line]:
    """One line a source model and row, in order."""
    return [Line(title, _images(own, estimator.plan), estimator.amount(own, device)) for title, own in jobs.items()]


def _images(jobs: list[Job], plan: Plan) -> str:
    return ", ".join(dict.fromkeys(step_images(job, plan) for job in jobs if job.stage in TRAINING))


def formats(jobs: Iterable[Job]) -> list[str]:
    """The number formats in which the jobs' networks compute."""
    wanted = (job.config["precision"] for job in jobs)
    return list(dict.fromkeys(HALF if each["bf16"] else TF32 if each["tf32"] else SINGLE for each in wanted))

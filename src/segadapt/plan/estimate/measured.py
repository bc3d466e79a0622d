"""What the records of the jobs that have run say against the estimate of a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from segadapt.core.devices import CPU, DEFAULT, DEVICES, GPU, Device
from segadapt.core.job import Job
from segadapt.core.metering import Cost
from segadapt.core.provenance import read_provenance
from segadapt.core.stages import PREPARE
from segadapt.plan.estimate.passes import SCORING, TRAINING
from segadapt.plan.estimate.table import Estimator
from segadapt.plan.plan import Plan
from segadapt.reporting.estimate import SoFar, SoFarLine


def so_far(estimator: Estimator, jobs: Mapping[str, list[Job]], device: Device) -> SoFar | None:
    """The measured seconds of jobs that ran with these very parameters against the estimate; None if none did.

    On a GPU they are those with it in use, else those of all cores together. Where some jobs used a GPU, those that did
    not are left out. If ``device`` is of the other kind, the usual one of theirs stands in for it.
    """
    # A job whose images are not counted yet has nothing to be compared with.
    every = [job for own in jobs.values() for job in own if estimator.amount([job], device).seconds > 0]
    costs = {job.name: cost for job in every if (cost := _measured(job, estimator.plan)) is not None}
    if not costs:
        return None
    kind = GPU if any(cost.gpu_seconds for cost in costs.values()) else CPU
    device = device if device.kind == kind else DEVICES[DEFAULT[kind]]
    spent = {name: cost.gpu_seconds if kind == GPU else cost.cpu_seconds for name, cost in costs.items()}
    spent = {name: seconds for name, seconds in spent.items() if seconds > 0}
    if not spent:
        return None
    shown = []
    for title, own in jobs.items():
        done = [job for job in own if job.name in spent]
        measured = sum(spent[job.name] for job in done)
        shown.append(SoFarLine(title, len(done), len(own), estimator.amount(done, device).seconds, measured))
    rest = [job for job in every if job.name not in spent]
    return SoFar(
        device=device,
        lines=shown,
        left_out=len(costs) - len(spent),
        rest=estimator.amount(rest, device).seconds,
        rest_at_pace=_at_pace(estimator, every, spent, device),
    )


def _at_pace(estimator: Estimator, jobs: list[Job], spent: Mapping[str, float], device: Device) -> float:
    """Seconds that the others will take if they go as far beyond their estimate as those that have run.

    Training and scoring go by their own ratio each; where nothing of a kind has run, by that of all that has.
    """
    done = [job for job in jobs if job.name in spent]
    total = 0.0
    for stages in (TRAINING, SCORING):
        alike = [job for job in done if job.stage in stages] or done
        ratio = sum(spent[job.name] for job in alike) / estimator.amount(alike, device).seconds
        rest = (job for job in jobs if job.stage in stages and job.name not in spent)
        total += ratio * estimator.amount(rest, device).seconds
    return total


def _measured(job: Job, plan: Plan) -> Cost | None:
    """What the job's record speaks of, if it is of the same configuration and of caches of the same size."""
    record = read_provenance(Path(job.provenance))
    if record is None or record["identity"].get("config") != job.config:
        return None
    for maker in (plan.by_output[each.maker] for each in job.inputs if each.maker):
        if maker.stage == PREPARE:
            packed = read_provenance(Path(maker.provenance))
            if packed is not None and (packed["identity"].get("config") or {}).get("size") != maker.config["size"]:
                return None
    return Cost.of_record(record)

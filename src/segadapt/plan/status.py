"""What is up to date, by provenance; and file times put in order so that every engine agrees.

Snakemake decides by modification times, but ``git clone`` and ``dvc checkout`` restore files in any
order. So times are set from what the provenance records say: an output that is right is older than
nothing it was made from, and the card of a job that must run is newer than its outputs.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from segadapt.core.artifacts import sha256_file, write_json
from segadapt.core.job import Job
from segadapt.core.provenance import read_provenance
from segadapt.plan.jobs import Plan

LONG_AGO = 946684800.0  # 2000-01-01: older than any output


@dataclass(frozen=True)
class Status:
    """``ok``, or why the job must run."""

    job: Job
    state: str
    output_hashes: dict[str, str]

    @property
    def is_ok(self) -> bool:
        return self.state == "ok"


def statuses(plan: Plan) -> list[Status]:
    """The status of every job, in the plan's order (upstream first)."""
    done: dict[str, Status] = {}
    # Initial weights are large, and many jobs read them.
    outside = cache(lambda path: sha256_file(Path(path)) if os.path.exists(path) else None)
    for job in plan.jobs:
        done[job.name] = _status(job, plan, done, outside)
    return list(done.values())


def _status(job: Job, plan: Plan, done: dict[str, Status], outside: Callable[[str], str | None]) -> Status:
    record = read_provenance(Path(job.provenance))
    if record is None:
        return Status(job, "missing", {})
    hashes = {output["path"]: output["sha256"] for output in record["outputs"].values()}
    for path in job.outputs.values():
        if not os.path.exists(path):
            return Status(job, f"missing ({path})", {})
    if set(hashes) != set(job.outputs.values()):
        return Status(job, "outputs differ", {})
    for output in record["outputs"].values():
        if os.path.getsize(output["path"]) != output["bytes"]:
            return Status(job, f"damaged ({output['path']})", {})
    for key, value in job.identity().items():
        if record["identity"].get(key) != value:
            return Status(job, f"{key} differs", {})
    for role, path in job.inputs.items():
        maker = plan.by_output.get(path)
        if maker is not None:
            if not done[maker.name].is_ok:
                return Status(job, f"upstream ({maker.name}: {done[maker.name].state})", {})
            current = done[maker.name].output_hashes.get(path)
        else:
            current = outside(path)
        if current != record["input_sha256"].get(role):
            return Status(job, f"input differs ({path})", {})
    return Status(job, "ok", hashes)


def write_cards(plan: Plan) -> None:
    """Writes every card whose content changed; the others are left as they are.

    They need not outlast a power cut, for every run compares them; flushing each would take most of a run's start.
    """
    for job in plan.jobs:
        path, content = Path(job.card), job.as_card()
        if not path.is_file() or _content(path) != content:
            write_json(path, content, lasting=False)


def _content(path: Path):
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


def order_times(plan: Plan) -> list[Status]:
    """Writes the cards, sets file times by status and returns the statuses.

    Times are moved only where they are out of order (DVC remembers hashes by time), never into the future.
    """
    write_cards(plan)
    now = time.time()
    found = statuses(plan)
    for status in found:
        job = status.job
        if not status.is_ok:
            os.utime(job.card, (now, now))
            _make_older(status.job, now)
            continue
        if os.path.getmtime(job.card) != LONG_AGO:
            os.utime(job.card, (LONG_AGO, LONG_AGO))
        newest = max((max(_times(path)) for path in job.inputs.values() if os.path.exists(path)), default=LONG_AGO)
        newest = min(newest, now)
        for path in _made(job):
            if min(_times(path)) < newest or max(_times(path)) > now:
                _set_time(path, newest)
    return found


def _make_older(job: Job, now: float) -> None:
    """Outputs of a job that must run may come from a clock ahead of ours; its card must be the newer one."""
    for path in _made(job):
        if max(_times(path)) >= now:
            _set_time(path, LONG_AGO)


def _made(job: Job) -> list[str]:
    """What is there of the files whose times Snakemake compares with the inputs'; a benchmark is one of them."""
    return [path for path in (*job.outputs.values(), job.provenance, job.benchmark) if os.path.exists(path)]


def _set_time(path: str, seconds: float) -> None:
    os.utime(path, (seconds, seconds))
    if os.path.islink(path):
        os.utime(path, (seconds, seconds), follow_symlinks=False)


def _times(path: str) -> tuple[float, float]:
    """Of a link and of what it points to: Snakemake takes an input's newer one and an output's own."""
    return os.lstat(path).st_mtime, os.stat(path).st_mtime

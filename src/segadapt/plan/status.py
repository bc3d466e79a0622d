"""The one judge of what is up to date, and how Snakemake is told.

A result is what its parameters, code and inputs say if its record says so and its bytes are the record's. Nothing else
counts: ``git checkout``, ``dvc checkout``, links, ``touch`` and other machines' clocks set times as they please.
Snakemake decides by times, so it is given one that is ours alone: that of the job's card, its only input that is not
``ancient``. The card of a job that is due is newer than what the job has made, any other card is not.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from segadapt.core.artifacts import write_json
from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.core.provenance import read_provenance, record_is_genuine
from segadapt.core.seen import Memo, memo_path
from segadapt.core.stages import STAGES
from segadapt.data.shipped.sources import changed_sources, seen_path
from segadapt.plan.plan import Plan

LONG_AGO = 946684800.0  # 2000-01-01


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
    users = Memo(memo_path(plan.parameters.preset, "users_files.json"))
    outside = cache(users.sha256)
    for job in plan.jobs:
        memo = Memo(memo_path(job.preset, job.provenance))
        done[job.name] = _status(job, plan, done, outside, memo)
        memo.save()
    users.save()
    return list(done.values())


def _status(
    job: Job, plan: Plan, done: dict[str, Status], outside: Callable[[str], str | None], memo: Memo
) -> Status:  # fmt: skip
    record = read_provenance(Path(job.provenance))
    if record is None:
        return Status(job, "missing", {})
    for path in job.outputs.values():
        if not os.path.isfile(path):
            return Status(job, f"missing ({path})", {})
    genuine = memo.answer(job.provenance, "genuine", lambda: str(record_is_genuine(record)))
    if genuine != str(True):
        return Status(job, f"damaged ({job.provenance})", {})
    hashes = {output["path"]: output["sha256"] for output in record["outputs"].values()}
    if set(hashes) != set(job.outputs.values()):
        return Status(job, "outputs differ", {})
    for key, value in job.identity().items():
        if record["identity"].get(key) != value:
            return Status(job, f"{key} differs", {})
    for each in job.inputs:
        if each.maker:
            maker = done[plan.by_output[each.maker].name]
            if not maker.is_ok:
                return Status(job, f"upstream ({maker.job.name}: {maker.state})", {})
            current = maker.output_hashes.get(each.path)
        else:
            current = outside(each.path)
        if current != record["input_sha256"].get(each.path):
            return Status(job, f"input differs ({each.path})", {})
    for path, sha256 in hashes.items():
        if memo.sha256(path) != sha256:
            return Status(job, f"damaged ({path})", {})
    changed = _changed_sources(job, plan)
    return Status(job, "ok" if changed is None else changed, hashes)


def _changed_sources(job: Job, plan: Plan) -> str | None:
    """What changed among the files of a data set since they were packed: the packing is due, or what drew them."""
    if STAGES[job.stage].phase != "data" or job.read("rendered"):
        return None
    packed = [job]
    if "pack" not in job.outputs:
        packed = [each for each in plan.jobs if job.provenance in (read.maker for read in each.read("rendered"))]
    for each in packed:
        manifest = Path(each.outputs["manifest"])
        if _is_as_recorded(each, "manifest"):
            memo = seen_path(each.preset, manifest.parent.name)
            with contextlib.suppress(UserError):  # one of an earlier segadapt
                if changed := changed_sources(manifest, Path(each.config["root"]), memo):
                    return changed
    return None


def _is_as_recorded(job: Job, role: str) -> bool:
    """Whether an output is what the job's record speaks of; what is not is that job's own fault, and read by nobody."""
    record, memo = read_provenance(Path(job.provenance)), Memo(memo_path(job.preset, job.provenance))
    recorded = {} if record is None else {each["path"]: each["sha256"] for each in record["outputs"].values()}
    path = job.outputs[role]
    return path in recorded and memo.sha256(path) == recorded[path]


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


def tell_engines(plan: Plan) -> list[Status]:
    """Writes the cards, sets their times by status and returns the statuses.

    Times of what jobs have made are left alone, but for those that lie in the future: Snakemake fails a job whose
    outputs are older than its inputs.
    """
    write_cards(plan)
    now, found = time.time(), statuses(plan)
    for status in found:
        _remove_links_to_nowhere(status.job)
        times = []
        for path in _made(status.job):
            newest = max(os.lstat(path).st_mtime, os.stat(path).st_mtime)
            # Snakemake takes a time of zero for a file that is not there.
            if newest >= now or not (os.lstat(path).st_mtime or status.is_ok):
                _set_time(path, now if status.is_ok else LONG_AGO)
            times.append(os.lstat(path).st_mtime)
        card = status.job.card
        moment = min(LONG_AGO, *times) if status.is_ok else now
        if os.stat(card).st_mtime > moment or not status.is_ok:
            _set_time(card, moment)
    return found


def _set_time(path: str, moment: float) -> None:
    """Of a link, too."""
    os.utime(path, (moment, moment))
    if os.path.islink(path):
        os.utime(path, (moment, moment), follow_symlinks=False)


def _remove_links_to_nowhere(job: Job) -> None:
    """Snakemake takes such a link for a file, and then looks for its time."""
    for path in _timed(job):
        if os.path.islink(path) and not os.path.exists(path):
            os.unlink(path)


def _made(job: Job) -> list[str]:
    """What is there of the files whose times Snakemake compares with the card's."""
    return [path for path in _timed(job) if os.path.exists(path)]


def _timed(job: Job) -> tuple[str, ...]:
    """A benchmark is one of them."""
    return (*job.outputs.values(), job.provenance, job.benchmark)

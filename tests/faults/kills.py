"""Signals at drawn file operations of whole runs; then the same command, on an honest disk or one that lies."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

from . import engine
from .case import Case
from .damage import DAMAGES, LIES, newest_files
from .judging import Judgement, heal
from .moments import Disturbance
from .world import SEGMENTATION, Reference, targets

KINDS = {
    "job-KILL": ("KILL", "job"),
    "group-KILL": ("KILL", "group"),
    "engine-KILL": ("KILL", "engine"),
    "job-TERM": ("TERM", "job"),
    "group-TERM": ("TERM", "group"),
    "job-INT": ("INT", "job"),
    "group-INT": ("INT", "group"),
    "group-STOP": ("STOP", "group"),
}
JOBS = (
    "session",
    "prepare/source_train",
    "prepare/target_val",
    "pretrain/source_multi/seed1",
    "adapt/maxsquare/seed1",
    "refine/maxsquare_iw_multi/seed1",
    "refine/adaptsegnet/seed1",
    "prior/cbst_sp",
    "pseudo_label/cbst_sp-round1/seed1",
    "self_train/cbst_sp-round2/seed1",
    "evaluate/maxsquare/seed1",
    "table/table2",
    "statistics/table2",
)
TRAINING = ("pretrain", "adapt", "refine", "self_train")
LYING = ("job-KILL", "group-KILL")
DEPTH = 6
"""A lie is told of one of the files that were written last, so many at most."""


def kill_cases() -> Iterator[Case]:
    """Every kind of signal at a moment of every job that is among the disturbed."""
    draw = random.Random(14)
    for kind in KINDS:
        for job in JOBS:
            moments = sorted(draw.sample(range(1000), 2 if kind == "job-KILL" else 1))
            yield from (Case("kills", kind, job, moment, world=SEGMENTATION) for moment in moments)


def lie_cases() -> Iterator[Case]:
    """Of training jobs more, and late in them: that is where resumable state lies."""
    draw = random.Random(57)
    for lie in LIES:
        for job in JOBS:
            often = 3 if job.startswith(TRAINING) else 1
            for _ in range(often):
                yield Case("lying-disk", lie, job, draw.randrange(300, 1000), draw.randrange(10**6), SEGMENTATION)


def run_kill(case: Case, folder: Path, reference: Reference) -> Judgement:
    """The engine's own orphans go on beside the next command, as they do in life."""
    signal_name, whom = KINDS[case.kind]
    disturbance = Disturbance(case.target, moment_of(case, reference), signal_name, whom)
    report = engine.command(folder, targets(reference.world), disturbance)
    judgement = heal(folder, reference, [report])
    engine.wait_for_orphans()
    return judgement


def run_lie(case: Case, folder: Path, reference: Reference) -> Judgement:
    """At the kill one of the newest files is not what was written."""
    draw = random.Random(case.seed)
    rank, kind = draw.randrange(DEPTH), draw.choice(LYING)
    tops = draw.choice([("work/tiny/run",), ("work", "results")])

    def lie() -> None:
        newest = newest_files(folder, tops)
        if newest:
            target = newest[min(rank, len(newest) - 1)]
            DAMAGES[case.kind](target, draw)
            os.write(2, f"the disk lied: {case.kind} {target.relative_to(folder)}\n".encode())

    forget_from(folder, reference, case.target)
    disturbance = Disturbance(case.target, moment_of(case, reference), *KINDS[kind], lie=lie)
    report = engine.command(folder, targets(reference.world), disturbance)
    engine.wait_for_orphans()
    outcome, why = heal(folder, reference, [report])
    lied = " ".join(line for line in report.text.splitlines() if line.startswith("the disk lied"))
    return outcome, why and f"{lied}: {why}"


def forget_from(folder: Path, reference: Reference, name: str) -> None:
    """Leaves of a finished project what is upstream of a job and beside it: the run goes on from there."""
    gone = {name}
    for each, card in reference.jobs.items():
        made = {path for other in gone - {engine.SESSION} for path in reference.jobs[other]["outputs"].values()}
        if each in gone or made & {read["path"] for read in card["inputs"]}:
            gone.add(each)
            for path in (*card["outputs"].values(), card["provenance"]):
                for place in (folder / path, folder / "work/tiny" / path):
                    place.unlink(missing_ok=True)


def moment_of(case: Case, reference: Reference) -> int:
    """The number of the file operation at a case's thousandth of its target's."""
    return 1 + case.moment * reference.events[case.target] // 1000

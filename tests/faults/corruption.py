"""Finished files damaged, at rest before the same command, and in use between a run's start and the job that reads."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from . import engine
from .case import HEALED, REFUSED, SILENT, STUCK, TRACEBACK, Case
from .damage import DAMAGES
from .engine import Report
from .judging import Judgement, heal, is_one_sentence
from .world import WIDE, Reference, targets

# Files by the kind of thing they are; each is an output of a job of the wide world, or what a run keeps beside them.
MADE = {
    "pack": "work/tiny/cache/source_train/pack.bin",
    "manifest": "work/tiny/cache/target_val/manifest.json",
    "source-model": "work/tiny/sources/source/seed1/model.safetensors",
    "model": "work/tiny/models/maxsquare/seed1/model.safetensors",
    "snapshot": "work/tiny/models/maxsquare_iw_multi/seed1/snapshot000003.safetensors",
    "history": "work/tiny/models/maxsquare/seed1/history.csv",
    "prior": "work/tiny/models/cbst_sp/prior/prior.safetensors",
    "label-pack": "work/tiny/models/cbst_sp-round1/seed1/labels/pack.bin",
    "label-manifest": "work/tiny/models/cbst_sp-round1/seed1/labels/manifest.json",
    "selection": "work/tiny/models/cbst_sp-round2/seed1/labels/selection.json",
    "confusion": "work/tiny/metrics/maxsquare/seed1/confusion.safetensors",
    "metrics": "work/tiny/metrics/maxsquare_iw_multi/seed1/metrics.json",
    "classifier": "work/tiny/classifiers/clean/source_only/seed1/model.safetensors",
    "answers": "work/tiny/answers/clean_to_camera/maxsquare_classifier/seed1/answers.safetensors",
}
RECORDS = {
    "cache-record": "work/tiny/cache/source_train/provenance.json",
    "model-record": "work/tiny/models/maxsquare/seed1/provenance.json",
    "labels-record": "work/tiny/models/cbst_sp-round1/seed1/labels/provenance.json",
    "metrics-record": "work/tiny/metrics/maxsquare/seed1/provenance.json",
}
SHOWN = {
    "table-csv": "results/table2.csv",
    "table-markdown": "results/table2.md",
    "table-html": "results/table2.html",
    "companion": "results/table2_statistics.csv",
    "accuracies": "results/table1.csv",
    "picture": "results/figures/qualitative.png",
    "curves": "results/figures/curves.png",
    "shelf": "work/tiny/results/table2.csv",
}
KEPT = {
    "card": "work/tiny/cards/adapt/maxsquare/seed1.json",
    "table-card": "work/tiny/cards/table/table2.json",
    "memo": "work/tiny/seen/models/maxsquare/seed1/provenance.json",
    "owner": "work/.owner",
}
AT_REST = MADE | RECORDS | SHOWN | KEPT
SAME_SIZE = ("flip", "low_bit", "zero", "zero_end", "noise", "swap")
ODD = {("owner", "swap"), ("memo", "swap")}
"""Nothing is like them."""
DRAWN, READ = 7, 12
"""Damages drawn for a file that is not among the made ones, and for one in use."""
READERS = {
    "pack": "pretrain/source/seed1",
    "manifest": "evaluate/maxsquare/seed1",
    "source-model": "adapt/maxsquare/seed1",
    "model": "evaluate/maxsquare/seed1",
    "snapshot": "evaluate/maxsquare_iw_multi/seed1",
    "history": "figure/curves",
    "prior": "pseudo_label/cbst_sp-round1/seed1",
    "label-pack": "self_train/cbst_sp-round1/seed1",
    "label-manifest": "self_train/cbst_sp-round1/seed1",
    "selection": "self_train/cbst_sp-round2/seed1",
    "confusion": "statistics/table2",
    "metrics": "table/table2",
    "classifier": "classify/clean_to_camera/source_only/seed1",
    "answers": "accuracy_table/table1",
    "model-record": "evaluate/maxsquare/seed1",
    "metrics-record": "table/table2",
}
"""A job that reads the file, to be run by hand."""


def rest_cases() -> Iterator[Case]:
    """Every kind of damage to what is made, and some kinds to what else there is."""
    draw = random.Random(3)
    for file in AT_REST:
        damages = [*DAMAGES] if file in MADE else sorted(draw.sample([*DAMAGES], DRAWN))
        yield from (Case("at-rest", damage, file, world=WIDE) for damage in damages if (file, damage) not in ODD)


def use_cases() -> Iterator[Case]:
    """Files that a job reads, and most kinds of damage; those that leave a file's size as it was, always."""
    draw = random.Random(4)
    others = [damage for damage in DAMAGES if damage not in SAME_SIZE]
    for file in READERS:
        for damage in (*SAME_SIZE, *draw.sample(others, READ - len(SAME_SIZE))):
            yield Case("in-use", damage, file, world=WIDE)


def run_at_rest(case: Case, folder: Path, reference: Reference) -> Judgement:
    """One command must mend it."""
    path = folder / AT_REST[case.target]
    if not path.is_file():
        return HEALED, "this version keeps no such file"
    DAMAGES[case.kind](path, random.Random(case.name))
    return _heal(case, folder, reference, path, [])


def run_in_use(case: Case, folder: Path, reference: Reference) -> Judgement:
    """The job that stumbles says so, or makes the right bytes all the same; then two commands must mend it."""
    reader = READERS[case.target]
    card = reference.jobs[reader]
    for path in (*card["outputs"].values(), card["provenance"]):
        (folder / path).unlink()
        # What is shelved would come back.
        if path.startswith("results/"):
            (folder / "work/tiny" / path).unlink(missing_ok=True)
    begun = engine.command(folder, targets(reference.world), only_session=True)
    if reader not in begun.due:
        return STUCK, f"{reader} is not due: {begun.last_words()}"
    DAMAGES[case.kind](folder / (AT_REST[case.target]), random.Random(case.name))
    read = engine.stage(folder, reader)
    if read.hung:
        return STUCK, f"{reader} hangs: {read.last_words()}"
    if read.has_traceback:
        return TRACEBACK, read.last_words()
    if read.code == 0:
        own = {*card["outputs"].values(), card["provenance"]}
        wrong = own & set(reference.differences(folder))
        if wrong:
            return SILENT, f"{reader} took it and made {', '.join(sorted(wrong))}: {read.last_words()}"
    elif not is_one_sentence(read):
        return TRACEBACK, f"{reader}: exit {read.code}, not one sentence: {read.last_words()}"
    return _heal(case, folder, reference, folder / AT_REST[case.target], [read], tries=2)


def _heal(
    case: Case, folder: Path, reference: Reference, path: Path, before: list[Report], tries: int = 1
) -> Judgement:  # fmt: skip
    """A folder where a file belongs may hold anything: a sentence asks to remove it, and then all goes on."""
    if case.kind in ("folder", "full_folder") and path.is_dir():
        report = engine.command(folder, targets(reference.world))
        if report.code == 2 and path.is_dir() and any(str(path.relative_to(folder)) in line for line in report.said):
            shutil.rmtree(path)
            outcome, why = heal(folder, reference, [*before, report], tries)
            return (REFUSED if outcome == HEALED else outcome), why
        return heal(folder, reference, [*before, report], tries)
    return heal(folder, reference, before, tries)

"""Finished files damaged, at rest before the same command, and in use between a run's start and the job that reads."""

import contextlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from . import engine
from .case import HEALED, REFUSED, SILENT, STUCK, TRACEBACK, Case
from .damage import DAMAGES
from .engine import Report
from .judging import Judgement, heal, is_one_sentence
from .world import ENGINE, WIDE, Reference, targets

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
    "answers": "work/tiny/metrics/classifiers/clean_to_camera/maxsquare_classifier/seed1/confusion.safetensors",
}
DRAWN_PICTURE = "rendered"
"""A picture of the built-in digits: no job's declared output, yet read by one."""
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
    "memo": "work/tiny/seen/models/maxsquare/seed1/provenance.memo",
    "owner": "work/.owner",
}
AT_REST = MADE | {DRAWN_PICTURE: "work/tiny/data/digits/clean/images/*/*.png"} | RECORDS | SHOWN | KEPT
SOURCES = {
    "image": "toy/gta5/images/00002.png",
    "label": "toy/gta5/labels/00003.png",
    "list": "toy/gta5/list/train.txt",
    "target-image": "toy/cityscapes/leftImg8bit/train/toytown/toytown_000001_000019_leftImg8bit.png",
    "target-label": "toy/cityscapes/gtFine/val/toytown/toytown_000002_000019_gtFine_labelIds.png",
}
"""Files of a user's data sets, which no command can make again."""
CACHES = ("source_train", "target_train", "target_val")
SAME_SIZE = ("flip", "low_bit", "zero", "zero_end", "noise", "swap")
ODD = {("owner", "swap"), ("memo", "swap"), ("list", "swap")}
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
    "classifier": "evaluate/classifiers/clean_to_camera/source_only/seed1",
    "answers": "table/table1",
    "model-record": "evaluate/maxsquare/seed1",
    "metrics-record": "table/table2",
}
"""A job that reads the file, to be run by hand."""


def rest_cases() -> Iterator[Case]:
    """Every kind of damage to what is made, and some kinds to what else there is."""
    draw = random.Random(3)
    for file in AT_REST:
        damages = [*DAMAGES] if file in (*MADE, DRAWN_PICTURE) else sorted(draw.sample([*DAMAGES], DRAWN))
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
    path = min(folder.glob(AT_REST[case.target]), default=folder / "nothing")
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


def source_cases() -> Iterator[Case]:
    """Every kind of a user's file and every kind of damage."""
    for file in SOURCES:
        yield from (Case("sources", damage, file, world=ENGINE) for damage in DAMAGES if (file, damage) not in ODD)


def run_source(case: Case, folder: Path, reference: Reference) -> Judgement:
    """Refused by name, or everything is made anew from what is there now; with the file as it was, all is as before."""
    shutil.copytree(folder / "toy", folder / "toy as it was", symlinks=True)
    DAMAGES[case.kind](folder / SOURCES[case.target], random.Random(case.name))
    damaged = engine.command(folder, targets(reference.world))
    if damaged.code == 0:
        manifests = {f"work/tiny/cache/{name}/manifest.json" for name in CACHES}
        if not manifests & set(reference.differences(folder)) and not _same_lines(folder, case.target):
            return SILENT, "nothing was made anew"
    elif not damaged.said:
        return TRACEBACK, f"exit {damaged.code} without a sentence: {damaged.last_words()}"
    (folder / "toy").rename(folder / "toy damaged")
    (folder / "toy as it was").rename(folder / "toy")
    return heal(folder, reference, [damaged])


def _same_lines(folder: Path, target: str) -> bool:
    """Whether a list lacks no more than the end of its last line."""
    if target != "list" or not (folder / SOURCES[target]).is_file():
        return False
    with contextlib.suppress(OSError, ValueError):
        before = (folder / "toy as it was" / Path(SOURCES[target]).relative_to("toy")).read_text()
        return (folder / SOURCES[target]).read_text().split() == before.split()
    return False


def _heal(
    case: Case, folder: Path, reference: Reference, path: Path, before: list[Report], tries: int = 1
) -> Judgement:  # fmt: skip
    """A folder where a file belongs, and what may not be read, can be the user's own: then a sentence says which it is,
    and when it is taken away all goes on."""
    if case.kind not in ("folder", "full_folder", "unreadable"):
        return heal(folder, reference, before, tries)
    # A result has two names: its own, and that of the link that shows it.
    kept = path.resolve().relative_to(folder.resolve())
    names = {str(path.relative_to(folder)), str(kept), str(kept).removeprefix("work/tiny/")}
    report = engine.command(folder, targets(reference.world))
    named = any(name in line for name in names for line in report.said)
    if report.code == 0 or not named:
        return heal(folder, reference, [*before, report], tries)
    for each in (folder / kept, path):
        if each.is_dir():
            shutil.rmtree(folder / kept)
        elif each.exists():
            each.chmod(0o644)
    outcome, why = heal(folder, reference, [*before, report])
    return (REFUSED if outcome == HEALED else outcome), why

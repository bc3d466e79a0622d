"""Too little of something: disk, permissions, open files, memory, honest clocks, or a folder for oneself."""

import ctypes
import os
import random
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from . import engine
from .case import SKIPPED, STUCK, TRACEBACK, WRONG, Case
from .engine import Report
from .judging import Judgement, heal, judge
from .world import SEGMENTATION, WIDE, Reference, targets

STAGES = (
    "prepare/source_train",
    "prepare/target_val",
    "pretrain/source_multi/seed1",
    "adapt/maxsquare/seed1",
    "refine/maxsquare_iw_multi/seed1",
    "prior/cbst_sp",
    "pseudo_label/cbst_sp-round1/seed1",
    "self_train/cbst_sp-round1/seed1",
    "evaluate/maxsquare/seed1",
    "table/table2",
    "scoring/table2",
    "statistics/table2",
    "figure/curves",
    "figure/qualitative",
    "train_classifier/clean/source_only/seed1",
    "evaluate/classifiers/clean_to_camera/source_only/seed1",
    "table/table1",
)
FOLDERS = (
    ".",
    "work",
    "work/tiny",
    "work/tiny/cards",
    "work/tiny/cards/adapt/maxsquare",
    "work/tiny/run",
    "work/tiny/seen",
    "work/tiny/cache/source_train",
    "work/tiny/models/maxsquare/seed1",
    "work/tiny/results",
    "results",
    "results/figures",
)
TIMES: dict[str, Callable[[random.Random], float]] = {
    "1970": lambda draw: 1.0,
    "2106": lambda draw: 2.0**32 - 2,
    "ahead": lambda draw: time.time() + 3600,
    "random": lambda draw: draw.uniform(0, 2.0**32),
}
MEBIBYTE = 2**20
NOTHING_DUE = "nothing"


def disk_cases() -> Iterator[Case]:
    """Each stage with less room for a file than it needs, three times; whole runs likewise, and on a small disk."""
    draw = random.Random(28)
    for stage in STAGES:
        yield from (Case("full-disk", "file-size", stage, draw.randrange(1000), world=WIDE) for _ in range(3))
    yield from (
        Case("full-disk", "file-size-of-all", "run", draw.randrange(1000), world=SEGMENTATION) for _ in range(8)
    )
    yield from (Case("full-disk", "small-disk", "run", draw.randrange(1000), world=SEGMENTATION) for _ in range(14))


def scarcity_cases() -> Iterator[Case]:
    """Folders that may not be written, few open files, little memory; moments are numbers here."""
    for state in ("done", "fresh"):
        yield from (Case("scarce", f"read-only-{state}", folder, world=SEGMENTATION) for folder in FOLDERS)
    draw = random.Random(64)
    for stage in STAGES:
        yield from (Case("scarce", "open-files", stage, count, world=WIDE) for count in draw.sample(range(4, 24), 2))
        yield from (Case("scarce", "memory", stage, size, world=WIDE) for size in draw.sample([0, 1, 4, 16, 64], 2))


def clock_cases() -> Iterator[Case]:
    """File times of other clocks, with nothing due and with one job."""
    for kind in TIMES:
        yield from (Case("clocks", kind, what, world=SEGMENTATION) for what in (NOTHING_DUE, "adapt/maxsquare/seed1"))


def company_cases() -> Iterator[Case]:
    """Two of the same command, the second a little later; two processes with the same job."""
    draw = random.Random(2)
    for _ in range(8):
        yield Case("two-at-once", "commands", "run", draw.randrange(1000), world=SEGMENTATION)
    for stage in STAGES[:10]:
        yield Case("two-at-once", "stages", stage, draw.randrange(1000), world=WIDE)


def run_disk(case: Case, folder: Path, reference: Reference) -> Judgement:
    """Refused by a sentence, or enough; with room again the same command ends with the same bytes."""
    if case.kind == "small-disk":
        return _small_disk(case, folder, reference)
    if case.kind == "file-size-of-all":
        limit = int(2 * MEBIBYTE * (case.moment / 1000) ** 2)
        report = engine.command(folder, targets(reference.world), before=lambda: limited(resource.RLIMIT_FSIZE, limit))
        return _mended(folder, reference, report)
    sizes = [(reference.done / path).stat().st_size for path in reference.jobs[case.target]["outputs"].values()]
    limit = max(sizes) * case.moment // 1000
    return _by_hand(case, folder, reference, lambda: limited(resource.RLIMIT_FSIZE, limit))


def run_scarcity(case: Case, folder: Path, reference: Reference) -> Judgement:
    """As ``run_disk``."""
    if case.kind == "open-files":
        return _by_hand(
            case, folder, reference, lambda: limited(resource.RLIMIT_NOFILE, _inherited_files() + case.moment)
        )
    if case.kind == "memory":
        return _by_hand(
            case, folder, reference, lambda: limited(resource.RLIMIT_AS, _memory() + case.moment * MEBIBYTE)
        )
    place = folder / case.target
    _forget(folder, reference, "adapt/maxsquare/seed1")
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o555)
    report = engine.command(folder, targets(reference.world))
    place.chmod(0o755)
    return _mended(folder, reference, report)


def run_clock(case: Case, folder: Path, reference: Reference) -> Judgement:
    """Only what is missing is made, whatever the times of files say."""
    draw = random.Random(case.name)
    if case.target != NOTHING_DUE:
        _forget(folder, reference, case.target)
    for where, _, names in os.walk(folder):
        for name in names:
            moment = TIMES[case.kind](draw)
            os.utime(os.path.join(where, name), (moment, moment), follow_symlinks=False)
    report = engine.command(folder, targets(reference.world))
    if case.target == NOTHING_DUE and report.due:
        return STUCK, f"made anew for their times: {report.due[:4]}"
    return judge(folder, reference, [report])


def run_company(case: Case, folder: Path, reference: Reference) -> Judgement:
    """The second of two commands stands aside; of two processes with the same job one does it."""
    if case.kind == "commands":
        notes, pids = [], []
        for _ in range(2):
            notes.append(engine.new_note(folder))
            pids.append(engine.start_command(folder, targets(reference.world), notes[-1]))
            time.sleep(case.moment / 1000)
        reports = [engine.finish(pid, note, 120) for pid, note in zip(pids, notes, strict=True)]
        if sorted(report.code for report in reports) not in ([0, 0], [0, engine.BUSY]):
            return (
                STUCK,
                f"exit {[report.code for report in reports]}: {reports[0].last_words()} {reports[1].last_words()}",
            )
        return heal(folder, reference, reports)
    _forget(folder, reference, case.target)
    engine.command(folder, targets(reference.world), only_session=True)
    notes, pids = [], []
    for _ in range(2):
        notes.append(engine.new_note(folder))
        pids.append(engine.start(folder, lambda: engine.by_hand(case.target), notes[-1]))
        time.sleep(case.moment / 10_000)
    reports = [engine.finish(pid, note) for pid, note in zip(pids, notes, strict=True)]
    if any(report.code for report in reports):
        return STUCK, f"exit {[report.code for report in reports]}: {reports[0].last_words()} {reports[1].last_words()}"
    made = sum("done in" in report.text for report in reports)
    if made != 1:
        return WRONG, f"done {made} times"
    return heal(folder, reference, reports)


def limited(what: int, limit: int) -> None:
    """Lowers a limit of this process and its children."""
    resource.setrlimit(what, (limit, resource.getrlimit(what)[1]))


def _by_hand(case: Case, folder: Path, reference: Reference, before: Callable[[], None]) -> Judgement:
    _forget(folder, reference, case.target)
    begun = engine.command(folder, targets(reference.world), only_session=True)
    if case.target not in begun.due:
        return STUCK, f"{case.target} is not due: {begun.last_words()}"
    report = engine.stage(folder, case.target, before)
    if report.code not in (0, 2) or (report.code == 2 and len(report.said) != 1):
        return TRACEBACK, f"exit {report.code}, not one sentence: {report.last_words()}"
    return _mended(folder, reference, report)


def _mended(folder: Path, reference: Reference, report: Report) -> Judgement:
    if report.code not in (0, 1, 2) and not report.hung:
        return TRACEBACK, f"exit {report.code}: {report.last_words()}"
    if report.code and not report.said and not report.has_traceback:
        return TRACEBACK, f"exit {report.code} without a sentence: {report.last_words()}"
    return heal(folder, reference, [report])


def _forget(folder: Path, reference: Reference, name: str) -> None:
    """A job that is due: its outputs are gone, on the shelf too."""
    card = reference.jobs[name]
    for path in (*card["outputs"].values(), card["provenance"]):
        (folder / path).unlink(missing_ok=True)
        if path.startswith("results/"):
            (folder / "work/tiny" / path).unlink(missing_ok=True)


def _small_disk(case: Case, folder: Path, reference: Reference) -> Judgement:
    """``work`` on a disk of its own with 1 to 20 MiB; then it grows. The mount is this process's alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    place = str(folder / "work").encode()
    os.mkdir(place)
    private = libc.unshare(0x20000) == 0 and libc.mount(b"none", b"/", None, 0x44000, None) == 0  # new, private mounts
    size = MEBIBYTE + 19 * MEBIBYTE * case.moment // 1000
    if not private or libc.mount(b"tmpfs", place, b"tmpfs", 0, f"size={size}".encode()) != 0:
        return SKIPPED, "no right to mount a disk"
    report = engine.command(folder, targets(reference.world))
    if libc.mount(b"tmpfs", place, b"tmpfs", 0x20, b"size=256m") != 0:  # remount
        return SKIPPED, "no right to mount a disk"
    return _mended(folder, reference, report)


def _inherited_files() -> int:
    """Descriptors that this process has and a program that is started anew would not, which has three."""
    return max(map(int, os.listdir("/proc/self/fd"))) - 2


def _memory() -> int:
    """Bytes of address space of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()

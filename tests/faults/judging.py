"""How a project took a fault: what was said, and what stands there in the end."""

from collections.abc import Sequence
from pathlib import Path

from . import engine
from .case import HEALED, SILENT, STUCK, TRACEBACK, WRONG
from .engine import Report
from .world import Reference, targets

Judgement = tuple[str, str]


def heal(folder: Path, reference: Reference, before: Sequence[Report] = (), tries: int = 1) -> Judgement:
    """Gives the same command ``tries`` times at most, and judges the end: right bytes, nothing due, no traceback.

    ``before`` are the reports of what was disturbed.
    """
    reports = list(before)
    for _ in range(tries):
        reports.append(engine.command(folder, targets(reference.world)))
        if reports[-1].hung or (reports[-1].code == 0 and not reference.differences(folder)):
            break
    return judge(folder, reference, reports)


def judge(folder: Path, reference: Reference, reports: Sequence[Report]) -> Judgement:
    """Of the last report is expected that it brought everything to its end."""
    for report in reports:
        if report.has_traceback:
            return TRACEBACK, report.last_words()
        if report.hung:
            return STUCK, f"hangs: {report.last_words()}"
    last = reports[-1]
    differences = reference.differences(folder)
    if last.code != 0:
        return STUCK, f"exit {last.code}, {len(differences)} differ: {last.last_words()}"
    if differences:
        said = any(report.said for report in reports)
        return WRONG if said else SILENT, f"{len(differences)} differ: {', '.join(differences[:4])}"
    again = engine.command(folder, targets(reference.world), only_session=True)
    if again.code != 0 or again.due:
        return STUCK, f"still due: {again.due[:4]} {again.last_words()}"
    return HEALED, ""


def is_one_sentence(report: Report) -> bool:
    """Whether a stage that was run by hand refused as it should: exit status 2 and one line that is a sentence."""
    return report.code == 2 and len(report.said) == 1 and not report.has_traceback

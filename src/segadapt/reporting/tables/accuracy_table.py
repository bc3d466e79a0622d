"""Table 1: a row a method, a column a task, accuracies of ours beside the published ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import pandas

from segadapt.reporting.tables.cells import ACCURACY, table_columns, typed
from segadapt.reporting.tables.main import one_decimal, percent
from segadapt.reporting.tables.published import PublishedRow

Accuracies = dict[str, list[float]]
"""Fractions in [0, 1] by task, one a seed; a task that was not run is not in it."""


@dataclass(frozen=True)
class AccuracyRow:
    """A method: what the table says of it, and its accuracies. ``about`` has the columns that are text."""

    title: str
    origin: str
    paper_row: str | None
    about: Mapping[str, str]
    accuracies: Accuracies
    gpu_hours: float | None = None


def means(accuracies: Accuracies, tasks: Sequence[str]) -> list[float]:
    """The mean over all tasks, one a seed; none where a task was not run."""
    if set(accuracies) != set(tasks):
        return []
    return [sum(values) / len(tasks) for values in zip(*accuracies.values(), strict=True)]


def accuracy_table(
    rows: Sequence[AccuracyRow], tasks: Sequence[str], published: Sequence[PublishedRow] = (), paper_data: bool = False
) -> pandas.DataFrame:
    """Our rows in the order given, then the published ones, with the columns of ``table_columns(tasks, ACCURACY)``.

    Accuracies are means over seeds in percent, and ``_sd`` their sample standard deviations, empty for fewer than two
    seeds. Published rows have accuracies of the table's own tasks alone, and their mean. ``paper_accuracy`` stands
    beside ours where these were measured on the paper's data.
    """
    means_of_paper = {row.method: next(iter(row.miou.values())) for row in published}
    records = [_own(row, tasks, means_of_paper if paper_data else {}) for row in rows]
    for row in published:
        about = {"method": row.method, "backbone": row.backbone, "origin": "published"}
        known = {task: value for task, value in row.iou.items() if task in tasks}
        records.append(about | known | {ACCURACY: means_of_paper[row.method]})
    return typed(pandas.DataFrame(records, columns=table_columns(tasks, ACCURACY)))


def _own(row: AccuracyRow, tasks: Sequence[str], paper: Mapping[str, float]) -> dict[str, Any]:
    seeds = max(map(len, row.accuracies.values()), default=0)
    record: dict[str, Any] = {"method": row.title, "origin": row.origin, "seeds": seeds, "gpu_hours": row.gpu_hours}
    record |= row.about
    for name, values in (row.accuracies | {ACCURACY: means(row.accuracies, tasks)}).items():
        if values:
            record[name] = percent(numpy.mean(values))
        if len(values) > 1:
            record[f"{name}_sd"] = percent(numpy.std(values, ddof=1))
    if row.paper_row in paper and ACCURACY in record:
        record["paper_accuracy"] = paper[row.paper_row]
        record["delta"] = one_decimal(record[ACCURACY] - record["paper_accuracy"])
    return record

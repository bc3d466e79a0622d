"""The result table: fixed columns, one row a method, numbers of ours beside the published ones."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
import pandas

from segadapt.core.errors import UserError
from segadapt.reporting.lineage.trace import Record, Traced, TracedRow, joined, missing_rows, rows_of
from segadapt.reporting.tables.cells import (
    COMPARED,
    LAMBDAS,
    MIOU,
    TEXT,
    further_means,
    over_columns,
    table_columns,
    typed,
)
from segadapt.reporting.tables.formats import TableHeader, table_files
from segadapt.reporting.tables.intervals import paired_seeds
from segadapt.reporting.tables.published import PublishedRow, published_rows

ORIGINS = ("ours", "control", "published")

Values = Mapping[str, Sequence[float | None]]
"""Fractions in [0, 1] by column, one a seed; None for an absent class. A column that was not run is not in it."""


@dataclass(frozen=True)
class TableRow:
    """What is known of one method after its seeds were run.

    Args:
        method: Title, as shown.
        backbone: "ResNet-101", say.
        origin: "ours" for a method, "control" for a run that only tells what a method's parts buy.
        values: Of classes or tasks, and their mean.
        paper_method: The ``method`` of the published row to compare with, or None; a value of a sweep may have none.
        selection: Which checkpoint is scored: "last step", say.
        protocol: "released", "paper" or "submission".
        eval_size: Width x height of the labels: "1024x512", say.
        preset: The preset of ``params.yaml``.
        gpu_hours: Over all seeds, of the job that made the scored model; None where no GPU was used or nothing was
            measured.
        commit: The commit of the code that made the numbers.
        weight, paper_weight: λ of the target loss, and the paper's that it stands for; None for none.
        control: The mean of the row that it is compared with, in the same order of seeds; empty for none.
    """

    method: str
    backbone: str
    origin: str
    values: Values = field(default_factory=dict)
    paper_method: str | None = None
    selection: str = ""
    protocol: str = ""
    eval_size: str = ""
    preset: str = ""
    gpu_hours: float | None = None
    commit: str = ""
    weight: float | None = None
    paper_weight: float | None = None
    control: Sequence[float | None] = ()

    @property
    def seeds(self) -> int:
        """How many seeds were run."""
        return max(map(len, self.values.values()), default=0)


def build(traced: Traced) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """``results/<table>`` in its forms by role, and what its lineage keeps of each row.

    A row whose chain of records is broken is left out, or its part left empty; one of which a job failed
    (``segadapt.plan.jobs.partial``) has no numbers.
    """
    config, rows, records = traced.job.config, [], []
    columns, mean = config["columns"], config["measure"]
    row_of = {part.about["key"]: parts for parts in traced.rows for part in parts}
    for entries, parts in zip(rows_of(config), traced.rows, strict=True):
        about = entries[0]
        if parts:
            control = row_of.get(about["baseline"], parts)
            rows.append(table_row(parts, config, traced.trainings(parts[0]), () if control is parts else control))
            records.append(joined(parts, rows[-1].values | _further(rows[-1].values, columns)))
        elif any(each["key"] in missing_rows(config) for each in entries):
            facts = {name: about[name] for name in ("backbone", "origin", "protocol")}
            rows.append(TableRow(about["title"], preset=config["preset"], **facts))
    published = published_rows(config["published"]) if config["published"] else ()
    frame = build_table(rows, list(columns), published, config["is_paper_data"], mean)
    note = " ".join(filter(None, [traced.notes(warn=not config["is_paper_data"]), config["published_note"]]))
    title = Path(traced.job.outputs["csv"]).stem
    return table_files(title, frame, TableHeader.of_models(config, note, traced.models())), records


def table_row(
    parts: Sequence[TracedRow], config: Mapping[str, Any], trainings: Sequence[Record], control: Sequence[TracedRow]
) -> TableRow:
    """The row of one method from its scores, the records of its training, and the scores of the row that it is compared
    with; ``config`` is the table job's."""
    about, models = parts[0].about, [metrics["model"] for part in parts for metrics in part.metrics]
    reading = list(config["columns"]), config["measure"], config["evaluation_size"]
    return TableRow(
        method=about["title"],
        backbone=about["backbone"],
        origin=about["origin"],
        values=row_values(parts, *reading),
        paper_method=about["paper_row"],
        selection=parts[0].metrics[0]["selection"],
        protocol=about["protocol"],
        eval_size=about["eval_size"],
        preset=config["preset"],
        gpu_hours=sum(each["gpu_seconds"] or 0.0 for each in models) / 3600 or None,
        commit=" ".join(sorted({each["commit"] or "unknown" for each in models})),
        **weights(trainings),
        control=row_values(control, *reading).get(config["measure"], ()) if control else (),
    )


def weights(trainings: Sequence[Record]) -> dict[str, float | None]:
    """``weight`` and ``paper_weight`` of a row, by its training's record; of an ensemble neither."""
    (config,) = [each["identity"]["config"] for each in trainings] if len(trainings) == 1 else [{}]
    method, rule = config.get("method") or {}, config.get("lambda_rule") or {}
    weight = None if method.get("target_loss") is None else method["lambda_target"]
    return {"weight": weight, "paper_weight": rule.get("lambda_target")}


def row_values(parts: Sequence[TracedRow], columns: Sequence[str], mean: str, size: str) -> dict[str, list]:
    """The columns and their mean. What was scored as a whole has columns of its own, perhaps more of them than the
    table; of what was scored in parts each is a column."""
    if parts[0].column is None:
        scores = [over_columns(metrics[size], columns, mean) for metrics in parts[0].metrics]
        return {name: [each[name] for each in scores] for name in (*columns, mean)}
    found = {part.column: [metrics[size][mean] for metrics in part.metrics] for part in parts}
    return with_mean(found, columns, mean)


def with_mean(parts: dict[str, list[float]], columns: Sequence[str], mean: str) -> dict[str, list[float]]:
    """The parts of a row and their mean, one a seed; no mean where a part of the columns was not run."""
    if set(parts) != set(columns):
        return parts
    return parts | {mean: [sum(of_seed) / len(columns) for of_seed in zip(*parts.values(), strict=True)]}


def build_table(
    rows: Iterable[TableRow], columns: Sequence[str], published: Sequence[PublishedRow] = (), paper_data: bool = False,
    mean: str = MIOU,
) -> pandas.DataFrame:  # fmt: skip
    """Our rows in the order given, then the published ones with origin "published".

    Scores, their sample standard deviations over seeds (empty for fewer than two) and the difference to the paper are
    percent or percentage points, unrounded; a class's score is the mean over the seeds in which it is present. What was
    not run is NaN or "".

    Args:
        rows: Our rows.
        columns: Classes or tasks.
        published: Rows of ``published_rows`` over the same columns or more, or over none of them.
        paper_data: Whether our rows were measured on the paper's data; only then do the paper's mean and ``delta``
            stand beside them.
        mean: What their mean is called.

    Raises:
        UserError: for an unknown origin, unequal numbers of seeds, a number out of [0, 1] or published rows over
            other columns.
    """
    paper = {each.method: each for each in published}
    # A class that one published row does not report is reported by another.
    reported = set().union(*(row.iou for row in published))
    missing = set(columns) - reported
    if missing and reported & set(columns):
        raise UserError(f"the published rows have no columns {sorted(missing)}; leave them out")
    records = [_own_record(row, columns, mean, paper, paper_data) for row in rows]
    records += [_published_record(row, columns, mean) for row in published]
    return typed(pandas.DataFrame(records, columns=table_columns(columns, mean)))


def _own_record(
    row: TableRow, columns: Sequence[str], mean: str, paper: dict[str, PublishedRow], paper_data: bool
) -> dict[str, Any]:
    _check(row)
    record: dict[str, Any] = {name: getattr(row, name) for name in TEXT if name != "verdict"}
    record |= {"seeds": row.seeds, "gpu_hours": row.gpu_hours}
    record |= zip(LAMBDAS, (row.weight, row.paper_weight), strict=True)
    for name, values in (row.values | _further(row.values, columns)).items():
        value_S = numpy.array(values, numpy.float64)
        if name in columns:
            value_S = value_S[~numpy.isnan(value_S)]
        record[name] = 100.0 * value_S.mean() if value_S.size else None
        record[f"{name}_sd"] = 100.0 * value_S.std(ddof=1) if len(value_S) > 1 else None
    if len(row.control) == len(row.values.get(mean, ())) > 0:
        found = paired_seeds(row.values[mean], row.control)
        numbers = (100.0 * each for each in (found.mean, found.low, found.high, found.detectable))
        record |= zip(COMPARED, (*numbers, found.verdict), strict=True)
    printed = paper[row.paper_method].mean(columns) if row.paper_method in paper else None
    if paper_data and printed is not None and record.get(mean) is not None:
        record[f"paper_{mean}"] = printed
        record["delta"] = record[mean] - printed
    return record


def _further(values: Values, columns: Sequence[str]) -> Values:
    """The ``further_means`` of a row's values, each over the classes that are present."""
    found = {}
    for name, part in further_means(columns).items() if values else ():
        iou_SC = numpy.array([values[each] for each in part], numpy.float64).T
        known = [iou_C[~numpy.isnan(iou_C)] for iou_C in iou_SC]
        found[name] = [float(iou_P.mean()) if iou_P.size else None for iou_P in known]
    return found


def _check(row: TableRow) -> None:
    where = f"row {row.method!r}"
    if row.origin not in ORIGINS[:2]:
        raise UserError(f"{where}: origin {row.origin!r} is not one of our own rows; choose 'ours' or 'control'")
    for name, values in row.values.items():
        if len(values) != row.seeds:
            raise UserError(f"{where}: {name} has {len(values)} seeds, another column {row.seeds}; give all of them")
        for index, value in enumerate(values):
            if value is not None and not math.isnan(value) and not 0 <= value <= 1:
                raise UserError(f"{where}, seed number {index}: {name} is outside [0, 1]; give fractions, not percent")


def _published_record(row: PublishedRow, columns: Sequence[str], mean: str) -> dict[str, Any]:
    record = {"method": row.method, "backbone": row.backbone, "origin": "published", mean: row.mean(columns)}
    record |= {name: row.iou.get(name) for name in columns}
    return record | {name: row.mean(part) for name, part in further_means(columns).items()}

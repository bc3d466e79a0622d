"""The result table: fixed columns, one row a method, numbers of ours beside the published ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy
import pandas

from segadapt.core.errors import UserError
from segadapt.labels import ClassSet
from segadapt.reporting.tables.cells import TEXT, further_means, table_columns, typed
from segadapt.reporting.tables.published import PublishedRow

ORIGINS = ("ours", "control", "published")


@dataclass(frozen=True)
class TableRow:
    """What is known of one method after its seeds were run.

    Args:
        method: Title, as shown.
        backbone: "ResNet-101", say.
        origin: "ours" for a method, "control" for a run that only tells what a method's parts buy.
        iou_per_seed: One float array (C,) a seed: IoU in [0, 1] of the class set's classes in
            order, NaN for an absent class. Empty if the method was not run.
        miou_per_seed: The mean IoU in [0, 1] of each seed.
        paper_method: The ``method`` of the published row to compare with, or None; a value of a sweep may have none.
        selection: Which checkpoint is scored: "last step", say.
        protocol: "released", "paper" or "submission".
        eval_size: Width x height of the labels: "1024x512", say.
        preset: The preset of ``params.yaml``.
        gpu_hours: Over all seeds; None where no GPU was used or nothing was measured.
        commit: The commit of the code that made the numbers.
    """

    method: str
    backbone: str
    origin: str
    iou_per_seed: Sequence[numpy.ndarray]
    miou_per_seed: Sequence[float]
    paper_method: str | None = None
    selection: str = ""
    protocol: str = ""
    eval_size: str = ""
    preset: str = ""
    gpu_hours: float | None = None
    commit: str = ""

    @property
    def seeds(self) -> int:
        """How many seeds were run."""
        return len(self.miou_per_seed)


def build_table(
    rows: Iterable[TableRow],
    class_set: ClassSet,
    published: Sequence[PublishedRow] = (),
    paper_data: bool = False,
) -> pandas.DataFrame:
    """Our rows in the order given, then the published ones with origin "published".

    IoU, mIoU, its sample standard deviation over seeds (empty for fewer than two) and the
    difference to the paper are percent or percentage points, rounded to one decimal; a class's IoU is the
    mean over the seeds in which it is present. What was not run is NaN or "".

    Args:
        rows: Our rows.
        class_set: Gives the class columns and how many classes a mean is over.
        published: Rows of ``published_rows`` over the same classes or more.
        paper_data: Whether our rows were measured on the paper's data; only then do ``paper_mIoU``
            and ``delta`` stand beside them.

    Raises:
        UserError: for an unknown origin, a wrong number of classes, a number out of [0, 1] or published rows over
            other classes.
    """
    paper = {each.method: each for each in published}
    # A class that one published row does not report is reported by another.
    by_class = [row.iou for row in published if row.iou]
    missing = set(class_set.classes).difference(*by_class) if by_class else None
    if missing:
        raise UserError(f"the published rows have no classes {sorted(missing)} of {class_set.name}; leave them out")
    records = [_own_record(row, class_set, paper, paper_data) for row in rows]
    records += [_published_record(row, class_set) for row in published]
    frame = pandas.DataFrame(records, columns=table_columns(class_set.classes))
    return typed(frame)


def _own_record(row: TableRow, class_set: ClassSet, paper: dict[str, PublishedRow], paper_data: bool) -> dict:
    _check(row, class_set)
    text = {name: getattr(row, name) for name in TEXT}
    record = {**text, "seeds": row.seeds, "gpu_hours": row.gpu_hours}
    if not row.seeds:
        return record
    iou_SC = numpy.asarray(row.iou_per_seed, dtype=numpy.float64)
    for name, iou_S in zip(class_set.classes, iou_SC.T, strict=True):
        present = iou_S[~numpy.isnan(iou_S)]
        record[name] = percent(present.mean()) if present.size else None
    means = {"mIoU": numpy.asarray(row.miou_per_seed, dtype=numpy.float64)}
    for name, classes in further_means(class_set.classes).items():
        part_SC = iou_SC[:, [class_set.classes.index(each) for each in classes]]
        means[name] = numpy.array([iou_C[~numpy.isnan(iou_C)].mean() for iou_C in part_SC])
    for name, miou_S in means.items():
        record[name] = percent(miou_S.mean())
        if row.seeds > 1:
            record[f"{name}_sd"] = percent(miou_S.std(ddof=1))
    reference = paper.get(row.paper_method)
    if paper_data and reference is not None and len(class_set) in reference.miou:
        record["paper_mIoU"] = reference.miou[len(class_set)]
        record["delta"] = one_decimal(record["mIoU"] - record["paper_mIoU"])
    return record


def _check(row: TableRow, class_set: ClassSet) -> None:
    where = f"row {row.method!r}"
    if row.origin not in ORIGINS[:2]:
        raise UserError(f"{where}: origin {row.origin!r} is not one of our own rows; choose 'ours' or 'control'")
    if len(row.iou_per_seed) != len(row.miou_per_seed):
        raise UserError(
            f"{where}: {len(row.iou_per_seed)} seeds have class IoUs, {len(row.miou_per_seed)} have a mean; give both"
        )
    for index, (iou_C, miou) in enumerate(zip(row.iou_per_seed, row.miou_per_seed, strict=True)):
        if numpy.shape(iou_C) != (len(class_set),):
            raise UserError(
                f"{where}, seed number {index}: IoUs of shape {numpy.shape(iou_C)} do not fit the "
                f"{len(class_set)} classes of {class_set.name}"
            )
        values = numpy.append(iou_C, miou)
        if not numpy.all(numpy.isnan(values) | ((values >= 0) & (values <= 1))):
            raise UserError(f"{where}, seed number {index}: an IoU is outside [0, 1]; give fractions, not percent")


def _published_record(row: PublishedRow, class_set: ClassSet) -> dict:
    record = {"method": row.method, "backbone": row.backbone, "origin": "published"}
    record.update({name: row.iou.get(name) for name in class_set.classes})
    record["mIoU"] = row.miou.get(len(class_set))
    for name, classes in further_means(class_set.classes).items():
        record[name] = row.miou.get(len(classes))
    return record


def percent(fraction: float) -> float:
    """A fraction in percent, as it stands in a table."""
    return one_decimal(100.0 * fraction)


def one_decimal(value: float) -> float:
    """Rounded as it is written, so that what is read back is equal."""
    return float(f"{value:.1f}")

"""From the metrics of a row's seeds to the row of a table, and to the values that its lineage keeps."""

import math
from typing import Any

import numpy

from segadapt.labels import ClassSet
from segadapt.reporting.tables.main import TableRow


def table_row(
    row: dict[str, Any], metrics: list[dict[str, Any]], config: dict[str, Any], classes: ClassSet
) -> TableRow:
    """The row of one method.

    Args:
        row: Its entry in the table job's configuration: key, title, origin, ``paper_row``, ``backbone``, ``protocol``,
            ``eval_size``.
        metrics: The content of ``metrics.json``, one a seed.
        config: The table job's configuration.
        classes: The classes of the table.
    """
    sizes = [_over(each[config["evaluation_size"]], classes) for each in metrics]
    gpu_seconds = sum(each["model"]["gpu_seconds"] or 0.0 for each in metrics)
    return TableRow(
        method=row["title"],
        backbone=row["backbone"],
        origin=row["origin"],
        iou_per_seed=[numpy.array([size["IoU"][name] for name in classes.classes], float) for size in sizes],
        miou_per_seed=[size["mIoU"] for size in sizes],
        paper_method=row["paper_row"],
        selection=metrics[0]["selection"],
        protocol=row["protocol"],
        eval_size=row["eval_size"],
        preset=config["preset"],
        gpu_hours=gpu_seconds / 3600 or None,
        commit=" ".join(sorted({each["model"]["commit"] or "unknown" for each in metrics})),
    )


def _over(scores: dict[str, Any], classes: ClassSet) -> dict[str, Any]:
    """mIoU and IoU over the classes of the table, which may be a part of the model's."""
    iou = {name: scores["IoU"][name] for name in classes.classes}
    if len(iou) == len(scores["IoU"]):
        return scores
    present = [value for value in iou.values() if value is not None]
    return {"IoU": iou, "mIoU": sum(present) / len(present) if present else math.nan}


def missing_row(row: dict[str, Any], config: dict[str, Any]) -> TableRow:
    """The row of a method whose job failed: no numbers, not even of the seeds that there are."""
    about = {"method": row["title"], "backbone": row["backbone"], "origin": row["origin"], "protocol": row["protocol"]}
    return TableRow(**about, iou_per_seed=[], miou_per_seed=[], preset=config["preset"])


def row_values(row: TableRow, classes: ClassSet) -> dict[str, list[float | None]]:
    """IoU of every class and mIoU, each a list of fractions in [0, 1], one a seed; None for an absent class."""
    columns = zip(*(iou_C.tolist() for iou_C in row.iou_per_seed), strict=True)
    values = {name: list(column) for name, column in zip(classes.classes, columns, strict=True)}
    values["mIoU"] = [float(value) for value in row.miou_per_seed]
    return {
        name: [None if value is None or math.isnan(value) else value for value in column]
        for name, column in values.items()
    }

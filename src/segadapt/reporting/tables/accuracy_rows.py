"""From the traced cells of a classification table to its rows."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from segadapt.reporting.lineage.trace import TracedRow
from segadapt.reporting.tables.accuracy_table import Accuracies, AccuracyRow, means
from segadapt.reporting.tables.cells import ACCURACY

Metrics = dict[str, Any]
"""The content of a classifier's ``metrics.json``."""


def by_row(cells: Iterable[TracedRow], read: Callable[[TracedRow], Any]) -> dict[str, dict[str, Any]]:
    """Row to task to what ``read`` gives of a cell."""
    found: dict[str, dict[str, Any]] = {}
    for cell in cells:
        found.setdefault(cell.about["row"], {})[cell.about["task"]] = read(cell)
    return found


def accuracies(metrics: Mapping[str, list[Metrics]], of: Callable[[Metrics], float]) -> Accuracies:
    """By task, one a seed, what ``of`` takes from the metrics."""
    return {task: [of(each) for each in seeds] for task, seeds in metrics.items()}


def table_rows(config: Mapping[str, Any], metrics: Mapping[str, Mapping[str, list[Metrics]]]) -> list[AccuracyRow]:
    """The rows of the table, in the order of its configuration; one of which nothing is there has no numbers."""
    rows = []
    for about in {each["row"]: each for each in config["rows"]}.values():
        found = metrics.get(about["row"], {})
        every = [each for seeds in found.values() for each in seeds]
        gpu_seconds = sum(each["model"]["gpu_seconds"] or 0.0 for each in every)
        text = {
            "backbone": config["backbone"],
            "selection": every[0]["selection"] if every else "",
            "protocol": config["protocol_in_full"],
            "eval_size": config["eval_size"],
            "preset": config["preset"],
            "commit": " ".join(sorted({each["model"]["commit"] or "unknown" for each in every})),
        }
        values = accuracies(found, lambda each: each["native"]["accuracy"])
        rows.append(
            AccuracyRow(about["title"], about["origin"], about["paper_row"], text, values, gpu_seconds / 3600 or None)
        )
    return rows


def with_mean(values: Accuracies, tasks: Iterable[str]) -> dict[str, list[float | None]]:
    """The accuracies and their mean over the tasks, one a seed, as a lineage keeps them."""
    return {**values, ACCURACY: means(values, list(tasks))}

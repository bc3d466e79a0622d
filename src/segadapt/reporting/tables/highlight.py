"""Which cells of a table stand out."""

import pandas

from segadapt.reporting.tables.main import ACCURACY, class_columns, further_means, mean_column

ORIGIN_TITLES = {
    "ours": "Measured here",
    "control": "Controls, measured here",
    "published": "Published, not measured here",
}


def score_columns(cells: pandas.DataFrame) -> list[str]:
    """The columns that hold the percentages of a row: the classes or tasks and their means."""
    classes = class_columns(cells.columns)
    return [*classes, mean_column(cells.columns), *further_means(classes)]


def number_columns(cells: pandas.DataFrame) -> set[str]:
    """All columns that hold numbers."""
    scores = score_columns(cells)
    paper = f"paper_{mean_column(cells.columns)}"
    return {*scores, *(f"{name}_sd" for name in scores), "seeds", paper, "delta", "gpu_hours"}


def meaning(cells: pandas.DataFrame) -> str:
    """One clause on what a table's numbers are."""
    if mean_column(cells.columns) == ACCURACY:
        return "Accuracy in percent: a task's share of right answers, accuracy their mean"
    return "IoU and mIoU in percent"


def best_own(cells: pandas.DataFrame) -> set[tuple[int, str]]:
    """(row position, column) of the best value a column among the rows that are not published.

    Controls compete too: a method that does not beat them buys nothing. All of a tie are best.
    """
    best = set()
    for name in score_columns(cells):
        values = {
            position: float(value)
            for position, (value, origin) in enumerate(zip(cells[name], cells["origin"], strict=True))
            if value and origin != "published"
        }
        best |= {(position, name) for position, value in values.items() if value == max(values.values())}
    return best


def groups(cells: pandas.DataFrame) -> list[tuple[str, list[int]]]:
    """Origins with the positions of their rows, rows of one origin together, in order of appearance."""
    found: dict[str, list[int]] = {}
    for position, origin in enumerate(cells["origin"]):
        found.setdefault(origin, []).append(position)
    return list(found.items())

"""The cells of a result table as they stand in its CSV: the fixed columns, and which cells stand out."""

import io
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from csv import Error as CsvError
from csv import reader
from pathlib import Path
from typing import Any

import numpy
import pandas

from segadapt.core.errors import UserError
from segadapt.labels import SYNTHIA13, SYNTHIA16

MIOU, ACCURACY = "mIoU", "accuracy"
MEANS = {
    MIOU: "IoU and mIoU in percent",
    ACCURACY: "Accuracy in percent: a task's share of right answers, accuracy their mean",
}
"""The column of a table's mean, over classes or over tasks, to one clause on what the numbers are."""
_EACH_SPREAD = (ACCURACY,)
"""Means whose every column has a standard deviation."""
_LEADING = ("method", "backbone", "origin")
COMPARED = ("vs_control", "vs_control_low", "vs_control_high", "detectable", "verdict")
"""A row against its control, in points: difference, interval, what could have been shown, and the verdict."""
LAMBDAS = ("lambda", "paper_lambda")
"""What the target loss was weighed by, and the paper's λ that it stands for by the preset's rule."""
_TRAILING = ("delta", *LAMBDAS, "selection", "protocol", "eval_size", "preset", "gpu_hours", "commit")
TEXT = {"method", "backbone", "origin", "verdict", "selection", "protocol", "eval_size", "preset", "commit"}
POINTS = ".2f"
"""How differences in points are written."""
_FORMATS = {"gpu_hours": ".3f"} | dict.fromkeys(COMPARED, POINTS) | dict.fromkeys(LAMBDAS, ".4g")
"""Of the numbers that have not one decimal."""
ORIGIN_TITLES = {
    "ours": "Measured here",
    "control": "Controls, measured here",
    "published": "Published, not measured here",
}


def spread(values: Sequence[float | None], scale: float = 100.0, digits: int = 1) -> tuple[str, str]:
    """Mean and sample standard deviation over seeds as a table shows them; "" for what is not known of all seeds."""
    known = [scale * value for value in values if value is not None]
    whole = known if len(known) == len(values) else []
    found = (statistics.fmean(whole) if whole else math.nan, statistics.stdev(whole) if len(whole) > 1 else math.nan)
    return tuple(shown(each, f".{digits}f") for each in found)


def shown(value: float, written: str = POINTS) -> str:
    """A number as it stands in a table, the one place where any is rounded; "" for NaN, and no sign before a zero."""
    return "" if pandas.isna(value) else f"{value:z{written}}"


def companion_csv(records: Sequence[Mapping[str, str]], columns: Sequence[str]) -> bytes:
    """A table that goes with another one as CSV, its columns the same whatever was run; equal records, equal bytes."""
    return pandas.DataFrame(records, columns=list(columns)).to_csv(index=False, lineterminator="\n").encode()


def table_columns(classes: Sequence[str], mean: str = MIOU) -> list[str]:
    """The fixed columns of a table over these classes; the 16 of SYNTHIA have a second mean, over 13 of them.

    With ``ACCURACY`` as ``mean`` they are tasks, each of which has a standard deviation.
    """
    further = [column for name in further_means(classes) for column in (name, f"{name}_sd")]
    if mean in _EACH_SPREAD:
        further = [f"{name}_sd" for name in classes]
    return [*_LEADING, *classes, mean, f"{mean}_sd", *further, "seeds", *COMPARED, f"paper_{mean}", *_TRAILING]


def mean_column(columns: Iterable[str]) -> str:
    """The column of ``MEANS`` that a table has; ValueError if it has none."""
    columns = list(columns)
    return next((name for name in MEANS if name in columns), None) or columns[columns.index(MIOU)]


def further_means(classes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The means over a part of the classes that the field reports too, and their classes."""
    return {"mIoU13": SYNTHIA13.classes} if tuple(classes) == SYNTHIA16.classes else {}


def class_columns(columns: Sequence[str]) -> list[str]:
    """The names of classes or tasks among a table's columns: what stands between ``origin`` and the mean."""
    columns = list(columns)
    return columns[columns.index("origin") + 1 : columns.index(mean_column(columns))]


def score_columns(cells: pandas.DataFrame) -> list[str]:
    """The columns that hold the percentages of a row: the classes or tasks and their means."""
    classes = class_columns(cells.columns)
    return [*classes, mean_column(cells.columns), *further_means(classes)]


def number_columns(cells: pandas.DataFrame) -> set[str]:
    """All columns that hold numbers."""
    scores = score_columns(cells)
    paper = f"paper_{mean_column(cells.columns)}"
    return {*scores, *(f"{name}_sd" for name in scores), "seeds", *COMPARED[:-1], paper, "delta", *LAMBDAS, "gpu_hours"}


def meaning(cells: pandas.DataFrame) -> str:
    """One clause on what a table's numbers are."""
    return MEANS[mean_column(cells.columns)]


def legend(cells: pandas.DataFrame) -> str:
    """What the columns ``LAMBDAS`` and ``COMPARED`` are, a sentence each; "" where they say nothing."""
    told = []
    if (cells["paper_lambda"] != "").any():
        told.append(
            "lambda: the target loss's weight in training, with which it pulls over these steps and learning rates as "
            "hard as with paper_lambda over the paper's."
        )
    if (cells["verdict"] != "").any():
        told.append(
            f"vs_control: difference in {mean_column(cells.columns)} from the control (target images forwarded at λ = "
            "0; without one, the first row of its setting) of the same seed, in points, with its 95 % interval over "
            "seeds; detectable: the difference that as many seeds would show in four of five tries; verdict: better or "
            "worse if the interval leaves zero out."
        )
    return " ".join(told)


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


def typed(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Text columns without NaN, the others as numbers."""
    for name in frame.columns:
        if name in TEXT:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), "")
        else:
            frame[name] = frame[name].astype("Int64" if name == "seeds" else "float64")
    return frame


def table_csv(frame: pandas.DataFrame) -> bytes:
    """The table as CSV, its numbers rounded; equal tables give equal bytes."""
    cells = frame.copy()
    for name in frame.columns:
        if name not in TEXT and name != "seeds":
            cells[name] = [shown(value, _FORMATS.get(name, ".1f")) for value in frame[name]]
    return cells.to_csv(index=False, lineterminator="\n").encode()


def over_columns(scores: dict[str, Any], columns: Sequence[str], mean: str) -> dict[str, float | None]:
    """The columns and their mean of one seed's scores at one label size, which may be over more classes."""
    (by_class,) = (each for name, each in scores.items() if name != mean)
    found = {name: by_class[name] for name in columns}
    overall = scores[mean]
    if len(found) < len(by_class):
        present = [value for value in found.values() if value is not None]
        overall = sum(present) / len(present) if present else None
    return found | {mean: None if overall is None or math.isnan(overall) else float(overall)}


def read_table(csv: Path | bytes) -> pandas.DataFrame:
    """The table that ``table_csv`` wrote, numbers as it rounded them and NaN for an empty cell.

    Raises:
        UserError: as ``read_cells``.
    """
    cells = read_cells(csv)
    for name in cells.columns:
        if name not in TEXT:
            cells[name] = pandas.to_numeric(cells[name].where(cells[name] != "", None))
    return typed(cells)


def read_cells(csv: Path | bytes) -> pandas.DataFrame:
    """The table's cells as the text that stands in the file, "" for an empty one.

    A table of an earlier segadapt lacks ``COMPARED`` and ``LAMBDAS``, which are empty then.

    Raises:
        UserError: if the file is missing or cut, has not the columns of a table, or text where a number belongs.
    """
    where = "the table" if isinstance(csv, bytes) else str(csv)
    try:
        header, *rows = _lines(csv if isinstance(csv, bytes) else Path(csv).read_bytes())
        classes = class_columns(header)
    except OSError as error:
        raise UserError(f"cannot read {where}: {error.strerror}; make it with `make table2`") from error
    except (ValueError, CsvError) as error:
        raise UserError(f"{where} is not a result table ({error}); delete it and make it again") from error
    cells = pandas.DataFrame(rows, columns=header, dtype=object)
    columns = table_columns(classes, mean_column(header))
    added = {*COMPARED, *LAMBDAS}.difference(header)
    if header == [name for name in columns if name not in added]:
        cells = cells.reindex(columns=columns, fill_value="")
    if list(cells.columns) != columns:
        raise UserError(f"{where} has not the columns of a result table; delete it and make it again")
    for name in (each for each in columns if each in number_columns(cells)):
        value_R = pandas.to_numeric(cells[name].where(cells[name] != "", "0"), errors="coerce")
        sound_R = numpy.isfinite(value_R) & ((name != "seeds") | (value_R % 1 == 0))
        for position in numpy.flatnonzero(~sound_R):
            at, found = _row(position, cells["method"][position]), cells[name][position]
            raise UserError(f"{where}, {at}, column {name}: '{found}' is no number; delete the table and make it again")
    return cells


def _lines(content: bytes) -> list[list[str]]:
    """Header and rows; csv.Error or ValueError if they are not of one length each, or a column stands there twice."""
    lines = [each for each in reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True) if each]
    if not lines:
        raise ValueError("it is empty")
    header, *rows = lines
    if len(set(header)) < len(header):
        raise ValueError("it has two columns of one name")
    for position, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"{_row(position, row[0])} has {len(row)} cells, not {len(header)}")
    return lines


def _row(position: int, method: str) -> str:
    return f"row {position + 1} ({method})"

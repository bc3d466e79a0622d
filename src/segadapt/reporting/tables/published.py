"""The numbers printed in the paper, and those of later work, read from ``results/published``."""

import statistics
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from segadapt.core.errors import UserError

PUBLISHED = Path("results/published")

_BACKBONE, _CLASSES = "ResNet-101", 19
"""Of tables 4 and 5, which do not repeat them."""
_SYMBOLS = {"lambda_T": "λ_T", "alpha": "α", "delta": "δ"}


@dataclass(frozen=True)
class PublishedRow:
    """One printed row; all values in percent with one decimal.

    ``origin`` is "paper" for a row that the paper's authors ran, "copied" for one they cite, and "readme" for what
    authors state beside their code.
    ``iou`` maps the class names of ``segadapt.labels`` to values, without those not reported, and in Table 1 tasks to
    accuracies; ``miou`` maps a number of classes to the printed mean over that many, likewise. None stands there for
    a mean over all columns of the printed table.
    """

    method: str
    backbone: str
    origin: str
    iou: dict[str, float]
    miou: dict[int | None, float]

    def mean(self, columns: Collection[str]) -> float | None:
        """The mean that stands beside ours over these columns; over a part of the printed tasks, that of the part."""
        own = [value for name, value in self.iou.items() if name in columns]
        if None in self.miou and 0 < len(own) < len(self.iou):
            return statistics.fmean(own)
        return self.miou.get(len(columns), self.miou.get(None))


def published_frame(table: int, folder: Path = PUBLISHED) -> pandas.DataFrame:
    """Table 1 to 6 as printed, or 7, later work; NaN where nothing was reported. UserError if the file is not there."""
    path = Path(folder) / f"paper_table{table}.csv"
    try:
        return pandas.read_csv(path)
    except OSError as error:
        raise UserError(
            f"cannot read the published table {path}: {error.strerror}; tables 1 to 7 are kept in {PUBLISHED}"
        ) from error


def published_rows(table: int, city: str | None = None, folder: Path = PUBLISHED) -> list[PublishedRow]:
    """The rows of tables 1 to 6, in the paper's order, or of 7, what came after.

    Rows of tables 4 and 5, which the paper gives by parts and by parameters, are named as ours are: ``MaxSquare+IW``,
    ``MaxSquare, λ_T = 0.5``. They have no classes.

    Args:
        table: 1 (six tasks of Office-31), 2 (19 classes), 3 (16 classes), 4 and 5 (means over 19), 6 (13 classes)
            or 7 (means over 19).
        city: For table 6, and only there: Rome, Rio, Tokyo or Taipei; None for all, named ``Rome: MaxSquare``.
        folder: Where ``paper_table<n>.csv`` lies.
    """
    if table not in _READERS:
        raise UserError(f"there is no published table {table}; choose one of {sorted(_READERS)}")
    frame = published_frame(table, folder)
    cities = [None, *frame["city"].unique()] if "city" in frame else [None]
    if city not in cities:
        raise UserError(f"published table {table} has no rows for city {city!r}; choose one of {cities}")
    if city is not None:
        frame = frame[frame["city"] == city]
    return [_READERS[table](row, named=city is None) for row in frame.to_dict("records")]


def _by_class(means: dict[str, int]) -> Callable[..., PublishedRow]:
    about = {"city", "method", "backbone", "origin", "source", *means}

    def read(row: dict[str, Any], named: bool) -> PublishedRow:
        before = f"{row['city']}: " if named and "city" in row else ""
        return PublishedRow(
            method=before + row["method"],
            backbone=row.get("backbone", ""),
            origin=row["origin"],
            iou={name: row[name] for name in row if name not in about and not pandas.isna(row[name])},
            miou={count: row[name] for name, count in means.items() if not pandas.isna(row[name])},
        )

    return read


def _by_parts(row: dict[str, Any], named: bool) -> PublishedRow:
    parts = [name for key, name in (("maxsquare", "MaxSquare"), ("iw", "IW"), ("multi", "Multi")) if row[key]]
    if row["entropy"]:
        parts.insert(0, "MinEnt" if parts else "MinEnt-dagger")
    return PublishedRow("+".join(parts), _BACKBONE, "paper", {}, {_CLASSES: row["mIoU"]})


def _by_parameter(row: dict[str, Any], named: bool) -> PublishedRow:
    name = f"{row['method']}, {_SYMBOLS[row['parameter']]} = {row['value']:g}"
    return PublishedRow(name, _BACKBONE, "paper", {}, {_CLASSES: row["mIoU"]})


def _by_task(row: dict[str, Any], named: bool) -> PublishedRow:
    by_task = {task: row[f"{column}_mean"] for column, task in _TASKS.items()}
    return PublishedRow(row["method"], "ResNet-50", row["origin"], by_task, {None: row["avg"]})


_TASKS = {
    "A2W": "amazon_to_webcam", "D2W": "dslr_to_webcam", "W2D": "webcam_to_dslr",
    "A2D": "amazon_to_dslr", "D2A": "dslr_to_amazon", "W2A": "webcam_to_amazon",
}  # fmt: skip
_READERS = {
    1: _by_task,
    2: _by_class({"mIoU": 19}),
    3: _by_class({"mIoU16": 16, "mIoU13": 13}),
    4: _by_parts,
    5: _by_parameter,
    6: _by_class({"mIoU": 13}),
    7: _by_class({"mIoU": 19}),
}

"""The numbers printed in the paper, read from ``results/published``."""

from dataclasses import dataclass
from pathlib import Path

import pandas

from segadapt.core.errors import UserError

PUBLISHED = Path("results/published")

_MEAN_COLUMNS = {2: {"mIoU": 19}, 3: {"mIoU16": 16, "mIoU13": 13}, 6: {"mIoU": 13}}


@dataclass(frozen=True)
class PublishedRow:
    """One printed row; all values in percent with one decimal.

    ``origin`` is "paper" for a row that the paper's authors ran and "copied" for one they cite.
    ``iou`` maps the class names of ``segadapt.labels`` to values, without those not reported;
    ``miou`` maps a number of classes to the printed mean over that many, likewise.
    """

    method: str
    backbone: str
    origin: str
    iou: dict[str, float]
    miou: dict[int, float]


def published_frame(table: int, folder: Path = PUBLISHED) -> pandas.DataFrame:
    """Table 1 to 6 as printed; NaN where nothing was reported. UserError if the file is not there."""
    path = Path(folder) / f"paper_table{table}.csv"
    try:
        return pandas.read_csv(path)
    except OSError as error:
        raise UserError(
            f"cannot read the published table {path}: {error.strerror}; tables 1 to 6 are kept in {PUBLISHED}"
        ) from error


def published_rows(table: int, city: str | None = None, folder: Path = PUBLISHED) -> list[PublishedRow]:
    """The rows of a table with one column a class (2, 3 or 6), in the paper's order.

    Args:
        table: 2 (19 classes), 3 (16 classes) or 6 (13 classes).
        city: For table 6, and only there: Rome, Rio, Tokyo or Taipei.
        folder: Where ``paper_table<n>.csv`` lies.
    """
    if table not in _MEAN_COLUMNS:
        raise UserError(f"published table {table} has no columns for classes; choose 2, 3 or 6")
    frame = published_frame(table, folder)
    cities = list(frame["city"].unique()) if "city" in frame else [None]
    if city not in cities:
        raise UserError(f"published table {table} has no rows for city {city!r}; choose one of {cities}")
    if city is not None:
        frame = frame[frame["city"] == city]
    means = _MEAN_COLUMNS[table]
    classes = [name for name in frame.columns if name not in {"city", "method", "backbone", "origin", *means}]
    return [
        PublishedRow(
            method=row["method"],
            backbone=row.get("backbone", ""),
            origin=row["origin"],
            iou={name: row[name] for name in classes if not pandas.isna(row[name])},
            miou={count: row[name] for name, count in means.items() if not pandas.isna(row[name])},
        )
        for row in frame.to_dict("records")
    ]

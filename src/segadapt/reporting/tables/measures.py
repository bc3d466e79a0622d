"""The table of measures: boundaries, calibration and label-free scores of every row beside its mIoU."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pandas

from segadapt.reporting.tables.ranking import HIGHER_IS_BETTER

PERCENT = ("mIoU", "boundary_mIoU", "ECE")
"""Columns in percent, at network label size."""
NUMBERS = (*PERCENT, *HIGHER_IS_BETTER)
COLUMNS = (
    "method", "origin", "seeds", "network_size", *(name for each in NUMBERS for name in (each, f"{each}_sd")),
    "protocol", "preset",
)  # fmt: skip

Values = dict[str, list[float | None]]
"""By column, one a seed; None where it was not measured or is undefined."""


def measure_values(metrics: Sequence[Mapping[str, Any]]) -> Values:
    """Every number of a row from its ``metrics.json`` files: fractions, and the label-free scores of the last step."""
    values: Values = {"mIoU": [each["variants"].get("network") for each in metrics]}
    for name in ("boundary_mIoU", "ECE"):
        values[name] = [each["measures"].get(name) for each in metrics]
    last = [max(each["steps"], key=lambda step: step["step"], default={}) for each in metrics]
    return values | {score: [step.get(score) for step in last] for score in HIGHER_IS_BETTER}


def measure_record(row: Mapping[str, Any], values: Values, config: Mapping[str, Any]) -> dict[str, str]:
    """The cells of a row by column, as they stand in the CSV: "" for what is not known of all seeds.

    Args:
        row: Its entry in the job's configuration: title, origin, ``network_size``.
        values: From ``measure_values``.
        config: The job's configuration.
    """
    record = {"method": row["title"], "origin": row["origin"], "seeds": str(len(config["seeds"]))}
    record["network_size"] = row["network_size"]
    for name in NUMBERS:
        scale, digits = (100.0, 1) if name in PERCENT else (1.0, 3)
        known = [scale * value for value in values[name] if value is not None]
        whole = known if len(known) == len(values[name]) else []
        record[name] = f"{statistics.fmean(whole):.{digits}f}" if whole else ""
        record[f"{name}_sd"] = f"{statistics.stdev(whole):.{digits}f}" if len(whole) > 1 else ""
    return record | {"protocol": config["protocol"], "preset": config["preset"]}


def measures_csv(records: Sequence[Mapping[str, str]]) -> bytes:
    """The table as CSV, its columns the same whatever was run; equal rows give equal bytes."""
    return pandas.DataFrame(records, columns=list(COLUMNS)).to_csv(index=False, lineterminator="\n").encode()

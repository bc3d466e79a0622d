"""The table of protocols: the same models, in every scoring mode."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pandas

from segadapt.core.variants import LABEL_SIZES, last_step_variants
from segadapt.reporting.tables.selection import STEP_HABITS, choices, chosen_step

Values = dict[str, list[float | None]]
"""Fractions in [0, 1] by column, one a seed; None where it was not run or no class was there."""

VARIANT_COLUMNS = tuple(f"mIoU {variant.name}" for variant in last_step_variants())
STEP_COLUMNS = tuple(f"mIoU {size} {habit}" for habit in STEP_HABITS for size in LABEL_SIZES)
STEPS = ("last step", *STEP_HABITS)
"""Columns that hold step numbers, one a seed."""


def protocol_values(metrics: Sequence[Mapping[str, Any]], primary_size: str) -> Values:
    """Every mIoU column of a row.

    Args:
        metrics: The contents of ``metrics.json``, one a seed.
        primary_size: The label size of the protocol's primary number, by which the oracle chooses.
    """
    values: Values = {f"mIoU {name}": [each["variants"].get(name) for each in metrics] for name in _variant_names()}
    kept = [choices(each) for each in metrics]
    for habit in STEP_HABITS:
        for size in LABEL_SIZES:
            values[f"mIoU {size} {habit}"] = [
                chosen_step(steps, habit, primary_size)[size] if steps else None for steps in kept
            ]
    return values


def protocol_steps(metrics: Sequence[Mapping[str, Any]], primary_size: str) -> dict[str, list[int | None]]:
    """Which step each habit scores, one a seed; None where no snapshots were kept to choose among."""
    kept = [choices(each) for each in metrics]
    steps = {"last step": [max((step["step"] for step in each), default=None) for each in kept]}
    for habit in STEP_HABITS:
        steps[habit] = [chosen_step(each, habit, primary_size)["step"] if each else None for each in kept]
    return steps


def protocol_record(
    row: Mapping[str, Any], values: Values, steps: Mapping[str, Sequence[int | None]], config: Mapping[str, Any]
) -> dict[str, str]:
    """The cells of a row by column, as they stand in the CSV: percent with one decimal, "" for what is not known.

    Args:
        row: Its entry in the job's configuration: title, origin, ``network_size``.
        values: From ``protocol_values``.
        steps: From ``protocol_steps``.
        config: The job's configuration.
    """
    record = {
        "method": row["title"],
        "origin": row["origin"],
        "seeds": str(len(config["seeds"])),
        "network_size": row["network_size"],
        "primary": f"mIoU {config['evaluation_size']}",
    }
    for name, each in values.items():
        known = [100.0 * value for value in each if value is not None]
        whole = known if len(known) == len(each) else []
        record[name] = f"{statistics.fmean(whole):.1f}" if whole else ""
        record[f"{name}_sd"] = f"{statistics.stdev(whole):.1f}" if len(whole) > 1 else ""
    for name, chosen in steps.items():
        record[name] = " ".join(str(step) for step in chosen if step is not None)
    return record | {"protocol": config["protocol"], "preset": config["preset"]}


def protocols_csv(records: Sequence[Mapping[str, str]]) -> bytes:
    """The table as CSV, its columns the same whatever was run; equal rows give equal bytes."""
    return pandas.DataFrame(records, columns=protocol_columns()).to_csv(index=False, lineterminator="\n").encode()


def protocol_columns() -> list[str]:
    """The fixed columns of the CSV."""
    numbers = [name for each in (*VARIANT_COLUMNS, *STEP_COLUMNS) for name in (each, f"{each}_sd")]
    return ["method", "origin", "seeds", "network_size", "primary", *numbers, *STEPS, "protocol", "preset"]


def _variant_names() -> list[str]:
    return [variant.name for variant in last_step_variants()]

"""The table of scoring modes: the same models, scored in every way in which papers differ.

One part of it are ways to predict, the other ways to choose the step: the last one, the best without labels, the best
by the target's labels.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pandas

from segadapt.core.scoring_mode import LABEL_SIZES, last_step_modes
from segadapt.reporting.tables.markdown import escape, heading, row_line

Values = dict[str, list[float | None]]
"""Fractions in [0, 1] by column, one a seed; None where it was not run or no class was there."""

CHOICES = ("label-free step", "oracle step")
"""Choices beside the last step, as they stand in column names. The oracle has seen the labels that it is scored on."""
MODE_COLUMNS = tuple(f"mIoU {mode.name}" for mode in last_step_modes())
STEP_COLUMNS = tuple(f"mIoU {size} {choice}" for choice in CHOICES for size in LABEL_SIZES)
STEPS = ("last step", *CHOICES)
"""Columns that hold step numbers, one a seed."""
_PREDICTING = """
mIoU in percent of the model of the last step, mean ± sample standard deviation over seeds. Within a row the
model is the same, and two columns differ by the effect of the scoring mode. **network** compares at the network's
input size, **native** at the labels' own size; **flip** averages the softmax maps of the image and of its mirror image;
**low head** is the auxiliary head's prediction, **ensemble** the mean of both heads' softmax maps. Without a further
word it is the final head, no flip. Empty: not run, or the model has no auxiliary head.
"""
_CHOOSING = """
The same (final head, no flip) for another choice among the models kept on the way. **label-free step** has the highest
mutual information between pixel and predicted class on target training images, without labels. **oracle step** has the
highest mIoU on the very target labels that it is scored on: it shows the effect of that choice and is no result. The
step columns give the chosen step of each seed. Empty: no snapshots were kept.
"""


def choices(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ``steps`` of a ``metrics.json`` if there is a choice; none where the last step's model alone was kept."""
    return metrics["steps"] if len(metrics["steps"]) > 1 else []


def chosen_step(steps: list[dict[str, Any]], choice: str, size: str) -> dict[str, Any]:
    """The entry, among the ``steps`` of a ``metrics.json``, of the step that is chosen; a tie goes to the later.

    Args:
        steps: At least one; each with its step, mIoU by label size (None if undefined) and label-free scores.
        choice: One of ``CHOICES``.
        size: The label size that the oracle maximises mIoU at, which is that of the protocol's primary number.
    """
    key = "mutual_information" if choice == "label-free step" else size
    return max(steps, key=lambda each: (-1.0 if each[key] is None else each[key], each["step"]))


def scoring_values(metrics: Sequence[Mapping[str, Any]], primary_size: str) -> Values:
    """Every mIoU column of a row.

    Args:
        metrics: The contents of ``metrics.json``, one a seed.
        primary_size: The label size of the protocol's primary number, by which the oracle chooses.
    """
    values: Values = {f"mIoU {name}": [each["variants"].get(name) for each in metrics] for name in _mode_names()}
    kept = [choices(each) for each in metrics]
    for choice in CHOICES:
        for size in LABEL_SIZES:
            values[f"mIoU {size} {choice}"] = [
                chosen_step(steps, choice, primary_size)[size] if steps else None for steps in kept
            ]
    return values


def scoring_steps(metrics: Sequence[Mapping[str, Any]], primary_size: str) -> dict[str, list[int | None]]:
    """Which step each choice gives, one a seed; None where no snapshots were kept to choose among."""
    kept = [choices(each) for each in metrics]
    steps = {"last step": [max((step["step"] for step in each), default=None) for each in kept]}
    for choice in CHOICES:
        steps[choice] = [chosen_step(each, choice, primary_size)["step"] if each else None for each in kept]
    return steps


def scoring_record(
    row: Mapping[str, Any], values: Values, steps: Mapping[str, Sequence[int | None]], config: Mapping[str, Any]
) -> dict[str, str]:
    """The cells of a row by column, as they stand in the CSV: percent with one decimal, "" for what is not known.

    Args:
        row: Its entry in the job's configuration: title, origin, ``network_size``.
        values: From ``scoring_values``.
        steps: From ``scoring_steps``.
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


def scoring_csv(records: Sequence[Mapping[str, str]]) -> bytes:
    """The table as CSV, its columns the same whatever was run; equal rows give equal bytes."""
    return pandas.DataFrame(records, columns=scoring_columns()).to_csv(index=False, lineterminator="\n").encode()


def scoring_columns() -> list[str]:
    """The fixed columns of the CSV."""
    numbers = [name for each in (*MODE_COLUMNS, *STEP_COLUMNS) for name in (each, f"{each}_sd")]
    return ["method", "origin", "seeds", "network_size", "primary", *numbers, *STEPS, "protocol", "preset"]


def _mode_names() -> list[str]:
    return [mode.name for mode in last_step_modes()]


def scoring_markdown(
    records: Sequence[Mapping[str, str]], title: str, entries: Mapping[str, str], note: str, primary: str
) -> str:
    """Markdown with the facts of ``entries``, the note and what the columns mean.

    Args:
        records: Cells by column, from ``scoring_record``.
        title: The heading.
        entries: Name and value of each fact.
        note: A warning, or "".
        primary: The column of the protocol's primary number.
    """
    lines = heading(title, entries, note)
    lines += [">", f"> Primary number: {escape(primary)} (final head, no flip, last step)", ""]
    lines += ["## Ways to predict", _PREDICTING, *_table(records, MODE_COLUMNS, ())]
    lines += ["", "## Ways to choose the step", _CHOOSING]
    last = [name for name in MODE_COLUMNS if name in ("mIoU network", "mIoU native")]
    lines += _table(records, (*last, *STEP_COLUMNS), STEPS)
    return "\n".join(lines) + "\n"


def _table(records: Sequence[Mapping[str, str]], numbers: Sequence[str], steps: Sequence[str]) -> list[str]:
    leading = ("method", "origin", "seeds", "network_size")
    names = [*leading, *(name.removeprefix("mIoU ") for name in numbers), *(f"{name} no." for name in steps)]
    lines = [row_line([escape(name) for name in names])]
    lines.append(row_line(["---"] * len(leading) + ["---:"] * (len(numbers) + len(steps))))
    for record in records:
        cells = [escape(record[name]) for name in leading]
        cells += [f"{record[name]} ± {record[f'{name}_sd']}".removesuffix(" ± ") for name in numbers]
        lines.append(row_line([*cells, *(record[name] for name in steps)]))
    return lines

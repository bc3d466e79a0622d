"""The table of scoring modes: the same models, scored in every way in which papers differ.

One part of it are ways to predict, the other ways to choose the step: the last one, the best without labels, the best
by the target's labels. Of rows that are scored in parts, a column each, it has the latter alone, a line each.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segadapt.core.scoring_mode import LABEL_SIZES, MERGED, last_step_modes
from segadapt.reporting.lineage.trace import Traced, joined
from segadapt.reporting.tables.cells import companion_csv, spread
from segadapt.reporting.tables.formats import TableHeader
from segadapt.reporting.tables.main import row_values, with_mean
from segadapt.reporting.tables.markdown import escape, heading, plus_minus, row_line

Values = dict[str, list[float | None]]
"""Fractions in [0, 1] by column, one a seed; None where it was not run or no class was there."""

CHOICES = ("label-free step", "oracle step")
"""Choices beside the last step, as they stand in column names. The oracle has seen the labels that it is scored on."""
MODE_COLUMNS = {f"mIoU {mode.name}": mode.name for mode in last_step_modes()}
MERGED_COLUMNS = {f"mIoU {name}": name for name in MERGED.values()}
STEP_COLUMNS = {f"mIoU {size} {choice}": f"{size} {choice}" for choice in CHOICES for size in LABEL_SIZES}
"""Columns of the CSV, and what they are called under a heading that says mIoU."""
LAST = "last step"
STEPS = (LAST, *CHOICES)
"""Columns that hold step numbers, one a seed; of rows in parts, the lines of each."""
_PREDICTING = """
mIoU in percent of the model of the last step, mean ± sample standard deviation over seeds. Within a row the
model is the same, and two columns differ by the effect of the scoring mode. **network** compares at the network's
input size, **native** at the labels' own size; **flip** averages the softmax maps of the image and of its mirror image;
**low head** is the auxiliary head's prediction, **ensemble** the mean of both heads' softmax maps. Without a further
word it is the final head, no flip. Empty: not run, or the model has no auxiliary head.
"""
_MERGING = """**merged** is of models that know more classes than the labels have: what they take for a class that the
labels lack counts as a near one. Without that word it is a miss.
"""
_CHOOSING = """
The same (final head, no flip) for another choice among the models kept on the way. **label-free step** has the highest
mutual information between pixel and predicted class on target training images, without labels. **oracle step** has the
highest mIoU on the very target labels that it is scored on: it shows the effect of that choice and is no result. The
step columns give the chosen step of each seed. Empty: no snapshots were kept.
"""
_PARTS = """
Accuracy in percent, mean ± sample standard deviation over seeds, of the same runs at another step. **last step** is the
primary number. **label-free step** has the highest mutual information between image and predicted class on the target's
images, without labels. **oracle step** has the highest accuracy on the very labels that it is scored on: it shows
the effect of that choice and is no result.
"""


def build(traced: Traced) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """``results/<table>_protocols.*`` by role, and what its lineage keeps of each row."""
    config, title = traced.job.config, Path(traced.job.outputs["csv"]).stem
    header = TableHeader.of_models(config, traced.notes(), traced.models())
    if any(row.column is not None for row in traced.scored):
        cells, rows = _in_parts(traced)
        columns = _part_columns(config)
        text = parts_markdown(cells, config["columns"], config["measure"], title, header.entries(), header.data_note)
    else:
        cells, rows = _whole(traced)
        columns = scoring_columns(cells)
        text = scoring_markdown(cells, title, header.entries(), header.data_note, config["primary"])
    return {"md": text.encode(), "csv": companion_csv(cells, columns)}, rows


def _whole(traced: Traced) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    config, cells, rows = traced.job.config, [], []
    for row in traced.scored:
        values = scoring_values(row.metrics, config["evaluation_size"])
        steps = scoring_steps(row.metrics, config["evaluation_size"])
        cells.append(scoring_record(row.about, values, steps, config))
        rows.append(row.record(values | {config["measure"]: values[config["primary"]]}))
    return cells, rows


def _in_parts(traced: Traced) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    config, cells, rows = traced.job.config, [], []
    columns, mean, size = list(config["columns"]), config["measure"], config["evaluation_size"]
    for parts in filter(None, traced.rows):
        for choice in STEPS:
            found = {
                part.column: [chosen_step(each["steps"], choice, size)[size] for each in part.metrics] for part in parts
            }
            cells.append(part_record(parts[0].about, choice, with_mean(found, columns, mean)))
        rows.append(joined(parts, row_values(parts, columns, mean, size)))
    return cells, rows


def choices(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ``steps`` of a ``metrics.json`` if there is a choice; none where the last step's model alone was kept."""
    return metrics["steps"] if len(metrics["steps"]) > 1 else []


def chosen_step(steps: list[dict[str, Any]], choice: str, size: str) -> dict[str, Any]:
    """The entry, among the ``steps`` of a ``metrics.json``, of the step that is chosen; a tie goes to the later.

    Args:
        steps: At least one; each with its step, its score by label size (None if undefined) and label-free scores.
        choice: One of ``STEPS``.
        size: The label size that the oracle maximises the score at, which is that of the primary number.
    """
    key = {LAST: "step", "label-free step": "mutual_information"}.get(choice, size)
    return max(steps, key=lambda each: (-1.0 if each[key] is None else each[key], each["step"]))


def scoring_values(metrics: Sequence[Mapping[str, Any]], primary_size: str) -> Values:
    """Every mIoU column of a row.

    Args:
        metrics: The contents of ``metrics.json``, one a seed.
        primary_size: The label size of the protocol's primary number, by which the oracle chooses.
    """
    names = [mode.name for mode in last_step_modes()]
    names += [name for name in MERGED.values() if any(name in each["variants"] for each in metrics)]
    values: Values = {f"mIoU {name}": [each["variants"].get(name) for each in metrics] for name in names}
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
    return {
        choice: [chosen_step(each, choice, primary_size)["step"] if each else None for each in kept] for choice in STEPS
    }


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
        "primary": config["primary"],
    }
    for name, each in values.items():
        record[name], record[f"{name}_sd"] = spread(each)
    for name, chosen in steps.items():
        record[name] = " ".join(str(step) for step in chosen if step is not None)
    return record | {"protocol": config["protocol"], "preset": config["preset"]}


def part_record(row: Mapping[str, Any], choice: str, values: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """The cells of a row in parts at the chosen step, as they stand in the CSV; ``values`` are fractions by column."""
    record = {"method": row["title"], "origin": row["origin"], "selection": choice}
    for name, each in values.items():
        record[name], record[f"{name}_sd"] = spread(each)
    return record


def scoring_columns(records: Sequence[Mapping[str, str]] = ()) -> list[str]:
    """The columns of the CSV; those of merged predictions if a row has any."""
    numbers = [name for each in (*_modes(records), *STEP_COLUMNS) for name in (each, f"{each}_sd")]
    return ["method", "origin", "seeds", "network_size", "primary", *numbers, *STEPS, "protocol", "preset"]


def _modes(records: Sequence[Mapping[str, str]]) -> dict[str, str]:
    are_merged = any(name in record for record in records for name in MERGED_COLUMNS)
    return MODE_COLUMNS | (MERGED_COLUMNS if are_merged else {})


def _part_columns(config: Mapping[str, Any]) -> list[str]:
    numbers = [name for each in (*config["columns"], config["measure"]) for name in (each, f"{each}_sd")]
    return ["method", "origin", "selection", *numbers]


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
    modes = _modes(records)
    lines += ["## Ways to predict", _PREDICTING]
    lines += [_MERGING] if len(modes) > len(MODE_COLUMNS) else []
    lines += _table(records, modes, ())
    lines += ["", "## Ways to choose the step", _CHOOSING]
    last = {name: title for name, title in MODE_COLUMNS.items() if title in LABEL_SIZES}
    lines += _table(records, last | STEP_COLUMNS, STEPS)
    return "\n".join(lines) + "\n"


def _table(records: Sequence[Mapping[str, str]], numbers: Mapping[str, str], steps: Sequence[str]) -> list[str]:
    leading = ("method", "origin", "seeds", "network_size")
    names = [*leading, *numbers.values(), *(f"{name} no." for name in steps)]
    lines = [row_line([escape(name) for name in names])]
    lines.append(row_line(["---"] * len(leading) + ["---:"] * (len(numbers) + len(steps))))
    for record in records:
        cells = [escape(record[name]) for name in leading]
        cells += [plus_minus(record, name) for name in numbers]
        lines.append(row_line([*cells, *(record[name] for name in steps)]))
    return lines


def parts_markdown(
    records: Sequence[Mapping[str, str]], columns: Mapping[str, str], mean: str, title: str, entries: Mapping[str, str],
    note: str,
) -> str:  # fmt: skip
    """The same of rows in parts, from ``part_record``; ``columns`` are name to title."""
    names = {**{each: each for each in ("method", "origin", "selection")}, **columns, mean: mean}
    lines = [*heading(title, entries, note), _PARTS, row_line([escape(each) for each in names.values()])]
    lines.append(row_line(["---"] * 3 + ["---:"] * (len(names) - 3)))
    lines += [row_line([escape(plus_minus(record, name)) for name in names]) for record in records]
    return "\n".join(lines) + "\n"

"""The table of measures: boundaries, calibration and label-free scores of every row beside its mIoU."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segadapt.reporting.lineage.trace import Traced
from segadapt.reporting.tables.cells import companion_csv, spread
from segadapt.reporting.tables.formats import TableHeader
from segadapt.reporting.tables.markdown import escape, heading, plus_minus, row_line
from segadapt.reporting.tables.ranking import COLUMNS as RANKING
from segadapt.reporting.tables.ranking import HIGHER_IS_BETTER, ranking_records, scored_models

PERCENT = ("mIoU", "boundary_mIoU", "ECE")
"""Columns in percent, at network label size."""
NUMBERS = (*PERCENT, *HIGHER_IS_BETTER)
COLUMNS = (
    "method", "origin", "seeds", "network_size", *(name for each in NUMBERS for name in (each, f"{each}_sd")),
    "protocol", "preset",
)  # fmt: skip
_MEASURES = """
Of the model of the last step, final head, no flip, at network label size; mean ± sample standard deviation over seeds.
**mIoU**, **boundary mIoU** (IoU of the pixels within 2 % of the diagonal of an outline) and **ECE** (expected
calibration error, 15 bins; lower is better) in percent. The other columns are of target training images, without
labels: higher should be better, of mean entropy lower. Entropies are in nats. Empty: not measured or undefined.
"""
_RANKING = """
Over all models that the table has label-free scores of: every row, seed and kept step. **Spearman** and **Kendall**
correlate the ranks by the score (turned so that higher should be better) with those by {primary} on the target; 1 is
the same order, -1 the reverse. **Regret** is the mIoU of the best model minus that of the one that the score would
choose, in percentage points; **at random** is that of a model drawn blindly. Models of one run or one source model are
not independent, so there is no p value. Fewer than six models say nothing.
"""

Values = dict[str, list[float | None]]
"""By column, one a seed; None where it was not measured or is undefined."""


def build(traced: Traced) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """``results/<table>_measures.*`` and ``_ranking.csv`` by role, and what their lineage keeps of each row."""
    config, cells, models, rows = traced.job.config, [], [], []
    for row in traced.scored:
        values = measure_values(row.metrics)
        cells.append(measure_record(row.about, values, config))
        models += scored_models(row.about["title"], row.metrics, config["seeds"], config["evaluation_size"])
        rows.append(row.record({name: values[name] for name in PERCENT}))
    ranking, header = ranking_records(models, config), TableHeader.of_models(config, traced.notes(), traced.models())
    title = Path(traced.job.outputs["csv"]).stem
    text = measures_markdown(cells, ranking, title, header.entries(), header.data_note)
    csvs = {"ranking": companion_csv(ranking, RANKING), "csv": companion_csv(cells, COLUMNS)}
    return {"md": text.encode()} | csvs, rows


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
        record[name], record[f"{name}_sd"] = spread(values[name], *((100.0, 1) if name in PERCENT else (1.0, 3)))
    return record | {"protocol": config["protocol"], "preset": config["preset"]}


def measures_markdown(
    records: Sequence[Mapping[str, str]],
    ranking: Sequence[Mapping[str, str]],
    title: str,
    entries: Mapping[str, str],
    note: str,
) -> str:
    """Markdown with the facts of ``entries``, the note and what the columns mean.

    Args:
        records: Cells by column, from ``measure_record``.
        ranking: Cells by column, from ``ranking_records``.
        title: The heading.
        entries: Name and value of each fact.
        note: A warning, or "".
    """
    leading = ("method", "origin", "seeds", "network_size")
    names = [*leading, *(name.replace("_", " ") for name in NUMBERS)]
    lines = [*heading(title, entries, note), _MEASURES, row_line([escape(name) for name in names])]
    lines.append(row_line(["---"] * len(leading) + ["---:"] * len(NUMBERS)))
    for record in records:
        cells = [escape(record[name]) for name in leading]
        lines.append(row_line(cells + [plus_minus(record, name) for name in NUMBERS]))
    lines += ["", "## How well each score ranks the models", _RANKING.format(primary=escape(ranking[0]["primary"]))]
    heads = ("score", "better", "models", "Spearman", "Kendall", "regret", "at random", "chosen", "best", "note")
    lines += [row_line(list(heads)), row_line(["---"] * 2 + ["---:"] * 5 + ["---"] * 3)]
    for each in ranking:
        cells = [escape(each["score"].replace("_", " "))]
        cells += [each[name] for name in ("better", "models", "spearman", "kendall", "regret", "random_regret")]
        cells += [_model(each, name) for name in ("chosen", "best")]
        lines.append(row_line([*cells, each["note"]]))
    return "\n".join(lines) + "\n"


def _model(record: Mapping[str, str], name: str) -> str:
    return f"{escape(record[name])}: {record[f'{name}_mIoU']}" if record[name] else ""

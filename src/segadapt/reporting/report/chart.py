"""The main table as a chart: a strip a row, all on one axis, and a sentence beside each."""

import math
from collections.abc import Mapping
from typing import Any

import pandas

from segadapt.core.parameters.root import ORACLE
from segadapt.reporting.lineage.trace import Record, missing_rows, rows_of
from segadapt.reporting.report.stories import Stories
from segadapt.reporting.tables.cells import mean_column
from segadapt.reporting.tables.intervals import BETTER, CANNOT_TELL, WORSE

_GLYPHS = {BETTER: "▲", WORSE: "▼", CANNOT_TELL: "≈"}


def chart(table: str, cells: pandas.DataFrame, record: Record, stories: Stories) -> dict[str, Any]:
    """What the template draws of a table: places in percent of the axis, texts, and the number of each row's story.

    Args:
        table: Its name.
        cells: Its cells as text, from ``read_cells``.
        record: Its provenance, with the values of every seed.
        stories: Holds the stories of its rows.
    """
    config, mean = record["identity"]["config"], mean_column(cells.columns)
    own = {row["method"]: row for row in cells[cells["origin"] != "published"].to_dict("records")}
    traced, rows = {row["key"]: row for row in record["lineage"]["rows"]}, []
    missing, numbers = missing_rows(config), stories.of_table(table)
    for entry, *more in rows_of(config):
        key = entry.get("row", entry["key"])
        control = entry["baseline"].removesuffix(f"/{entry['column']}") if "column" in entry else entry["baseline"]
        seen, cell = traced.get(key), own.get(entry["title"], {})
        values = [100 * value for value in seen["values"].get(mean, []) if value is not None] if seen else []
        about = {"key": key, "title": entry["title"], "values": values, "cell": cell, "baseline": control}
        about |= {"seeds": config["seeds"], "method": entry.get("method"), "story": numbers.get(entry["title"])}
        reasons = dict.fromkeys(missing[each["key"]] for each in (entry, *more) if each["key"] in missing)
        about["missing"] = ", ".join(reasons) or "it has no scores that can be traced"
        rows.append(about)
    means = {row["key"]: sum(row["values"]) / len(row["values"]) for row in rows if row["values"]}
    titles = {row["key"]: row["title"] for row in rows}
    scale = _Scale([*(value for row in rows for value in row["values"]), *_ends(rows, means, mean)])
    oracle = next((means[row["key"]] for row in rows if row["method"] == ORACLE and row["key"] in means), None)
    return {
        "table": table,
        "measure": mean,
        "ticks": scale.ticks(),
        "oracle": scale.place(oracle),
        "rows": [_row(row, means, titles, scale, mean) for row in rows],
    }


def _row(
    row: Mapping[str, Any], means: Mapping[str, float], titles: Mapping[str, str], scale: "_Scale", mean: str
) -> dict[str, Any]:
    cell, key = row["cell"], row["key"]
    verdict, control = cell.get("verdict", ""), means.get(row["baseline"])
    is_control = key == row["baseline"] and key in means
    paper = cell.get(f"paper_{mean}", "")
    kind = {BETTER: "better", WORSE: "worse"}.get(verdict, "")
    word = verdict or ("control" if is_control else "missing" if key not in means else "not compared")
    return {
        "title": row["title"],
        "kind": kind or {"control": "is-control", "missing": "missing"}.get(word, "even"),
        "word": word,
        "glyph": _GLYPHS.get(verdict, "┆" if is_control else "–"),
        "score": cell.get(mean, ""),
        "sd": cell.get(f"{mean}_sd", ""),
        "mean": scale.place(means.get(key)),
        "control": scale.place(control),
        "band": [scale.place(end) for end in _band(row, control)],
        "dots": [
            {"x": scale.place(value), "seed": seed, "text": f"{value:.2f}"}
            for seed, value in zip(row["seeds"], row["values"], strict=False)
        ],
        "paper": scale.place(float(paper)) if paper else None,
        "paper_text": paper,
        "story": row["story"],
        "sentence": _sentence(row, mean, titles, is_control),
    }


def _sentence(row: Mapping[str, Any], mean: str, titles: Mapping[str, str], is_control: bool) -> str:
    cell, values = row["cell"], row["values"]
    if not values:
        return f"Missing: {row['missing']}."
    seeds = f"{len(values)} seed{'s' * (len(values) > 1)}"
    if is_control:
        return f"{cell[mean]} % over {seeds}: what the other rows are compared with."
    if not cell.get("vs_control"):
        return f"{cell[mean]} % over {seeds}, compared with nothing."
    difference, control = float(cell["vs_control"]), titles[row["baseline"]]
    where = f"{abs(difference):.2f} points {'above' if difference > 0 else 'below'} {control}"
    if not cell["vs_control_low"]:
        return f"{where}: {cell['verdict']}, for one seed has no interval."
    interval = f"95 % interval {_signed(cell['vs_control_low'])} to {_signed(cell['vs_control_high'])}"
    shown = f"; {seeds} would show {cell['detectable']} points" if cell["verdict"] == CANNOT_TELL else ""
    return f"{where}, {interval}: {cell['verdict']}{shown}."


def _signed(number: str) -> str:
    return number.replace("-", "−") if number.startswith("-") else f"+{number}"


def _band(row: Mapping[str, Any], control: float | None) -> list[float]:
    ends = [row["cell"].get(f"vs_control_{end}", "") for end in ("low", "high")]
    return [control + float(end) for end in ends] if control is not None and all(ends) else []


def _ends(rows: list[dict[str, Any]], means: Mapping[str, float], mean: str) -> list[float]:
    """All else that the axis must hold."""
    papers = [float(row["cell"][f"paper_{mean}"]) for row in rows if row["cell"].get(f"paper_{mean}")]
    return [*papers, *(end for row in rows for end in _band(row, means.get(row["baseline"])))]


class _Scale:
    """From numbers to percent of the axis, whose ends are round numbers."""

    def __init__(self, numbers: list[float]) -> None:
        low, high = (min(numbers), max(numbers)) if numbers else (0.0, 100.0)
        span = max(high - low, 1.0)
        power = 10.0 ** math.floor(math.log10(span / 5))
        self._step = next(power * each for each in (1, 2, 5, 10) if span / (power * each) <= 6)
        self._low = math.floor(low / self._step) * self._step
        self._high = math.ceil(high / self._step) * self._step
        if self._high == self._low:
            self._high += self._step

    def place(self, number: float | None) -> float | None:
        """Percent from the left, two decimals."""
        return None if number is None else round(100 * (number - self._low) / (self._high - self._low), 2)

    def ticks(self) -> list[dict[str, Any]]:
        """Round numbers and their places."""
        count = round((self._high - self._low) / self._step)
        values = [self._low + place * self._step for place in range(count + 1)]
        return [{"x": self.place(value), "text": f"{round(value, 6):g}"} for value in values]

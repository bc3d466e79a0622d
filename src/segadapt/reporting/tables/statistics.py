"""The table of statistics: every row against the control, over seeds and over images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segadapt.evaluation import Evaluation
from segadapt.reporting.lineage.trace import Traced, TracedRow
from segadapt.reporting.tables.cells import companion_csv, shown
from segadapt.reporting.tables.formats import TableHeader
from segadapt.reporting.tables.intervals import (
    POWER,
    ImageInterval,
    PairedSeeds,
    image_interval,
    in_order,
    paired_seeds,
)
from segadapt.reporting.tables.markdown import escape, heading, row_line

COLUMNS = (
    "method", "origin", "baseline", "pairs", "mIoU", "baseline_mIoU", "difference", "difference_sd",
    "seeds_low", "seeds_high", "detectable", "verdict", "images", "images_low", "images_high", "samples", "primary",
    "protocol", "preset",
)  # fmt: skip
_WHAT = {
    "mIoU": "mIoU (percentage points; final head, no flip, last step)",
    "accuracy": "accuracy (percentage points; last step)",
}
_MEANING = """
Differences in {what} from the row **{baseline}**. **Over seeds**:
mean of the differences of runs that share a seed, their sample standard deviation, and the 95 % t interval of the mean.
**Detectable**: the true difference that as many seeds would show, their interval leaving zero out, with probability
{power}, if it varies from seed to seed as it did here. The **verdict** is better or worse if the interval over seeds
leaves zero out, else it cannot be told. **Over images**: 95 % percentile interval of the difference when the
{images} images are drawn anew with replacement ({samples} samples, the same for every row and seed); the models stay
what they are, so it says nothing of other training runs. A gain worth the name leaves zero outside of both.
"""


@dataclass(frozen=True)
class Comparison:
    """A row against the baseline: ``measure`` (mIoU or accuracy) of each seed as fractions, and both statistics."""

    measure: str
    ours_S: list[float]
    baseline_S: list[float]
    seeds: PairedSeeds
    images: ImageInterval

    def values(self) -> dict[str, list[float | None]]:
        """Scores and their differences, one a seed, as the lineage keeps them; None where undefined."""
        differences = [ours - theirs for ours, theirs in zip(self.ours_S, self.baseline_S, strict=True)]
        found = {self.measure: self.ours_S, "difference": differences}
        return {name: [None if math.isnan(each) else each for each in values] for name, values in found.items()}


def build(traced: Traced) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """``results/<table>_statistics.*`` by role, and what its lineage keeps: each row against its control, part by part,
    and against what the experiment says beside it.

    Those whose control cannot be traced are left out.
    """
    config, rows = traced.job.config, []
    by_key = {row.about["key"]: row for row in traced.scored}
    # The controls come first, then what every row is compared with as well, a table each.
    cells: dict[str, list[dict[str, str]]] = {"": []}
    for row in traced.scored:
        for key in (row.about["baseline"], *row.about.get("also_against", ())):
            against, further = by_key.get(key), key != row.about["baseline"]
            if against is None or against is row:
                continue
            title = ", ".join(filter(None, [row.about["title"], config["columns"].get(row.column)]))
            found = compare(*(_evaluations(each) for each in (row, against)), title, config)
            record = comparison_record(row.about | {"title": title}, against.about["title"], found, config)
            cells.setdefault(against.about["title"] if further else "", []).append(record)
            # The jobs of what it is compared with stand behind a difference as well.
            traced_row = row.record(found.values()) | {"title": title, "made_by": row.made_by + against.made_by}
            if further:
                traced_row |= {name: f"{traced_row[name]} against {against.about[name]}" for name in ("key", "title")}
            rows.append(traced_row)
    header = TableHeader.of_models(config, traced.notes(), traced.models())
    title, measure = Path(traced.job.outputs["csv"]).stem, config["measure"]
    first, *others = cells.values()
    text = comparison_markdown(first, title, header.entries(), header.data_note, measure, others)
    every = [record for records in cells.values() for record in records]
    return {"md": text.encode(), "csv": companion_csv(every, comparison_columns(measure))}, rows


def _evaluations(row: TracedRow) -> list[Evaluation]:
    return [Evaluation.load(Path(each["confusion"])) for each in row.files]


def compare(
    ours: Sequence[Evaluation], baseline: Sequence[Evaluation], title: str, config: Mapping[str, Any]
) -> Comparison:
    """Compares two rows by their evaluations, one a seed, both in the same order of seeds.

    Args:
        ours: Of the row.
        baseline: Of the row that it is compared with.
        title: What the row is called in an error.
        config: The job's: ``evaluation_size``, ``bootstrap_samples``, ``bootstrap_seed``.

    Raises:
        UserError: if the rows were scored on images of different names.
    """
    size, names = config["evaluation_size"], baseline[0].image_names
    ours_S, baseline_S = [each.score(size) for each in ours], [each.score(size) for each in baseline]
    rows = [in_order(row, names, f"row {title}") for row in (ours, baseline)]
    images = image_interval(*rows, size, config["bootstrap_samples"], config["bootstrap_seed"])
    return Comparison(ours[0].reduction.overall, ours_S, baseline_S, paired_seeds(ours_S, baseline_S), images)


def comparison_record(
    row: Mapping[str, Any], baseline: str, found: Comparison, config: Mapping[str, Any]
) -> dict[str, str]:
    """The cells of a row by column, as they stand in the CSV: percent with two decimals, "" for what is not known."""
    seeds, images, values, measure = found.seeds, found.images, found.values(), found.measure
    return {
        "method": row["title"],
        "origin": row["origin"],
        "baseline": baseline,
        "pairs": str(seeds.n),
        measure: _percent(_mean(found.ours_S)),
        f"baseline_{measure}": _percent(_mean(found.baseline_S)),
        "difference": _percent(seeds.mean if None not in values["difference"] else math.nan),
        "difference_sd": _percent(seeds.sd),
        "seeds_low": _percent(seeds.low),
        "seeds_high": _percent(seeds.high),
        "detectable": _percent(seeds.detectable),
        "verdict": seeds.verdict,
        "images": str(images.images),
        "images_low": _percent(images.low),
        "images_high": _percent(images.high),
        "samples": str(config["bootstrap_samples"]),
        "primary": config["primary"],
        "protocol": config["protocol"],
        "preset": config["preset"],
    }


def comparison_columns(measure: str) -> list[str]:
    """The fixed columns of the CSV."""
    return [name.replace("mIoU", measure) for name in COLUMNS]


def comparison_markdown(
    records: Sequence[Mapping[str, str]],
    title: str,
    entries: Mapping[str, str],
    note: str,
    measure: str = "mIoU",
    others: Sequence[Sequence[Mapping[str, str]]] = (),
) -> str:
    """Markdown with the facts of ``entries``, the note, and what the columns mean.

    Args:
        records: Cells by column, from ``comparison_record``.
        title: The heading.
        entries: Name and value of each fact.
        note: A warning, or "".
        measure: "mIoU" or "accuracy".
        others: Comparisons of the same rows with other ones, a table for each.
    """
    lines = [*heading(title, entries, note), ""]
    if not records:
        return (
            "\n".join([*lines, "There is nothing to compare: the table has no second row, or none with a trace."])
            + "\n"
        )
    first = records[0]
    facts = {"what": _WHAT[measure], "samples": escape(first["samples"]), "power": f"{POWER:g}"}
    facts["images"] = " or ".join(dict.fromkeys(escape(record["images"]) for record in records))
    facts["baseline"] = " or ".join(dict.fromkeys(escape(record["baseline"]) for record in records))
    lines += [_MEANING.strip().format(**facts), "", *_rows(records, measure)]
    for each in others:
        lines += [
            "",
            f"The same, in differences from the row **{escape(each[0]['baseline'])}**:",
            "",
            *_rows(each, measure),
        ]
    return "\n".join(lines) + "\n"


def _rows(records: Sequence[Mapping[str, str]], measure: str) -> list[str]:
    heads = ("method", "origin", "pairs", records[0]["primary"], "baseline", "difference ± sd", "95 % over seeds")
    lines = [row_line([*heads, "detectable", "verdict", "95 % over images"])]
    lines.append(row_line(["---", "---", *["---:"] * 6, "---", "---:"]))
    for record in records:
        over_seeds = _interval(record["seeds_low"], record["seeds_high"])
        difference = f"{record['difference']} ± {record['difference_sd']}".removesuffix(" ± ")
        over_images = _interval(record["images_low"], record["images_high"])
        leading = [escape(record["method"]), escape(record["origin"]), record["pairs"], record[measure]]
        lines.append(
            row_line(
                [
                    *leading,
                    record[f"baseline_{measure}"],
                    difference,
                    over_seeds,
                    record["detectable"],
                    record["verdict"],
                    over_images,
                ]
            )
        )
    return lines


def _interval(low: str, high: str) -> str:
    return f"{low} to {high}" if low and high else ""


def _percent(fraction: float) -> str:
    return shown(100.0 * fraction)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

"""A table's CSV and what is made of it: Markdown, LaTeX, HTML and DVC metrics."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from segadapt.core.artifacts import write_bytes
from segadapt.reporting.tables.cells import mean_column, read_cells, table_csv
from segadapt.reporting.tables.html import html_twin
from segadapt.reporting.tables.latex import latex_twin
from segadapt.reporting.tables.markdown import markdown_twin

BUILT_IN_NOTE = (
    "Built-in rendered data: this is not Cityscapes; published rows were measured on Cityscapes and are listed "
    "for orientation only."
)
"""The ``data_note`` of every table on the built-in data set."""


@dataclass(frozen=True)
class TableHeader:
    """Where a table's numbers come from; every twin says it on top.

    ``data_note`` warns of what the numbers are not (``BUILT_IN_NOTE``) and may be empty.
    """

    preset: str
    data_note: str
    machine: str
    commit: str
    seeds: tuple[int, ...]
    protocol: str

    @classmethod
    def of_models(cls, config: dict[str, Any], data_note: str, made_by: Iterable[dict[str, Any]]) -> "TableHeader":
        """That of a table job's configuration; ``made_by`` is the ``model`` part of every ``metrics.json`` shown."""
        found = list(made_by)
        return cls(
            preset=config["preset"],
            data_note=data_note,
            machine="; ".join(sorted({each["machine"] or "unknown" for each in found})),
            commit=" ".join(sorted({commit for each in found for commit in (each["commit"] or "unknown").split()})),
            seeds=tuple(config["seeds"]),
            protocol=config["protocol"],
        )

    def entries(self) -> dict[str, str]:
        """Name and value of each fact, without the note; an unknown one is called so."""
        facts = {
            "preset": self.preset,
            "protocol": self.protocol,
            "seeds": ", ".join(str(seed) for seed in self.seeds),
            "commit": self.commit,
            "machine": self.machine,
        }
        return {name: value or "unknown" for name, value in facts.items()}


def table_files(title: str, frame: pandas.DataFrame, header: TableHeader) -> dict[str, bytes]:
    """A table in its forms, by ending: ``md``, ``tex``, ``html``, ``json`` (DVC metrics) and at last ``csv``.

    Texts are made from the very bytes of the CSV, the metrics from unrounded numbers; equal tables and headers give
    equal bytes.

    Args:
        title: ``table2``, say.
        frame: From ``build_table``.
        header: What the others say on top.
    """
    csv = table_csv(frame)
    cells, entries = read_cells(csv), header.entries()
    texts = {
        "md": markdown_twin(cells, title, entries, header.data_note),
        "tex": latex_twin(cells, title, entries, header.data_note),
        "html": html_twin(cells, title, entries, header.data_note),
        "json": json.dumps(table_metrics(frame), indent=1) + "\n",
    }
    return {kind: text.encode() for kind, text in texts.items()} | {"csv": csv}


def write_table(csv_path: Path, frame: pandas.DataFrame, header: TableHeader) -> None:
    """Writes the files of ``table_files`` beside one another, each atomically."""
    for kind, content in table_files(Path(csv_path).stem, frame, header).items():
        write_bytes(Path(csv_path).with_suffix(f".{kind}"), content)


def table_metrics(frame: pandas.DataFrame) -> dict[str, dict[str, float]]:
    """Metrics for DVC, unrounded: ``{"mIoU": {slug: percent}, "mIoU_sd": {slug: percent}}`` of our own rows, or
    accuracies.

    A slug is the method in lower case with dashes; rows of the same method get the selection, then
    a number added. Empty cells are left out.
    """
    own = frame[frame["origin"] != "published"]
    mean = mean_column(frame.columns)
    metrics: dict[str, dict[str, float]] = {mean: {}, f"{mean}_sd": {}}
    for slug, (_, row) in zip(_slugs(own), own.iterrows(), strict=True):
        for name, values in metrics.items():
            if pandas.notna(row[name]):
                values[slug] = float(row[name])
    return metrics


def _slugs(rows: pandas.DataFrame) -> list[str]:
    plain = [_slug(method) for method in rows["method"]]
    chosen: list[str] = []
    for slug, selection in zip(plain, rows["selection"], strict=True):
        longer = f"{slug}-{_slug(selection)}" if plain.count(slug) > 1 and selection else slug
        candidate, number = longer, 2
        while candidate in chosen:
            candidate, number = f"{longer}-{number}", number + 1
        chosen.append(candidate)
    return chosen


def _slug(text: str) -> str:
    spelled = text.lower().replace("λ", "lambda").replace("δ", "delta").replace("α", "alpha")
    return re.sub(r"[^a-z0-9.]+", "-", spelled).strip("-") or "row"

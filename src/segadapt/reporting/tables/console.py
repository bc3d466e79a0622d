"""A table for the terminal."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import pandas
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from segadapt.reporting.tables.cells import best_own, class_columns, further_means, groups, mean_column, read_cells
from segadapt.reporting.tables.markdown import provenance_lines

_SHORT = {
    "mIoU_sd": "sd", "accuracy_sd": "sd", "seeds": "n", "paper_mIoU": "paper", "paper_accuracy": "paper",
    "published": "publ.",
}  # fmt: skip
_UNBOUNDED = 10_000
"""Characters a line where nobody looks: more than a table has."""


def print_table(csv_path: Path, file: TextIO | None = None) -> None:
    """Prints a result table, rows grouped by origin, and what each row is against the control.

    Shows method, classes (names cut to five letters), mIoU with its spread, seeds and, where there is one, the
    comparison with the paper. What the Markdown twin says on top is printed on top. On a terminal best own values are
    bold, unless NO_COLOR is set, and the classes are left out if it is too narrow for them.

    Args:
        csv_path: A table written by ``write_table``.
        file: Where to; standard output by default.
    """
    file = file or sys.stdout
    csv_path = Path(csv_path)
    cells = read_cells(csv_path)
    colours = None if os.environ.get("NO_COLOR") else "auto"  # None: nothing bold either
    console = Console(file=file, color_system=colours, width=None if file.isatty() else _UNBOUNDED)
    markdown = csv_path.with_suffix(".md")
    told = provenance_lines(markdown.read_text(encoding="utf-8")) if markdown.is_file() else []
    # Written as a whole and by the file itself, so that a reader who has left ends it as any other command.
    with console.capture() as text:
        console.print(*map(Text, ("", str(csv_path), *told)), sep="\n", soft_wrap=True)
        table = score_table(cells)
        needed = Measurement.get(console, console.options.update(max_width=_UNBOUNDED), table).minimum
        if needed > console.width:
            table = score_table(cells, with_classes=False)
            table.caption = f"The {len(class_columns(cells.columns))} classes need {needed} columns."
        console.print(table)
        if any(cells["verdict"]):
            console.print(comparison_table(cells))
    file.write(text.get())


def score_table(cells: pandas.DataFrame, with_classes: bool = True) -> Table:
    """The rows with their scores, from the cells of ``read_cells``."""
    further = [column for name in further_means(class_columns(cells.columns)) for column in (name, f"{name}_sd")]
    mean = mean_column(cells.columns)
    trailing = [mean, f"{mean}_sd", *further, "seeds", f"paper_{mean}", "delta"]
    numbers = class_columns(cells.columns) if with_classes else []
    numbers += [name for name in trailing if name == mean or (cells[name] != "").any()]
    table = _table(("method", "origin"), [_SHORT.get(name, _title(name)) for name in numbers])
    best = best_own(cells)
    for _, positions in groups(cells):
        table.add_section()
        for position in positions:
            row = cells.iloc[position]
            scores = [Text(row[name], "bold" if (position, name) in best else "") for name in numbers]
            table.add_row(Text(row["method"]), Text(_SHORT.get(row["origin"], row["origin"])), *scores)
    return table


def comparison_table(cells: pandas.DataFrame) -> Table:
    """What each row is against its control, of those that are compared with one."""
    compared = cells[cells["verdict"] != ""]
    lambdas = {"λ": "lambda", "paper's λ": "paper_lambda"} if any(compared["paper_lambda"]) else {}
    table = _table(["from the control"], [*lambdas, "points", "95 % over seeds", "detectable"])
    table.add_column("verdict")
    for _, row in compared.iterrows():
        over_seeds = " to ".join(filter(None, (row["vs_control_low"], row["vs_control_high"])))
        numbers = (*(row[name] for name in lambdas.values()), row["vs_control"], over_seeds, row["detectable"])
        table.add_row(*map(Text, (row["method"], *numbers, row["verdict"])))
    return table


def _table(texts: Iterable[str], numbers: Iterable[str]) -> Table:
    """Without rows; only its first column is wrapped."""
    table = Table(box=box.HORIZONTALS, padding=0, show_edge=False, header_style="", caption_justify="left")
    for place, title in enumerate(texts):
        table.add_column(title, no_wrap=place > 0)
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _title(name: str) -> str:
    """Five letters; of words that underscores join, three of each."""
    return "_".join(word[:3] for word in name.split("_")) if "_" in name else name[:5]

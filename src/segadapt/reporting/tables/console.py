"""A table for the terminal."""

import os
import sys
from pathlib import Path
from typing import TextIO

import pandas

from segadapt.reporting.tables.cells import best_own, class_columns, further_means, groups, mean_column, read_cells
from segadapt.reporting.tables.markdown import provenance_lines

WIDTH = 160
"""Characters a line."""

_SHORT = {
    "mIoU_sd": "sd", "accuracy_sd": "sd", "seeds": "n", "paper_mIoU": "paper", "paper_accuracy": "paper",
    "published": "publ.",
}  # fmt: skip
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def print_table(csv_path: Path, file: TextIO | None = None) -> None:
    """Prints a result table in at most 160 columns, rows grouped by origin.

    Shows method, classes (names cut to five letters), mIoU with its spread, seeds and, where there
    is one, the comparison with the paper; below it what each row is against the control. What the Markdown twin says
    on top is printed on top. Best own values are bold on a terminal, unless NO_COLOR is set.

    Args:
        csv_path: A table written by ``write_table``.
        file: Where to; standard output by default.
    """
    file = file or sys.stdout
    csv_path = Path(csv_path)
    markdown = csv_path.with_suffix(".md")
    print(f"\n{csv_path}", file=file)
    for line in provenance_lines(markdown.read_text(encoding="utf-8")) if markdown.is_file() else []:
        print(line, file=file)
    cells = read_cells(csv_path)
    bold = file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    for line in (*table_lines(cells, bold), *comparison_lines(cells)):
        print(line, file=file)


def table_lines(cells: pandas.DataFrame, bold: bool = False) -> list[str]:
    """The lines of the table, from the cells of ``read_cells``."""
    classes = class_columns(cells.columns)
    further = [column for name in further_means(classes) for column in (name, f"{name}_sd")]
    mean = mean_column(cells.columns)
    trailing = [mean, f"{mean}_sd", *further, "seeds", f"paper_{mean}", "delta"]
    numbers = [*classes, *(name for name in trailing if name == mean or (cells[name] != "").any())]
    titles = {name: _SHORT.get(name, _title(name)) for name in numbers}
    widths = {name: max(len(titles[name]), *(len(value) for value in cells[name]), 1) for name in numbers}
    origins = [_SHORT.get(each, each) for each in cells["origin"]]
    origin_width = max(map(len, ("origin", *origins)))
    free = WIDTH - origin_width - 1 - sum(width + 1 for width in widths.values())
    method_width = max(12, min(free, max(map(len, ("method", *cells["method"])))))
    head = f"{'method':<{method_width}} {'origin':<{origin_width}} "
    head += " ".join(f"{titles[name]:>{widths[name]}}" for name in numbers)
    rule = "-" * len(head)
    best = best_own(cells) if bold else set()
    lines = [head]
    for _, positions in groups(cells):
        lines.append(rule)
        for position in positions:
            shown = [
                _marked(f"{cells[name].iloc[position]:>{widths[name]}}", (position, name) in best) for name in numbers
            ]
            method = _cut(cells["method"].iloc[position], method_width)
            lines.append(f"{method:<{method_width}} {origins[position]:<{origin_width}} {' '.join(shown)}".rstrip())
    return [*lines, rule]


def comparison_lines(cells: pandas.DataFrame) -> list[str]:
    """The lines that say what each row is against its control; none if no row is compared."""
    compared = [row for _, row in cells.iterrows() if row["verdict"]]
    lambdas = {"λ": "lambda", "paper's λ": "paper_lambda"} if any(row["paper_lambda"] for row in compared) else {}
    columns = {
        "from the control": [row["method"] for row in compared],
        **{title: [row[name] for row in compared] for title, name in lambdas.items()},
        "points": [row["vs_control"] for row in compared],
        "95 % over seeds": [
            " to ".join(filter(None, (row["vs_control_low"], row["vs_control_high"]))) for row in compared
        ],
        "detectable": [row["detectable"] for row in compared],
        "verdict": [row["verdict"] for row in compared],
    }
    texts = [[title, *texts] for title, texts in columns.items()]
    widths = [max(map(len, each)) for each in texts]
    lines = []
    for method, *numbers, verdict in zip(*texts, strict=True):
        shown = " ".join(f"{text:>{width}}" for text, width in zip(numbers, widths[1:-1], strict=True))
        lines.append(f"{_cut(method, WIDTH // 2):<{min(widths[0], WIDTH // 2)}} {shown}  {verdict}")
    return lines if compared else []


def _title(name: str) -> str:
    """Five letters; of words that underscores join, three of each."""
    return "_".join(word[:3] for word in name.split("_")) if "_" in name else name[:5]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 2] + ".."


def _marked(text: str, best: bool) -> str:
    return f"{_BOLD}{text}{_PLAIN}" if best else text

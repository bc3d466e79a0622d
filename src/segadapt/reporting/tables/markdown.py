"""A table as Markdown."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas

from segadapt.reporting.tables.cells import best_own, legend, mean_column, meaning, number_columns, read_cells


def markdown_twin(cells: pandas.DataFrame, title: str, entries: dict[str, str], note: str) -> str:
    """Markdown with the facts of ``entries`` and the note on top, best own values in bold.

    Args:
        cells: The table's cells as text, from ``read_cells``.
        title: The heading.
        entries: Name and value of each fact.
        note: A warning, or "".
    """
    lines = [*heading(title, entries, note), ""]
    deviation = f"{mean_column(cells.columns)}_sd is the sample standard deviation over seeds"
    lines.append(f"{meaning(cells)}; {deviation}; bold: best value measured here; empty: not run or not reported.")
    lines += filter(None, [escape(legend(cells))])
    lines += ["", row_line([escape(name) for name in cells.columns])]
    numbers = number_columns(cells) - {"gpu_hours"}
    lines.append(row_line(["---:" if name in numbers else "---" for name in cells.columns]))
    best = best_own(cells)
    for position, values in enumerate(cells.itertuples(index=False, name=None)):
        shown = [
            f"**{escape(value)}**" if (position, name) in best else escape(value)
            for name, value in zip(cells.columns, values, strict=True)
        ]
        lines.append(row_line(shown))
    return "\n".join(lines) + "\n"


def heading(title: str, entries: Mapping[str, str], note: str) -> list[str]:
    """The lines on top of every table: its title, the note if there is one, and the facts."""
    lines = [f"# {escape(title)}", ""]
    if note:
        lines += [f"> **{escape(note)}**", ">"]
    return [*lines, "> " + "; ".join(f"{escape(name)}: {escape(value)}" for name, value in entries.items())]


def provenance_lines(markdown: str) -> list[str]:
    """The note and the facts on top of ``markdown_twin``'s text, without its markup."""
    quoted = [line.removeprefix(">").strip() for line in markdown.splitlines() if line.startswith(">")]
    plain = [re.sub(r"\\([\\|*_`\[\]#~])", r"\1", re.sub(r"^\*\*(.*)\*\*$", r"\1", line)) for line in quoted]
    return [line.replace("&lt;", "<").replace("&amp;", "&") for line in plain if line]


def escape(text: str) -> str:
    """The text with the signs that Markdown and HTML would take for theirs escaped, on one line."""
    text = re.sub(r"([\\|*_`\[\]#~])", r"\\\1", " ".join(text.split()))
    return text.replace("&", "&amp;").replace("<", "&lt;")


def plus_minus(record: Mapping[str, str], name: str) -> str:
    """A cell with its standard deviation, if it has one."""
    return f"{record.get(name, '')} ± {record.get(f'{name}_sd', '')}".removesuffix(" ± ")


def interval(record: Mapping[str, str], name: str) -> str:
    """A cell with its interval, if it has one."""
    low, high = (record[f"{name}_{end}"] for end in ("low", "high"))
    return f"{record[name]} ({low} to {high})" if low and high else record[name]


def row_line(cells: Iterable[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def readme_table(csv_path: Path) -> str:
    """Method, origin, mIoU with its spread, what it is against the control, and seeds of our own rows, as Markdown."""
    cells = read_cells(csv_path)
    own = [row for _, row in cells[cells["origin"] != "published"].iterrows()]
    columns = {
        "method": ("---", [row["method"] for row in own]),
        "origin": ("---", [row["origin"] for row in own]),
        "mIoU": ("---:", [plus_minus(row, "mIoU") for row in own]),
        "from the control (95 %)": ("---:", [interval(row, "vs_control") for row in own]),
        "verdict": ("---", [row["verdict"] for row in own]),
        "seeds": ("---:", [row["seeds"] for row in own]),
    }
    shown = {title: each for title, each in columns.items() if any(each[1])}
    lines = [[*shown], [rule for rule, _ in shown.values()], *zip(*(texts for _, texts in shown.values()), strict=True)]
    return "\n".join(map(row_line, lines))

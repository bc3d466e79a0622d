"""A table as Markdown."""

import re

import pandas

from segadapt.reporting.highlight import best_own
from segadapt.reporting.table import class_columns


def markdown_twin(cells: pandas.DataFrame, title: str, entries: dict[str, str], note: str) -> str:
    """Markdown with the facts of ``entries`` and the note on top, best own values in bold.

    Args:
        cells: The table's cells as text, from ``read_cells``.
        title: The heading.
        entries: Name and value of each fact.
        note: A warning, or "".
    """
    lines = [f"# {_escape(title)}", ""]
    if note:
        lines += [f"> **{_escape(note)}**", ">"]
    lines += ["> " + "; ".join(f"{_escape(name)}: {_escape(value)}" for name, value in entries.items()), ""]
    lines.append(
        "IoU and mIoU in percent; mIoU_sd is the sample standard deviation over seeds; "
        "bold: best value measured here; empty: not run or not reported."
    )
    lines += ["", _row([_escape(name) for name in cells.columns])]
    left = set(cells.columns) - {*class_columns(cells.columns), "mIoU", "mIoU_sd", "seeds", "paper_mIoU", "delta"}
    lines.append(_row(["---" if name in left else "---:" for name in cells.columns]))
    best = best_own(cells)
    for position, values in enumerate(cells.itertuples(index=False, name=None)):
        shown = [
            f"**{_escape(value)}**" if (position, name) in best else _escape(value)
            for name, value in zip(cells.columns, values, strict=True)
        ]
        lines.append(_row(shown))
    return "\n".join(lines) + "\n"


def provenance_lines(markdown: str) -> list[str]:
    """The note and the facts on top of ``markdown_twin``'s text, without its markup."""
    quoted = [line.removeprefix(">").strip() for line in markdown.splitlines() if line.startswith(">")]
    plain = [re.sub(r"\\([\\|*_`\[\]#~])", r"\1", re.sub(r"^\*\*(.*)\*\*$", r"\1", line)) for line in quoted]
    return [line.replace("&lt;", "<").replace("&amp;", "&") for line in plain if line]


def _escape(text: str) -> str:
    text = re.sub(r"([\\|*_`\[\]#~])", r"\\\1", " ".join(text.split()))
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"

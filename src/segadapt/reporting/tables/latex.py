"""A table as LaTeX (booktabs)."""

import pandas

from segadapt.reporting.tables.cells import best_own, groups, legend, meaning

_MATHS = {"λ": r"$\lambda$", "δ": r"$\delta$", "α": r"$\alpha$", "×": r"$\times$", "±": r"$\pm$", "†": r"\dag{}"}


def latex_twin(cells: pandas.DataFrame, title: str, entries: dict[str, str], note: str) -> str:
    r"""A ``table*`` with the facts of ``entries`` and the note in its caption, best own values in bold.

    To be put into a document by ``\input``; it needs the packages booktabs and graphicx.

    Args:
        cells: The table's cells as text, from ``read_cells``.
        title: Becomes the label ``tab:<title>``.
        entries: Name and value of each fact.
        note: A warning, or "".
    """
    facts = "; ".join(f"{name}: {value}" for name, value in entries.items())
    caption = [rf"\textbf{{{_escape(note)}}}"] if note else []
    unit = meaning(cells).replace("IoU and mIoU", "IoU")
    caption.append(f"{_escape(facts)}. {unit}; bold: best value measured here; empty: not run or not reported.")
    caption += filter(None, [_escape(legend(cells))])
    order = [position for _, positions in groups(cells) for position in positions]
    body = _tabular(cells, order)
    return "\n".join(
        [
            r"% Made by segadapt from the CSV of the same name. Needs \usepackage{booktabs,graphicx}.",
            *(f"% {' '.join(line.split())}" for line in (note, facts) if line),
            r"\begin{table*}",
            r"\centering",
            rf"\caption{{{' '.join(caption)}}}",
            rf"\label{{tab:{''.join(c for c in title if c.isalnum() or c in '-.')}}}",
            r"\resizebox{\textwidth}{!}{%",
            *body,
            r"}",
            r"\end{table*}",
            "",
        ]
    )


def _tabular(cells: pandas.DataFrame, order: list[int]) -> list[str]:
    best = best_own(cells)
    escaped = cells.map(_escape)
    for position, name in best:
        escaped.iloc[position, cells.columns.get_loc(name)] = rf"\textbf{{{cells[name].iloc[position]}}}"
    escaped = escaped.iloc[order].reset_index(drop=True)
    escaped.columns = [_escape(name) for name in cells.columns]
    # Cells and column names are escaped here, for Styler's own escaping knows no Greek letters.
    styler = escaped.style.hide(axis="index")
    lines = styler.to_latex(hrules=True, column_format="lll" + "r" * (len(cells.columns) - 3)).rstrip("\n").split("\n")
    first = lines.index(r"\midrule") + 1
    starts = [len(positions) for _, positions in groups(cells)][:-1]
    for end in reversed([sum(starts[: index + 1]) for index in range(len(starts))]):
        lines.insert(first + end, r"\midrule")
    return lines


def _escape(text: str) -> str:
    special = {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        # A bracket after \\ or at a row's start would be read as an optional argument.
        "[": "{[}",
        "]": "{]}",
    }
    special.update({sign: "\\" + sign for sign in "&%$#_{}"})
    return "".join(special.get(sign, _MATHS.get(sign, sign)) for sign in " ".join(text.split()))

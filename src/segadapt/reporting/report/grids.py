"""Tables as the template draws them: columns that say something, cells with their shade and what they open."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas

from segadapt.labels import CLASS_SETS
from segadapt.reporting.tables.cells import (
    best_own,
    class_columns,
    mean_column,
    number_columns,
    score_columns,
)
from segadapt.reporting.tables.intervals import BETTER, WORSE

_STRONGEST_SHADE = 0.55


def main_grid(cells: pandas.DataFrame, story_of: Mapping[str, int], controls: Mapping[str, str]) -> dict[str, Any]:
    """A result table: the mean beside the method's name, then what it is against the control, then the classes.

    Columns without any value are left out; ``more`` are those that paper has no room for. Every score has a shade for
    itself, and one for its difference from that of the control, whose title ``controls`` gives by the row's.
    """
    mean, classes = mean_column(cells.columns), class_columns(cells.columns)
    leading = ["method", mean, f"{mean}_sd", "vs_control", "vs_control_low", "vs_control_high", "verdict"]
    more = [name for name in cells.columns if name not in {*leading, *classes}]
    order = [*leading, *classes, *more]
    shown = [name for name in order if name in leading[:2] or (cells[name] != "").any()]
    palette = next((each.palette for each in CLASS_SETS.values() if list(each.classes) == classes), ())
    colours = {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in zip(classes, palette, strict=False)}
    numbers, best, scores = number_columns(cells), best_own(cells), score_columns(cells)
    gains = _gains(cells, scores, controls)
    most, rows = max(map(abs, gains.values()), default=0) or 1, []
    for position, row in enumerate(cells.to_dict("records")):
        story = None if row["origin"] == "published" else story_of.get(row["method"])
        found = []
        for name in shown:
            text, marks = row[name], ["n"] * (name in numbers) + ["more"] * (name in more)
            marks += ["best"] if (position, name) in best else []
            marks += [row[name]] if name == "verdict" and row[name] in (BETTER, WORSE) else []
            heat = f"{_STRONGEST_SHADE * float(text) / 100:.3f}" if name in scores and text else ""
            gain = gains.get((position, name))
            marks += [] if not gain else ["up" if gain > 0 else "down"]
            button = name == mean and story is not None and bool(text)
            about = {"text": text, "classes": " ".join(marks), "column": name, "heat": heat, "button": button}
            about["gain"] = "" if gain is None else f"{_STRONGEST_SHADE * abs(gain) / most:.3f}"
            found.append(about | {"hint": "" if gain is None else f"{gain:+.1f} from the control"})
        rows.append({"origin": row["origin"], "story": story, "against": None, "cells": found})
    columns = [
        {"label": _label(name, mean), "number": name in numbers, "more": name in more, "colour": colours.get(name)}
        for name in shown
    ]
    return {"columns": columns, "rows": rows}


def _gains(cells: pandas.DataFrame, scores: Iterable[str], controls: Mapping[str, str]) -> dict[tuple[int, str], float]:
    """Points above the control of our own rows, by position and column, from the numbers as the table shows them."""
    rows = cells.to_dict("records")
    own = {row["method"]: row for row in rows if row["origin"] != "published"}
    return {
        (position, name): round(float(row[name]) - float(control[name]), 1) + 0.0
        for position, row in enumerate(rows)
        if row["origin"] != "published" and (control := own.get(controls.get(row["method"])))
        for name in scores
        if row[name] and control[name]
    }


def plain_grid(csv: Path, story_of: Mapping[str, int]) -> dict[str, Any]:
    """A table that goes with another one, its rows telling the stories of the rows they go with.

    A row that names its ``baseline`` tells of that one, too, which need not be the table's control.
    """
    cells = pandas.read_csv(csv, dtype=str, keep_default_na=False)
    shown = [name for name in cells.columns if (cells[name] != "").any()] or list(cells.columns)
    numbers = {name for name in shown if _is_number(cells[name])}
    rows = [
        {
            "origin": row.get("origin", "ours"),
            "story": story_of.get(row.get("method", "")),
            "against": story_of.get(row.get("baseline", "")),
            "cells": [
                {
                    "text": row[name],
                    "classes": "n" if name in numbers else "",
                    "column": name,
                    "heat": "",
                    "gain": "",
                    "hint": "",
                    "button": False,
                }
                for name in shown
            ],
        }
        for row in cells.to_dict("records")
    ]
    columns = [{"label": name, "number": name in numbers, "more": False, "colour": None} for name in shown]
    return {"columns": columns, "rows": rows}


def _label(name: str, mean: str) -> str:
    return {f"{mean}_sd": "± sd", "vs_control": "vs control", "vs_control_low": "low", "vs_control_high": "high"}.get(
        name, name
    )


def _is_number(column: pandas.Series) -> bool:
    known = column[column != ""]
    return len(known) > 0 and pandas.to_numeric(known, errors="coerce").notna().all()

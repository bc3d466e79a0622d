"""A table as one self-contained HTML page."""

import jinja2
import pandas

from segadapt.labels import CLASS_SETS
from segadapt.reporting.tables.cells import (
    ORIGIN_TITLES,
    best_own,
    class_columns,
    groups,
    legend,
    mean_column,
    meaning,
    number_columns,
    score_columns,
)

_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { --ink: #1b2430; --soft: #5b6675; --paper: #ffffff; --band: #f2f5f9; --line: #d5dce5; --heat: 0, 114, 178;
  --warn: #fff4d6; --warn-line: #e69f00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa7b8; --paper: #14181f; --band: #1e2530;
  --line: #333d4b; --heat: 86, 180, 233; --warn: #3a2f14; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 14px/1.45 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
h1 { margin: 0 0 .6rem; font-size: 1.4rem; }
.note { max-width: 70rem; margin: 0 0 .8rem; padding: .6rem .9rem; background: var(--warn);
  border-left: 4px solid var(--warn-line); font-weight: 600; }
dl { display: flex; flex-wrap: wrap; gap: .3rem 1.8rem; margin: 0 0 .8rem; }
dl div { display: flex; gap: .45rem; }
dt { color: var(--soft); }
dd { margin: 0; font-variant-numeric: tabular-nums; }
.key { margin: .8rem 0 0; color: var(--soft); max-width: 70rem; }
.frame { overflow: auto; max-height: 85vh; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: separate; border-spacing: 0; white-space: nowrap; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .55rem; border-bottom: 1px solid var(--line); text-align: left; }
thead th { position: sticky; top: 0; z-index: 2; background: var(--band); font-weight: 600; vertical-align: bottom; }
.n { text-align: right; }
th:first-child { position: sticky; left: 0; z-index: 1; background: var(--paper); font-weight: 500; }
thead th:first-child { z-index: 3; background: var(--band); }
tr.group th { position: sticky; left: 0; background: var(--band); color: var(--soft); font-size: .82rem;
  letter-spacing: .04em; text-transform: uppercase; }
tr.group td { background: var(--band); }
.swatch { display: block; height: 4px; margin-top: 3px; border-radius: 2px; }
td.total { border-left: 2px solid var(--line); }
.published td, .published th { color: var(--soft); }
td.best { font-weight: 700; color: var(--ink); }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% if note %}<p class="note">{{ note }}</p>
{% endif %}<dl>
{% for name, value in entries.items() %}<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>
{% endfor %}</dl>
<div class="frame">
<table>
<thead><tr>
{% for column in columns %}<th scope="col"{% if column.number %} class="n"{% endif %}>{{ column.name -}}
{% if column.colour %}<span class="swatch" style="background: {{ column.colour }}"></span>{% endif %}</th>
{% endfor %}</tr></thead>
{% for group in groups %}<tbody class="{{ group.origin }}">
<tr class="group"><th scope="rowgroup">{{ group.title }}</th><td colspan="{{ columns | length - 1 }}"></td></tr>
{% for row in group.rows %}<tr>
{% for cell in row %}{% if loop.first %}<th scope="row">{{ cell.text }}</th>
{% else %}<td{% if cell.classes %} class="{{ cell.classes }}"{% endif -%}
{% if cell.heat %} style="background: rgba(var(--heat), {{ cell.heat }})"{% endif %}>{{ cell.text }}</td>
{% endif %}{% endfor %}</tr>
{% endfor %}</tbody>
{% endfor %}</table>
</div>
<p class="key">{{ meaning }}, shaded from 0 to 100; {{ mean }}_sd is the sample standard deviation over seeds.
Bold: best value measured here. Empty: not run or not reported. {{ legend }}</p>
</body>
</html>
"""

_STRONGEST_SHADE = 0.45


def html_twin(cells: pandas.DataFrame, title: str, entries: dict[str, str], note: str) -> str:
    """A page with the facts and the note on top, rows grouped by origin, best own values in bold.

    The shading is one blue whose strength grows with the value, so it needs no colour vision and
    survives a grey print.

    Args:
        cells: The table's cells as text, from ``read_cells``.
        title: The heading.
        entries: Name and value of each fact.
        note: A warning, or "".
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(_TEMPLATE).render(
        title=title,
        note=note,
        entries=entries,
        meaning=meaning(cells),
        mean=mean_column(cells.columns),
        legend=legend(cells),
        columns=_columns(cells),
        groups=[
            {
                "origin": origin,
                "title": ORIGIN_TITLES.get(origin, origin),
                "rows": [_row(cells, position, best_own(cells)) for position in positions],
            }
            for origin, positions in groups(cells)
        ],
    )


def _columns(cells: pandas.DataFrame) -> list[dict]:
    classes = class_columns(cells.columns)
    palette = next((each.palette for each in CLASS_SETS.values() if list(each.classes) == classes), ())
    colours = {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in zip(classes, palette, strict=False)}
    return [
        {"name": name, "number": name in number_columns(cells), "colour": colours.get(name)} for name in cells.columns
    ]


def _row(cells: pandas.DataFrame, position: int, best: set[tuple[int, str]]) -> list[dict]:
    row = []
    for name in cells.columns:
        text = cells[name].iloc[position]
        classes = ["n"] if name in number_columns(cells) else []
        classes += ["total"] if name == mean_column(cells.columns) else []
        classes += ["best"] if (position, name) in best else []
        shaded = name in score_columns(cells) and text
        heat = f"{_STRONGEST_SHADE * float(text) / 100:.3f}" if shaded else ""
        row.append({"text": text, "classes": " ".join(classes), "heat": heat})
    return row

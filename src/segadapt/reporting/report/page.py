"""Puts the page together: template, style and script lie beside this file; equal inputs give equal bytes."""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from segadapt.core.artifacts import read_json
from segadapt.core.job import Input, Job
from segadapt.core.parameters.methods import LATER_WORK
from segadapt.core.stages import GALLERY
from segadapt.reporting.lineage.explain import read_lineage
from segadapt.reporting.lineage.trace import Record, missing_note
from segadapt.reporting.report.chart import chart
from segadapt.reporting.report.curves import curves
from segadapt.reporting.report.grids import main_grid, plain_grid
from segadapt.reporting.report.stories import Stories
from segadapt.reporting.tables.cells import legend, meaning, read_cells

HERE = Path(__file__).parent
_TITLES = {
    "scoring": "Scoring modes", "statistics": "Statistics", "measures": "Measures beside mIoU", "costs": "Costs",
}  # fmt: skip
_MEDIA = {"csv": "text/csv", "tex": "application/x-tex", "svg": "image/svg+xml"}


def build(job: Job) -> bytes:
    """The page of the job's tables, in their order; the first one is drawn as a chart on top."""
    stories, tables = Stories(), []
    records = {name: read_lineage(Path(job.input("csv", row=name))) for name in job.config["tables"]}
    for name, record in records.items():
        tables.append(_table(job, name, record, stories))
    main = job.config["tables"][0]
    cells = read_cells(Path(job.input("csv", row=main)))
    notes = dict.fromkeys(note for record in records.values() if (note := record["identity"]["config"]["data_note"]))
    content = {
        "title": f"{job.config['preset']}: {', '.join(records)}",
        "facts": _facts(job, records.values()),
        "notes": notes,
        "chart": chart(main, cells, records[main], stories),
        "galleries": [_gallery(each, stories) for each in job.read(GALLERY)],
        "tables": tables,
        "others": job.config["others"],
        "curves": curves(job, stories.of_row),
        "figures": [{"title": Path(each.path).stem, "data": _data_uri(each)} for each in job.read("figure")],
        "stories": stories.content(),
        "style": Markup((HERE / "page.css").read_text(encoding="utf-8")),
        "script": Markup((HERE / "page.js").read_text(encoding="utf-8")),
    }
    return _environment().get_template("page.html").render(content).encode()


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )  # fmt: skip


def _facts(job: Job, records: Iterable[Record]) -> list[tuple[str, str]]:
    jobs = {each["fingerprint"]: each for record in records for each in record["lineage"]["jobs"].values()}
    seeds = dict.fromkeys(seed for record in records for seed in record["identity"]["config"]["seeds"])
    hours = sum(each.get("cpu_seconds", each["seconds"]) for each in jobs.values()) / 3600
    gpu_hours = sum(each.get("gpu_seconds", 0.0) for each in jobs.values()) / 3600
    took = f"{hours:.2f} CPU-hours" + (f", {gpu_hours:.2f} GPU-hours" if gpu_hours else "")
    return [
        ("preset", job.config["preset"]),
        ("protocol", job.config["protocol"]),
        ("seeds", ", ".join(map(str, seeds))),
        ("jobs behind it", f"{len(jobs)}, {took}"),
        ("commit", " ".join(sorted({str(each["commit"]) for each in jobs.values()}))),
        ("machine", "; ".join(sorted({each["machine"] for each in jobs.values()}))),
    ]


def _table(job: Job, name: str, record: Record, stories: Stories) -> dict[str, Any]:
    csv = Path(job.input("csv", row=name))
    cells = read_cells(csv)
    beside = [each for stage in _TITLES for each in job.read(stage, row=name)]
    stories.add(csv, record, [read_lineage(Path(each.path)) for each in beside])
    story_of = stories.of_table(name)
    grids = [
        {"title": _TITLES[each.role], "file": _file(each), "grid": plain_grid(Path(each.path), story_of)}
        for each in beside
    ]
    left_out = [
        f"{each['title']} is left out, it cannot be traced: {each['why']}" for each in record["lineage"]["left_out"]
    ]
    return {
        "name": name,
        "files": [_file(each) for kind in ("csv", "tex") for each in job.read(kind, row=name)],
        "notes": [*left_out, *filter(None, [missing_note(record["identity"]["config"])])],
        "grid": main_grid(cells, story_of, stories.controls(name)),
        "key": f"{meaning(cells)}, shaded from 0 to 100. Bold: best value measured here. {_printed(record)}"
        f"{legend(cells)}",
        "beside": grids,
    }


def _printed(record: Record) -> str:
    """Where the published rows come from; "" if there are none."""
    number = record["identity"]["config"]["published"]
    if number is None:
        return ""
    if number == LATER_WORK:
        return "Published rows are what the authors of later work state beside their code. "
    return f"Published rows are those of the paper's Table {number}. "


def _gallery(each: Input, stories: Stories) -> dict[str, Any]:
    pictures = read_json(Path(each.path))
    return pictures | {"rows": [row | {"story": stories.of_row(row["key"])} for row in pictures["rows"]]}


def _file(each: Input) -> dict[str, str]:
    path = Path(each.path)
    return {"name": path.name, "kind": path.suffix[1:], "data": _data_uri(each)}


def _data_uri(each: Input) -> str:
    path = Path(each.path)
    return f"data:{_MEDIA[path.suffix[1:]]};base64,{base64.b64encode(path.read_bytes()).decode()}"

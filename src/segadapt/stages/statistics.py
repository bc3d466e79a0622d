"""Assembles the table of statistics: every row of a table against its control, with its Markdown twin."""

from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json, write_bytes
from segadapt.core.job import Job, score_role
from segadapt.evaluation import Evaluation
from segadapt.reporting import TableHeader
from segadapt.reporting.lineage.trace import Tracer, notes, trace_rows
from segadapt.reporting.tables.statistics import compare, comparison_csv, comparison_markdown, comparison_record
from segadapt.stages.runner import main


def assemble(job: Job, scratch: Path) -> dict[str, Any]:
    """From the evaluations of every row and seed to ``results/<table>_statistics.*``; returns the table's lineage.

    A row whose chain of records is broken is left out, and so are those whose control it is; the note says so.
    """
    config, tracer = job.config, Tracer()
    traced, left_out = trace_rows(job, tracer)
    by_key = {row.about["key"]: row for row in traced}
    cells, records, shown = [], [], {}
    for row in traced:
        control = by_key.get(row.about["baseline"])
        if control is None or control is row:
            continue
        both = [_evaluations(job, each.about["key"]) for each in (row, control)]
        found = compare(*both, row.about["title"], config)
        cells.append(comparison_record(row.about, control.about["title"], found, config))
        # The control's jobs stand behind a difference as well.
        records.append(row.record(found.values()) | {"made_by": row.made_by + control.made_by})
        shown |= {each.about["key"]: each for each in (control, row)}
    made_by = [read_json(Path(path))["model"] for row in shown.values() for path in row.metrics]
    header = TableHeader.of_models(config, notes(job, left_out), made_by)
    csv = Path(job.outputs["csv"])
    text = comparison_markdown(cells, csv.stem, header.entries(), header.data_note)
    write_bytes(Path(job.outputs["md"]), text.encode())
    write_bytes(csv, comparison_csv(cells))
    return {"lineage": {"rows": records, "left_out": left_out, "jobs": tracer.jobs}}


def _evaluations(job: Job, key: str) -> list[Evaluation]:
    return [Evaluation.load(Path(job.inputs[score_role("confusion", key, seed)])) for seed in job.config["seeds"]]


if __name__ == "__main__":
    main(assemble)

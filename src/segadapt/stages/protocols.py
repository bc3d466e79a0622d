"""Assembles the table of scoring modes, with its Markdown twin."""

from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json, write_bytes
from segadapt.core.job import Job
from segadapt.reporting import TableHeader
from segadapt.reporting.lineage.trace import Tracer, notes, trace_rows
from segadapt.reporting.tables.scoring import (
    scoring_csv,
    scoring_markdown,
    scoring_record,
    scoring_steps,
    scoring_values,
)
from segadapt.stages.runner import main


def assemble(job: Job, scratch: Path) -> dict[str, Any]:
    """From the metrics of every row and seed to ``results/<table>_protocols.*``; returns the table's lineage.

    A row whose chain of records is broken is left out; the table's note and stderr say so, and why.
    """
    config, tracer, size = job.config, Tracer(), job.config["evaluation_size"]
    cells, records, made_by = [], [], []
    traced, left_out = trace_rows(job, tracer)
    for row in traced:
        found = [read_json(Path(path)) for path in row.metrics]
        values = scoring_values(found, size)
        cells.append(scoring_record(row.about, values, scoring_steps(found, size), config))
        records.append(row.record(values | {"mIoU": values[f"mIoU {size}"]}))
        made_by += [metrics["model"] for metrics in found]
    header = TableHeader.of_models(config, notes(job, left_out), made_by)
    csv = Path(job.outputs["csv"])
    text = scoring_markdown(cells, csv.stem, header.entries(), header.data_note, f"mIoU {size}")
    write_bytes(Path(job.outputs["md"]), text.encode())
    write_bytes(csv, scoring_csv(cells))
    return {"lineage": {"rows": records, "left_out": left_out, "jobs": tracer.jobs}}


if __name__ == "__main__":
    main(assemble)

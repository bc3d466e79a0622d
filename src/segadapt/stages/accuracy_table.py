"""Assembles a table of classification with its Markdown, LaTeX, HTML and metrics twins."""

from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json
from segadapt.core.job import Job
from segadapt.reporting import TableHeader, write_table
from segadapt.reporting.lineage.trace import Tracer, joined, notes, trace_rows
from segadapt.reporting.tables.accuracy_rows import accuracies, by_row, table_rows, with_mean
from segadapt.reporting.tables.accuracy_table import accuracy_table
from segadapt.reporting.tables.published import published_accuracies
from segadapt.stages.runner import main


def assemble(job: Job, scratch: Path) -> dict[str, Any]:
    """From the metrics of every row, task and seed to ``results/<table>.*``; returns the table's lineage.

    A cell whose chain of records is broken is left empty; the table's note and stderr say so, and why.
    """
    config, tracer = job.config, Tracer()
    cells, left_out = trace_rows(job, tracer)
    metrics = by_row(cells, lambda cell: [read_json(Path(path)) for path in cell.metrics])
    published = published_accuracies() if config["published"] else []
    frame = accuracy_table(table_rows(config, metrics), list(config["tasks"]), published, config["is_paper_data"])
    made_by = [each["model"] for tasks in metrics.values() for seeds in tasks.values() for each in seeds]
    note = " ".join(filter(None, [notes(job, left_out, warn=not config["is_paper_data"]), config["published_note"]]))
    write_table(Path(job.outputs["csv"]), frame, TableHeader.of_models(config, note, made_by))
    values = {
        row: with_mean(accuracies(found, lambda each: each["native"]["accuracy"]), config["tasks"])
        for row, found in metrics.items()
    }
    return {"lineage": {"rows": joined(cells, values), "left_out": left_out, "jobs": tracer.jobs}}


if __name__ == "__main__":
    main(assemble)

"""Assembles the table that shows what choosing a step does in classification, with its Markdown twin."""

from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json, write_bytes
from segadapt.core.job import Job
from segadapt.reporting import TableHeader
from segadapt.reporting.lineage.trace import Tracer, joined, notes, trace_rows
from segadapt.reporting.tables.accuracy_protocols import by_habit, protocols_csv, protocols_markdown, records
from segadapt.reporting.tables.accuracy_rows import by_row, with_mean
from segadapt.stages.runner import main


def assemble(job: Job, scratch: Path) -> dict[str, Any]:
    """From the metrics of every row, task and seed to ``results/<table>_protocols.*``; returns the table's lineage."""
    config, tracer = job.config, Tracer()
    cells, left_out = trace_rows(job, tracer)
    metrics = by_row(cells, lambda cell: [read_json(Path(path)) for path in cell.metrics])
    about, tasks, lines, values = {each["row"]: each for each in config["rows"]}, config["tasks"], [], {}
    for row, found in metrics.items():
        habits = by_habit(found)
        lines += records(about[row], habits, list(tasks))
        values[row] = with_mean(habits["last step"], tasks)
    made_by = [each["model"] for found in metrics.values() for seeds in found.values() for each in seeds]
    header, csv = TableHeader.of_models(config, notes(job, left_out), made_by), Path(job.outputs["csv"])
    text = protocols_markdown(lines, tasks, csv.stem, header.entries(), header.data_note)
    write_bytes(Path(job.outputs["md"]), text.encode())
    write_bytes(csv, protocols_csv(lines, list(tasks)))
    return {"lineage": {"rows": joined(cells, values), "left_out": left_out, "jobs": tracer.jobs}}


if __name__ == "__main__":
    main(assemble)

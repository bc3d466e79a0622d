"""Assembles a result table with its Markdown, LaTeX, HTML and metrics twins."""

from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json
from segadapt.core.job import Job
from segadapt.labels import CLASS_SETS
from segadapt.reporting import TableHeader, build_table, published_rows, write_table
from segadapt.reporting.lineage.trace import Tracer, missing_rows, notes, trace_rows
from segadapt.reporting.tables.rows import missing_row, row_values, table_row
from segadapt.stages.runner import main


def assemble(job: Job, scratch: Path) -> dict[str, Any]:
    """From the metrics of every row and seed to ``results/<table>.*``; returns the table's lineage.

    A row whose chain of records is broken is left out; the table's note and stderr say so, and why. A row that the
    configuration calls ``missing``, for a job of it failed, has no numbers (``segadapt.plan.jobs.partial``).
    """
    config, tracer = job.config, Tracer()
    class_set = CLASS_SETS[config["classes"]]
    rows, records, machines = [], [], set()
    traced, left_out = trace_rows(job, tracer)
    by_key = {each.about["key"]: each for each in traced}
    for row in config["rows"]:
        each = by_key.get(row["key"])
        if each is None:
            rows += [missing_row(row, config)] if row["key"] in missing_rows(config) else []
            continue
        found = [read_json(Path(path)) for path in each.metrics]
        rows.append(table_row(each.about, found, config, class_set))
        machines.update(metrics["model"]["machine"] or "unknown" for metrics in found)
        records.append(each.record(row_values(rows[-1], class_set)))
    published = published_rows(config["published"]) if config["published"] else ()
    header = TableHeader(
        preset=config["preset"],
        data_note=notes(job, left_out, warn=not config["is_paper_data"]),
        machine="; ".join(sorted(machines)),
        commit=" ".join(sorted({commit for row in rows for commit in row.commit.split()})),
        seeds=tuple(config["seeds"]),
        protocol=config["protocol"],
    )
    frame = build_table(rows, class_set, published, config["is_paper_data"])
    write_table(Path(job.outputs["csv"]), frame, header)
    return {"lineage": {"rows": records, "left_out": left_out, "jobs": tracer.jobs}}


if __name__ == "__main__":
    main(assemble)

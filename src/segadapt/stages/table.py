"""Assembles a result table with its Markdown, LaTeX, HTML and metrics twins."""

import sys
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json
from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.labels import CLASS_SETS
from segadapt.reporting import TableHeader, build_table, published_rows, write_table
from segadapt.reporting.lineage import Tracer, row_inputs
from segadapt.reporting.rows import row_values, table_row
from segadapt.stages.runner import main


def assemble(job: Job, scratch: Path) -> dict[str, Any]:
    """From the metrics of every row and seed to ``results/<table>.*``; returns the table's lineage.

    A row whose chain of records is broken is left out; the table's note and stderr say so, and why.
    """
    config, tracer = job.config, Tracer()
    class_set = CLASS_SETS[config["classes"]]
    rows, traced, left_out, machines = [], [], [], set()
    for row in config["rows"]:
        inputs = [row_inputs(job.inputs, row["key"], seed) for seed in config["seeds"]]
        try:
            made_by = [sorted({tracer.trace_file(path) for path in each.values()}) for each in inputs]
        except UserError as error:
            left_out.append({"key": row["key"], "title": row["title"], "why": str(error)})
            print(f"{job.name}: row {row['title']} is left out, it cannot be traced: {error}", file=sys.stderr)
            continue
        seeds = zip(config["seeds"], inputs, strict=True)
        found = [read_json(Path(each[f"metrics/{row['key']}/{seed}"])) for seed, each in seeds]
        rows.append(table_row(row, found, config, class_set))
        machines.update(each["model"]["machine"] or "unknown" for each in found)
        values = row_values(rows[-1], class_set)
        traced.append({"key": row["key"], "title": row["title"], "made_by": made_by, "values": values})
    published = published_rows(config["published"]) if config["published"] else ()
    notes = [] if config["is_paper_data"] else [config["data_note"]]
    notes += [f"Left out, because it cannot be traced: {each['title']} ({each['why']})." for each in left_out]
    header = TableHeader(
        preset=config["preset"],
        data_note=" ".join(notes),
        machine="; ".join(sorted(machines)),
        commit=" ".join(sorted({commit for row in rows for commit in row.commit.split()})),
        seeds=tuple(config["seeds"]),
        protocol=config["protocol"],
    )
    frame = build_table(rows, class_set, published, config["is_paper_data"])
    write_table(Path(job.outputs["csv"]), frame, header)
    return {"lineage": {"rows": traced, "left_out": left_out, "jobs": tracer.jobs}}


if __name__ == "__main__":
    main(assemble)

"""Makes a table, or what goes with one; which, and from what, a file of ``reporting/tables`` says."""

from pathlib import Path
from typing import Any

from segadapt.core.artifacts import write_bytes
from segadapt.core.chosen import Chosen
from segadapt.core.job import Job
from segadapt.reporting.lineage.trace import trace_table
from segadapt.stages.runner import main

TABLE = Chosen("table", "segadapt.reporting.tables.{}")


def assemble(job: Job, scratch: Path) -> dict[str, Any]:
    """From the scores of every row and seed to ``results/<table>*``; returns the table's lineage.

    Rows whose chain of records is broken are left out; the table's note and stderr say so, and why.
    """
    traced = trace_table(job)
    files, rows = TABLE.load(job.config["table"]).build(traced)
    for role, content in files.items():
        write_bytes(Path(job.outputs[role]), content)
    return {"lineage": traced.lineage(rows)}


if __name__ == "__main__":
    main(assemble)

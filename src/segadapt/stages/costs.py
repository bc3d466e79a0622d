"""Assembles the table of costs: CPU and GPU hours and memory of every row, with its Markdown twin."""

from pathlib import Path
from typing import Any

from segadapt.core.artifacts import write_bytes
from segadapt.core.job import Job
from segadapt.reporting import TableHeader
from segadapt.reporting.lineage.trace import Tracer, chain, notes, trace_rows
from segadapt.reporting.tables.costs import cost_record, costs_csv, costs_markdown
from segadapt.stages.runner import main


def assemble(job: Job, scratch: Path) -> dict[str, Any]:
    """From the records behind every row to ``results/<table>_costs.*``; returns the table's lineage.

    The numbers are those of the runs that were made, so no two runs give equal bytes. A row whose chain of records
    is broken is left out; the note says so.
    """
    config, tracer = job.config, Tracer()
    traced, left_out = trace_rows(job, tracer)
    cells, records, behind = [], [], {}
    for row in traced:
        made_by = chain(tracer.jobs, [end for seed in row.made_by for end in seed])
        jobs = {fingerprint: tracer.jobs[fingerprint] for fingerprint in made_by}
        cells.append(cost_record(row.about, list(jobs.values()), config))
        records.append(row.record({}))
        behind |= jobs
    header = TableHeader.of_models(config, notes(job, left_out), behind.values())
    csv = Path(job.outputs["csv"])
    write_bytes(Path(job.outputs["md"]), costs_markdown(cells, csv.stem, header.entries(), header.data_note).encode())
    write_bytes(csv, costs_csv(cells))
    return {"lineage": {"rows": records, "left_out": left_out, "jobs": tracer.jobs}}


if __name__ == "__main__":
    main(assemble)

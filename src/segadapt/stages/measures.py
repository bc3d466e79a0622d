"""Assembles the table of measures and how well label-free scores rank its models, with their Markdown twin."""

from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json, write_bytes
from segadapt.core.job import Job
from segadapt.reporting import TableHeader
from segadapt.reporting.lineage.trace import Tracer, notes, trace_rows
from segadapt.reporting.tables.measures import PERCENT, measure_record, measure_values, measures_csv, measures_markdown
from segadapt.reporting.tables.ranking import ranking_csv, ranking_records, scored_models
from segadapt.stages.runner import main


def assemble(job: Job, scratch: Path) -> dict[str, Any]:
    """From the metrics of every row and seed to ``results/<table>_measures.*`` and ``_ranking.csv``; their lineage.

    A row whose chain of records is broken is left out; the table's note and stderr say so, and why.
    """
    config, tracer = job.config, Tracer()
    cells, models, records, made_by = [], [], [], []
    traced, left_out = trace_rows(job, tracer)
    for row in traced:
        found = [read_json(Path(path)) for path in row.metrics]
        values = measure_values(found)
        cells.append(measure_record(row.about, values, config))
        models += scored_models(row.about["title"], found, config["seeds"], config["evaluation_size"])
        records.append(row.record({name: values[name] for name in PERCENT}))
        made_by += [metrics["model"] for metrics in found]
    header = TableHeader.of_models(config, notes(job, left_out), made_by)
    csv, ranking = Path(job.outputs["csv"]), ranking_records(models, config)
    text = measures_markdown(cells, ranking, csv.stem, header.entries(), header.data_note)
    write_bytes(Path(job.outputs["md"]), text.encode())
    write_bytes(Path(job.outputs["ranking"]), ranking_csv(ranking))
    write_bytes(csv, measures_csv(cells))
    return {"lineage": {"rows": records, "left_out": left_out, "jobs": tracer.jobs}}


if __name__ == "__main__":
    main(assemble)

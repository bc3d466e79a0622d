"""Assembles the table of statistics of a classification table: every row against the control, task by task."""

from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json, write_bytes
from segadapt.core.job import Job, score_role
from segadapt.evaluation import Evaluation
from segadapt.reporting import TableHeader
from segadapt.reporting.lineage.trace import Tracer, notes, trace_rows
from segadapt.reporting.tables.accuracy_rows import by_row
from segadapt.reporting.tables.statistics import compare, comparison_csv, comparison_markdown, comparison_record
from segadapt.stages.runner import main


def assemble(job: Job, scratch: Path) -> dict[str, Any]:
    """From the answers of every row, task and seed to ``results/<table>_statistics.*``; returns the table's lineage."""
    config, tracer = job.config, Tracer()
    cells, left_out = trace_rows(job, tracer)
    by_key, read = by_row(cells, lambda cell: cell), {}
    for cell in cells:
        paths = [job.inputs[score_role("confusion", cell.about["key"], seed)] for seed in config["seeds"]]
        read[cell.about["key"]] = [Evaluation.load(Path(path)) for path in paths]
    lines, rows = [], []
    for cell in cells:
        control = by_key.get(config["baseline"], {}).get(cell.about["task"])
        if control is None or cell.about["row"] == config["baseline"]:
            continue
        found = compare(read[cell.about["key"]], read[control.about["key"]], cell.about["title"], config)
        about = cell.about | {"title": f"{cell.about['title']}, {config['tasks'][cell.about['task']]}"}
        lines.append(comparison_record(about, control.about["title"], found, config, "accuracy"))
        record = cell.record(found.values()) | {"title": about["title"], "made_by": cell.made_by + control.made_by}
        rows.append(record)
    made_by = [read_json(Path(path))["model"] for cell in cells for path in cell.metrics]
    header, csv = TableHeader.of_models(config, notes(job, left_out), made_by), Path(job.outputs["csv"])
    text = comparison_markdown(lines, csv.stem, header.entries(), header.data_note, "accuracy")
    write_bytes(Path(job.outputs["md"]), text.encode())
    write_bytes(csv, comparison_csv(lines, "accuracy"))
    return {"lineage": {"rows": rows, "left_out": left_out, "jobs": tracer.jobs}}


if __name__ == "__main__":
    main(assemble)
